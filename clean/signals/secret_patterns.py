"""Formats of known credentials: what each issuer prints, as anchored regular expressions.

Every expression takes time linear in the text: it opens with a literal (or one character) that
the search jumps to, its runs are possessive, and whatever it can repeat without end can't stand
before it, so that no character is looked at again from another start.

Not here, because nothing in their shape tells them from other text: passwords in assignments,
hex keys without a prefix, UUIDs (Heroku's keys among them), AWS session tokens.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from clean.signals.possessive import possessive

_MAX_WORDY = 200  # a longer value may spell any short word by chance
_MIN_DISTINCT = 10
_PLACEHOLDER = re.compile(
    r"example|dummy|fake|sample|placeholder|your|change.?me|redacted|insert|replace|goes.?here"
    r"|xxxx|\*\*\*|\.\.\.|(.)\1{4}",
    re.IGNORECASE | re.DOTALL,
)
_SEQUENCES = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "9876543210", "qwertyuiop")
_SEQUENCE_CHARS = 7


def looks_random(value: str) -> bool:
    """Whether a value of the right shape can be a credential rather than a stand-in for one.

    Our reading: a third of its characters (ten at most) are distinct. Up to 200 characters, also:
    no character stands five times in a row, no word says that it is an example, and no seven
    characters run through the alphabet, the digits or the keyboard's top row. Of 36 random letters
    and digits fewer than one in a thousand fail.
    """
    if len(set(value)) < min(_MIN_DISTINCT, len(value) / 3):
        return False
    if len(value) > _MAX_WORDY:
        return True
    return _PLACEHOLDER.search(value) is None and not _holds_sequence(value.lower())


def _holds_sequence(value: str) -> bool:
    return any(
        sequence[start : start + _SEQUENCE_CHARS] in value
        for sequence in _SEQUENCES
        for start in range(len(sequence) - _SEQUENCE_CHARS + 1)
    )


def _is_jwt(value: str) -> bool:
    """Whether the header is a JOSE header (RFC 7515, section 4): a JSON object with `alg`."""
    header = value.partition(".")[0]
    try:
        decoded = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return False
    return isinstance(decoded, dict) and "alg" in decoded and looks_random(value)


def _is_discord(value: str) -> bool:
    """Whether the first part is a user's number in Base64, as Discord's bot tokens begin."""
    first = value.partition(".")[0]
    try:
        number = base64.urlsafe_b64decode(first + "=" * (-len(first) % 4))
    except (ValueError, binascii.Error):
        return False
    return number.isdigit() and looks_random(value)


def _is_aws_secret(value: str) -> bool:
    """Whether 40 characters are of more kinds than a SHA-1 or a name has."""
    kinds = (re.search(kind, value) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return all(kinds) and looks_random(value)


_MIN_PASSWORD_CHARS = 6
_PASSWORD_WORD = re.compile(
    r"pass|pwd|secret|user|login|test|admin|token|key|foo|bar|baz|qux|%\(|%s|%d|\{|<|\$", re.I
)
_PASSWORD_KINDS = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"), re.compile(r"\W"))


def _is_password(value: str) -> bool:
    """Whether a URL's password can be one: six characters of two kinds, and no usual stand-in."""
    kinds = sum(kind.search(value) is not None for kind in _PASSWORD_KINDS)
    if len(value) < _MIN_PASSWORD_CHARS or kinds < 2 or _PASSWORD_WORD.search(value):
        return False
    return _PLACEHOLDER.search(value) is None and not _holds_sequence(value.lower())


@dataclass(frozen=True, slots=True)
class Format:
    """One issuer's format."""

    kind: str
    literals: tuple[str, ...]  # a piece of every match, or none: a quick look before the search
    expression: re.Pattern[str]  # its group `secret` is what has to look real
    is_real: Callable[[str], bool]
    whole: bool  # whether the whole match is the finding, or its group `secret`
    part: re.Pattern[str] | None = None  # found in every match, and much faster than it

    def may_be_in(self, text: str) -> bool:
        """A quick look: False only if there is no match."""
        if self.part is not None and not self.part.search(text):
            return False
        return not self.literals or any(literal in text for literal in self.literals)


def _format(
    kind: str,
    literals: str,
    expression: str,
    is_real: Callable[[str], bool] = looks_random,
    *,
    whole: bool = True,
    part: str | None = None,
) -> Format:
    compiled = re.compile(expression, re.ASCII)
    compiled_part = re.compile(part, re.ASCII) if part else None
    return Format(kind, tuple(literals.split()), compiled, is_real, whole, compiled_part)


