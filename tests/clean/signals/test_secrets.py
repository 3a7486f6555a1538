"""The credentials here are none: each is put together at run time, so that no file holds one."""

import base64
import json
import random
import string
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.recipe import CleanRecipe, RulesRecipe, WriteRecipe
from clean.signals.decode import Decoded
from clean.signals.document import Document
from clean.signals.parameters import SignalParameters
from clean.signals.secret_patterns import FORMATS, looks_random
from clean.signals.secret_stage import stage
from clean.signals.secrets import Finding, find, find_secrets
from clean.signals.secrets_recipe import SecretsRecipe
from corpus.errors import RecipeError
from corpus.recipe import build

LETTERS = string.ascii_letters + string.digits
_RANDOM = random.Random(5)


def chars(count: int, alphabet: str = LETTERS) -> str:
    """Random characters that pass for a credential's."""
    return "".join(_RANDOM.choice(alphabet) for _ in range(count))


HEX = "0123456789abcdef"
URL_SAFE = LETTERS + "-_"


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


JWT = ".".join(
    (
        _base64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()),
        _base64(json.dumps({"sub": "70613", "name": "Nobody"}).encode()),
        chars(43, URL_SAFE[:-2]),
    )
)
KEY_LINES = [chars(64, LETTERS + "+/") for _ in range(4)] + [chars(31) + "="]
BEGIN, END = (f"-----{mark} RSA PRIVATE " + "KEY-----" for mark in ("BEGIN", "END"))
AWS_KEY_ID = "AKI" + "A" + "Z7QXW4M2KPL5RTB6"
AWS_SECRET = "q" + chars(37) + "Z7"

# By kind: what would be found, whole.
TOKENS = {
    "github_token": ["gh" + letter + "_" + chars(36) for letter in "pousr"]
    + ["github" + "_pat_" + chars(22) + "_" + chars(59)],
    "gitlab_token": ["glp" + "at-" + chars(20), "glr" + "t-" + chars(20)],
    "aws_key_id": [AWS_KEY_ID, "ASI" + AWS_KEY_ID[3:]],
    "google_api_key": ["AIz" + "a" + chars(35)],
    "google_oauth_token": ["ya2" + "9." + chars(60)],
    "google_client_secret": ["GOC" + "SPX-" + chars(28)],
    "slack_token": ["xo" + "xb-" + chars(12, "123456789") + "-" + chars(24)],
    "stripe_key": ["sk_" + "live_" + chars(24), "rk_" + "live_" + chars(99)],
    "twilio_key": ["S" + "K" + chars(32, HEX)],
    "sendgrid_key": ["S" + "G." + chars(22) + "." + chars(43)],
    "npm_token": ["np" + "m_" + chars(36)],
    "pypi_token": ["py" + "pi-AgEIcHlwaS5vcmc" + chars(150)],
    "openai_key": [
        "s" + "k-" + chars(48),
        "s" + "k-" + chars(20) + "T3Blbk" + "FJ" + chars(20),
        "s" + "k-proj-" + chars(74) + "T3Blbk" + "FJ" + chars(74),
    ],
    "anthropic_key": ["s" + "k-ant-api03-" + chars(93) + "AA"],
    "huggingface_token": ["h" + "f_" + chars(34)],
    "jwt": [JWT],
    "telegram_token": ["51827" + "3649:" + "A" + "A" + chars(33)],
    "discord_token": [_base64(b"410583927716254981") + "." + chars(6) + "." + chars(38)],
    "mailgun_key": ["ke" + "y-" + chars(32, HEX)],
    "digitalocean_token": ["do" + "p_v1_" + chars(64, HEX)],
    "shopify_token": ["shp" + "at_" + chars(32, HEX)],
    "databricks_token": ["da" + "pi" + chars(32, HEX)],
    "vault_token": ["hv" + "s." + chars(95)],
}
# What stands around a secret that is found without it: before, secret, behind.
IN_CONTEXT = {
    "aws_secret_key": ('aws_secret_access_key = "', AWS_SECRET, '"'),
    "slack_webhook": ("https://hooks.slack.com/services/", "T0" + chars(7, "ABCDEF") + "/" + "B0"
                      + chars(7, "ABCDEF") + "/" + chars(24), ""),
    "azure_key": ("DefaultEndpointsProtocol=https;Account" + "Key=", chars(86) + "==", ";Endpoint"),
    "discord_webhook": ("https://discord.com/api/webhooks/410583927716254981/", chars(68), ""),
    "url_password": ("postgres://reader:", "s3rV-" + chars(9), "@db.internal:5432/main"),
}  # fmt: skip


def values(text: str) -> list[tuple[str, str]]:
    return [(one.kind, text[one.start : one.stop]) for one in find_secrets(text)]


def test_every_format_has_a_fake() -> None:
    assert {known.kind for known in FORMATS} == {*TOKENS, *IN_CONTEXT}


# A format with a least length finds a shorter one too ...
OPEN_ENDED = {
    "slack_token", "stripe_key", "pypi_token", "openai_key", "anthropic_key", "google_oauth_token",
    "jwt", "discord_token",
}  # fmt: skip
# ... and a long prefix is certain enough inside a word.
ANYWHERE = {"google_client_secret", "gitlab_token", "pypi_token", "anthropic_key"}


@pytest.mark.parametrize(
    ("kind", "token"), [(kind, token) for kind, tokens in TOKENS.items() for token in tokens]
)
def test_tokens_are_found_whole_and_alone(kind: str, token: str) -> None:
    for text in (
        token,
        f"x = '{token}'\n",
        f'a({token!r}, "b")  # c\n',
        f"# see {token}, please\n",
        f"x = 'a\\n{token}'\n",
    ):
        assert values(text) == [(kind, token)]
    assert kind in ANYWHERE or not values(f"x = 'a{token}'")
    assert kind in OPEN_ENDED or not values(f"x = '{token[:-8]}'")


@pytest.mark.parametrize("kind", IN_CONTEXT)
def test_what_surrounds_a_secret_stays(kind: str) -> None:
    before, secret, behind = IN_CONTEXT[kind]
    assert values(f"x = '''{before}{secret}{behind}'''") == [(kind, secret)]


@pytest.mark.parametrize(
    "text",
    [
        "AKI" + "AIOSFODNN7EXAMPLE",
        "gh" + "p_" + "x" * 36,
        "gh" + "p_" + "0123456789" * 3 + "abcdef",
        "gh" + "p_your_token_here",
        "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH",
        "hf_" + "ab" * 17,
        "postgres://user:password@db.internal/x",
        "postgres://reader:{password}@db.internal/x",
        "postgres://reader:%s@db.internal/x",
        "postgres://reader:hunter@db.internal/x",
        "https://reader:s3rV-7hGq2x@example.com/x",
        "eyJ" + "abcdefgh1234.eyJ" + chars(20) + "." + chars(40),
        "SECRET_KEY = '" + chars(40, HEX) + "'",
        "-----BEGIN PRIVATE " + "KEY-----\n...\n-----END PRIVATE " + "KEY-----",
        "-----BEGIN PUBLIC KEY-----\n" + "\n".join(KEY_LINES),
        "x = 'no PRIVATE " + "KEY here'",
        "x = mask_token[5:] + sk - sk_" + "live",
    ],
)
def test_stand_ins_are_no_secrets(text: str) -> None:
    assert values(text) == []


def test_a_secret_key_counts_beside_its_key_id_only() -> None:
    alone = f"x = '{AWS_SECRET}'\n"
    assert values(alone) == []
    both = f"x = '{AWS_KEY_ID}'\n{alone}"
    assert values(both) == [("aws_key_id", AWS_KEY_ID), ("aws_secret_key", AWS_SECRET)]
    assert len(values(both + "\n" * 1000 + alone)) == 2
    sha = f"x = '{AWS_KEY_ID}'\ny = '{chars(40, HEX)}'\n"
    assert values(sha) == [("aws_key_id", AWS_KEY_ID)]