# Looked for around a key id that was found.
AWS_SECRET = Format(
    "aws_secret_key",
    (),
    re.compile(r"(?<!(?<!\\)[A-Za-z0-9/+=])(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"),
    _is_aws_secret,
    whole=False,
)
# A token is no part of a longer word, unless what stands before it is the letter of an escape such
# as \n; and one of letters, digits, _ and - must end where the expression does.
_END = r"(?![\w-])"
_BEFORE_OPENAI = possessive(r"(?!T3BlbkFJ)[\w-]", "{20,120}")

FORMATS = (
    # GitHub, "Behind GitHub's new authentication token formats" (2021), and its documentation,
    # "About authentication to GitHub".
    _format(
        "github_token", "gh",
        r"gh[pousr]_(?<!(?<!\\)[A-Za-z0-9]....)(?P<secret>[A-Za-z0-9]{36,255}+)" + _END,
    ),
    _format(
        "github_token", "github_pat_",
        r"github_pat_(?<!(?<!\\)\w.{11})(?P<secret>[A-Za-z0-9]{22}_[A-Za-z0-9]{59})" + _END,
    ),
    # GitLab documentation, "Token overview: token prefixes".
    _format(
        "gitlab_token", "gl",
        r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-"
        r"(?P<secret>[\w-]{20,300}+(?:\.[0-9a-z]{2}\.[0-9a-z]{9})?)",
    ),
    # AWS IAM user guide, "IAM identifiers: unique ID prefixes"; the secret key beside it is
    # looked for in `secrets`.
    _format(
        "aws_key_id", "IA",
        r"A[KS]IA(?<!(?<!\\)[A-Za-z0-9/+]....)(?P<secret>[A-Z2-7]{16})(?![A-Za-z0-9/+])",
    ),
    _format(
        "aws_secret_key", "ecret SECRET",
        r"(?:[sS]ecret|SECRET)[_-]?(?:[aA]ccess|ACCESS)?[_-]?(?:[kK]ey|KEY)['\"\]]{0,3}"
        r"[ \t]{0,9}+[:=]{1,2}[ \t]{0,9}+['\"]?(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        _is_aws_secret,
        whole=False,
    ),
    # Google Cloud documentation, "API keys"; "Using OAuth 2.0 to access Google APIs".
    _format("google_api_key", "AIza", r"AIza(?<!(?<!\\)[\w-]....)(?P<secret>[\w-]{35})" + _END),
    _format(
        "google_oauth_token", "ya29.",
        r"ya29\.(?<!(?<!\\)[\w-].....)(?P<secret>[\w-]{30,2000}+)",
    ),
    _format("google_client_secret", "GOCSPX-", r"GOCSPX-(?P<secret>[\w-]{28})" + _END),
    # Slack documentation, "Tokens" and "Sending messages using incoming webhooks".
    _format(
        "slack_token", "xox xapp-",
        r"x(?:ox[abcdeoprs][-.]|app-)(?<!(?<!\\)[A-Za-z0-9].{5})"
        r"(?P<secret>[0-9A-Za-z%-][\w%.-]{18,500}+)",
    ),
    _format(
        "slack_webhook", "hooks.slack.com/",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/"
        r"(?P<secret>[A-Z0-9]{8,15}/[A-Za-z0-9/]{20,80}+)",
        whole=False,
    ),
    # Stripe documentation, "API keys"; keys of the sandbox (sk_test_) move no money and stay.
    _format(
        "stripe_key", "k_live_",
        r"[sr]k_live_(?<!(?<!\\)[A-Za-z0-9].{8})(?P<secret>[0-9A-Za-z]{16,250}+)" + _END,
    ),
    # Twilio documentation, "API keys" and "What is a String Identifier (SID)?".
    _format("twilio_key", "SK", r"SK(?<!(?<!\\)[\w-]..)(?P<secret>[0-9a-f]{32})" + _END),
    # Twilio SendGrid documentation, "API keys": 69 characters.
    _format(
        "sendgrid_key", "SG.",
        r"SG\.(?<!(?<!\\)[\w-]...)(?P<secret>[\w-]{22}\.[\w-]{43})" + _END,
    ),
    # GitHub blog, "Announcing npm's new access token format" (2021).
    _format("npm_token", "npm_", r"npm_(?<!(?<!\\)\w....)(?P<secret>[A-Za-z0-9]{36})" + _END),
    # PyPI help, "How can I use API tokens"; a macaroon that names pypi.org or test.pypi.org.
    _format(
        "pypi_token", "pypi-AgE",
        r"pypi-AgE(?:IcHlwaS5vcmc|NdGVzdC5weXBpLm9yZw)(?P<secret>[\w-]{50,1000}+)",
    ),
    # OpenAI's keys hold the Base64 of "OpenAI"; some older ones are 48 letters and digits.
    _format(
        "openai_key", "sk-",
        r"sk-(?<!(?<!\\)[\w-]...)(?P<secret>[A-Za-z0-9]{48}"
        rf"|{_BEFORE_OPENAI}T3BlbkFJ[\w-]{{20,120}}+)" + _END,
    ),
    # Anthropic documentation, "API keys": sk-ant-api03-, sk-ant-admin01-, sk-ant-oat01-.
    _format("anthropic_key", "sk-ant-", r"sk-ant-[a-z]{3,8}[0-9]{2}-(?P<secret>[\w-]{80,200}+)"),
    # Hugging Face documentation, "User access tokens"; api_org_ are the deprecated ones.
    _format(
        "huggingface_token", "hf_",
        r"hf_(?<!(?<!\\)\w...)(?P<secret>[A-Za-z0-9]{34,40}+)" + _END,
    ),
    _format(
        "huggingface_token", "api_org_",
        r"api_org_(?<!(?<!\\)\w.{8})(?P<secret>[A-Za-z0-9]{34,40}+)" + _END,
    ),
    # Microsoft documentation, "Configure Azure Storage connection strings"; a key has 64 bytes,
    # those of Service Bus and IoT Hub have 32.
    _format(
        "azure_key", "Key=",
        r"(?:Account|SharedAccess)Key=(?P<secret>[A-Za-z0-9+/]{86}==|[A-Za-z0-9+/]{43}=(?!=))",
        whole=False,
    ),
    # RFC 7519: three parts in Base64url, the first and second beginning with {".
    _format(
        "jwt", "eyJ",
        r"(?P<secret>eyJ(?<!(?<!\\)[\w.-]...)[\w-]{8,2000}+\.eyJ[\w-]{8,8000}+\.[\w-]{16,2000}+)",
        _is_jwt,
    ),
    # Telegram documentation, "From BotFather to 'Hello World'": number, colon, 35 characters.
    _format(
        "telegram_token", ":AA",
        r"[0-9](?<!(?<!\\)[\w-].)[0-9]{7,9}+:(?P<secret>AA[\w-]{33})" + _END,
    ),
    # Discord documentation, "Reference: authentication", and "Webhook resource".
    _format(
        "discord_token", "",
        r"(?P<secret>[MNO](?<!(?<!\\)[\w-].)[DTjz][\w-]{22,26}+\.[\w-]{6}\.[\w-]{27,40}+)" + _END,
        _is_discord,
        part=r"\.[\w-]{6}\.[\w-]{27}",
    ),
    _format(
        "discord_webhook", "/api/webhooks/",
        r"/api/webhooks/[0-9]{17,20}+/(?P<secret>[\w-]{60,80}+)",
        whole=False,
    ),
    # Mailgun documentation, "Authentication".
    _format("mailgun_key", "key-", r"key-(?<!(?<!\\)[\w-]....)(?P<secret>[0-9a-f]{32})" + _END),
    # DigitalOcean documentation, "API tokens".
    _format(
        "digitalocean_token", "_v1_",
        r"do[opr]_v1_(?<!(?<!\\)\w.{7})(?P<secret>[0-9a-f]{64})" + _END,
    ),
    # Shopify change log, "Length of the shared secret and access tokens" (2020).
    _format(
        "shopify_token", "shp",
        r"shp(?:at|ca|pa|ss)_(?<!(?<!\\)\w.{6})(?P<secret>[0-9a-fA-F]{32})" + _END,
    ),
    # Databricks documentation, "Personal access tokens".
    _format("databricks_token", "dapi", r"dapi(?<!(?<!\\)\w....)(?P<secret>[0-9a-f]{32})(?!\w)"),
    # HashiCorp Vault documentation, "Tokens: token prefixes".
    _format("vault_token", "hv", r"hv[sb]\.(?<!(?<!\\)[\w-]....)(?P<secret>[\w-]{90,300}+)"),
    # RFC 3986, section 3.2.1: the password in a URL's user information.
    _format(
        "url_password", "://",
        r"://[^\s:/?#@'\"`<>{}\\]{0,64}+:(?P<secret>[^\s/?#@'\"`\\]{1,128}+)@"
        r"(?![\w.-]{0,60}(?:example|localhost\b|127\.0\.0\.1|\.test\b|\.invalid\b))[\w\[]",
        _is_password,
        whole=False,
    ),
)  # fmt: skip