@pytest.mark.parametrize(
    ("source", "between"),
    [
        ("'''{0}\n{2}\n{1}'''", "\n"),
        (r"'{0}\n{2}\n{1}\n'", r"\n"),
        ("('{0}'\n '{2}'\n '{1}')", "'\n '"),
        ("# {0}\n# {2}\n# {1}", "\n# "),
        ("'''{0}\n{2}'''", "\n"),  # cut off
    ],
)
def test_private_keys_are_found_between_their_marks(source: str, between: str) -> None:
    inside = between.join(KEY_LINES)
    text = "x = 1\n" + source.format(BEGIN, END, inside) + "\n"
    assert values(text) == [("private_key", inside)]


def test_of_two_with_one_start_the_longer_goes() -> None:
    token = TOKENS["npm_token"][0]
    text = f"'{token}@mail.org'"
    assert find(text) == [Finding("email", 1, len(text) - 1)]
    assert values(text) == [("npm_token", token)]
    assert values(f"'https://{token}@mail.org'") == [("npm_token", token)]


def test_random_values_pass_nearly_always() -> None:
    samples = [chars(36) for _ in range(5000)] + [chars(32, HEX) for _ in range(5000)]
    assert sum(not looks_random(sample) for sample in samples) < 30


PIECES = st.lists(
    st.sampled_from(
        [token for tokens in TOKENS.values() for token in tokens]
        + [before for before, _, _ in IN_CONTEXT.values()]
        + [AWS_SECRET, BEGIN, END, *KEY_LINES, "\n", "\\n", "'", '"', "#", " ", "@", ".", ":", "x"]
        + ["ann@mail.org", "93.184.216.34", "2a00:1450:4001:81b::200e", "//", "1.2", "example.com"]
    ),
    max_size=30,
).map("".join)


@given(PIECES | st.text(max_size=100))
def test_findings_are_in_order_and_lie_in_the_text(text: str) -> None:
    found = find(text)
    assert all(0 <= one.start < one.stop <= len(text) for one in found)
    assert all(a.stop <= b.start for a, b in pairwise(found))
    assert set(find_secrets(text)) >= {one for one in found if one.group == "secrets"}
    for group in ("secrets", "emails", "ips"):
        assert all(one.group == group for one in find(text, [group]))
    assert find(text, []) == []


HOSTILE = [
    BEGIN,
    BEGIN + "a" * 40,
    "eyJa.eyJa.",
    "eyJa",
    "M",
    "MDx",
    "a@",
    "@a.",
    "a.a@",
    "x@y.com",
]
HOSTILE += ["a" * 70 + ".", "1.1.1.", "2001:", "2001::", "://a:", "'", AWS_KEY_ID + " ", "sk-sk-"]
HOSTILE += [
    "9:AA",
    "12345678",
    "secret_key='",
    "\\n",
    "-" * 5,
    *(x for f in FORMATS for x in f.literals),
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_is_read_once(piece: str) -> None:
    # Quadratic time would not come back from this.
    find(piece * (300_000 // len(piece)))


def test_the_stage_counts_distinct_values_and_tells_none() -> None:
    secrets = stage(SignalParameters(secrets=True))
    assert secrets is not None
    token = TOKENS["npm_token"][0]
    text = f"# ann@mail.org bob@mail.org ann@mail.org 93.184.216.34\nx = '{token}'\ny = '{token}'\n"
    row = secrets.measure(Document(b"", Decoded(text, "utf-8", None), "m.py", None))
    assert row == {"secrets": 1, "emails": 2, "ips": 1, "secret_kinds": ["npm_token"]}
    assert secrets.measure(Document(b"", Decoded(None, None, "binary"), "m.py", None)) == {}
    assert stage(SignalParameters()) is None


def test_a_finding_knows_its_group() -> None:
    kinds = {"email": "emails", "ip_address": "ips", "npm_token": "secrets"}
    assert {kind: Finding(kind, 0, 1).group for kind in kinds} == kinds


def test_the_recipe_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"^rules.max_secrets needs clean.secrets.count"):
        CleanRecipe(rules=RulesRecipe(max_secrets=0))
    assert CleanRecipe(rules=RulesRecipe(max_secrets=0), secrets=SecretsRecipe(count=True))
    with pytest.raises(
        RecipeError, match=r"redact\[0\]: must be one of 'secrets', 'emails', 'ips'"
    ):
        build(WriteRecipe, {"redact": ["passwords"]})
    assert build(WriteRecipe, {"redact": ["ips"]}).redact == ("ips",)
