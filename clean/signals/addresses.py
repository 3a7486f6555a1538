"""Addresses that lead to people and machines: e-mail, and IP addresses that the internet routes.

Both count only in strings and comments: in code `a@b.c` is a product of matrices. What is no
person's or machine's (names reserved for examples, versions, networks) is left alone; the
readings stand at the functions.
"""

from __future__ import annotations

import ipaddress
import re
import string
from bisect import bisect_right
from collections.abc import Iterable

from clean.signals.comments import strings_and_comments
from clean.signals.possessive import possessive

Span = tuple[int, int]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def find_emails(text: str) -> list[Span]:
    """E-mail addresses, in order. Never raises; linear in the text.

    Not an address: what RFC 2606 and 6761 reserve (example.*, .test, .invalid, .localhost) and
    usual stand-ins (foo.com); names of SSH algorithms (..@openssh.com); senders that nobody reads
    (noreply@); the user of a URL or of a remote (git@host:path); a template (%s@host,
    {user}@host); a name that ends in no known domain.
    """
    found = [span for match in _AT_DOMAIN.finditer(text) if (span := _email(text, match))]
    return _in_strings_and_comments(text, found)


def find_ips(text: str) -> list[Span]:
    """Addresses that the internet routes, IPv4 and IPv6, in order. Never raises; linear.

    Not an address: what IANA's registries of special-purpose addresses list; the resolvers that
    everybody knows (8.8.8.8); networks (a mask behind it, or a last part of 0); and versions: with
    three single digits among four parts (1.2.13.4), behind -, a comparison or a word such as
    `version`, or behind a product's name and a slash.
    """
    found = []
    if _PART_OF_V4.search(text):
        found += [m.span() for m in _IPV4.finditer(text) if _is_machine_v4(text, *m.span())]
    if "::" in text or _PART_OF_V6.search(text):
        found += [m.span() for m in _IPV6.finditer(text) if _is_machine_v6(text, *m.span())]
    return _in_strings_and_comments(text, sorted(found))


def _in_strings_and_comments(text: str, found: Iterable[Span]) -> list[Span]:
    found = list(found)
    if not found:
        return []
    spans = list(strings_and_comments(text))
    return [span for span in found if enclosing(spans, span) is not None]


def enclosing(spans: list[Span], inner: Span) -> Span | None:
    """The one of `spans`, which are in order, that holds `inner`."""
    place = bisect_right(spans, inner[0], key=lambda span: span[0]) - 1
    return spans[place] if place >= 0 and inner[1] <= spans[place][1] else None


_LABELS = possessive(r"\.[A-Za-z0-9-]{1,63}+", "{1,8}")
_AT_DOMAIN = re.compile(rf"@([A-Za-z0-9-]{{1,63}}+{_LABELS})(?![\w@(]|:\S)")
_MAX_LOCAL = 64  # RFC 5321, section 4.5.3.1.1
_LOCAL_CHARS = string.ascii_letters + string.digits + "._+-"
_TEMPLATE_CHARS = frozenset("%$}{*")
_MAX_USER_INFO = 130
_USER_INFO = re.compile(r"://[^\s/?#'\"]*+\Z")
# What an escape takes of the letters behind its backslash.
_ESCAPED = re.compile(r"x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[0-7]{1,3}|.", re.DOTALL)
# Country codes have two letters; .py files are more frequent than Paraguayans.
_GENERIC_DOMAINS = _words(
    "com org net edu gov mil int info biz name pro mobi app dev xyz online site tech cloud email"
    " space club live team world academy systems software digital network science ai io"
)
_NO_COUNTRY = frozenset({"py"})
_STAND_IN_DOMAINS = _words(
    "foo.com bar.com baz.com domain.com email.com test.com host.com server.com company.com"
    " mydomain.com yourdomain.com users.noreply.github.com openssh.com libssh.org"
)
_NO_PERSON = re.compile(r"(?:no|do)[._-]?(?:not)?[._-]?reply|git|root|noone|nobody", re.IGNORECASE)


def _email(text: str, match: re.Match[str]) -> Span | None:
    at = match.start()
    before = text[max(0, at - _MAX_LOCAL - 1) : at]
    local = before[len(before.rstrip(_LOCAL_CHARS)) :]
    start = at - len(local)
    if start and text[start - 1] == "\\":
        # The first letters belong to an escape in most strings.
        local = local[_ESCAPED.match(local).end() :] if local else ""  # type: ignore[union-attr]
    local = local.lstrip(".+-")
    start = at - len(local)
    if not local or len(local) > _MAX_LOCAL or text[start - 1 : start] in _TEMPLATE_CHARS:
        return None
    if _NO_PERSON.fullmatch(local) or not _is_mail_domain(match[1].lower()):
        return None
    if _USER_INFO.search(text, max(0, start - _MAX_USER_INFO), start):
        return None
    return start, match.end()


def _is_mail_domain(domain: str) -> bool:
    labels = domain.split(".")
    top = labels[-1]
    if any(label.startswith("-") or label.endswith("-") for label in labels):
        return False
    if "example" in labels or ".".join(labels[-2:]) in _STAND_IN_DOMAINS:
        return False
    if domain in _STAND_IN_DOMAINS:
        return False
    country = len(top) == 2 and top.isalpha() and top not in _NO_COUNTRY
    return country or top in _GENERIC_DOMAINS


_OCTETS = r"[0-9]{0,2}+\.[0-9]{1,3}+\.[0-9]{1,3}+\.[0-9]{1,3}+"
_IPV4 = re.compile(rf"[0-9](?<!(?<!\\)[\w.].){_OCTETS}(?!\w|\.[0-9]|/[0-9]|-[0-9])")
_IPV6 = re.compile(r"[23](?<!(?<!\\)[\w:.].)[0-9A-Fa-f]{3}:[0-9A-Fa-f:]{3,34}+(?![\w.]|/[0-9])")
# In every address, and found much faster; one of IPv6 holds this or `::`.
_PART_OF_V4 = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")
_PART_OF_V6 = re.compile(r":[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:")
_BEFORE_CHARS = 40
_VERSION_BEFORE = re.compile(
    r"(?:version|release|firmware|\bver\b|\brev|\bbuild|\boid|identifier|\bsection|\bsec\b|\bchapter|§)[^\n]*\Z"
    r"|[=<>~!]=[ \t]{0,3}\Z|-\Z|[A-Za-z0-9]/\Z",
    re.IGNORECASE,
)
# IANA's special-purpose address registries and multicast, as of 2024; a list of ours, since that
# of `ipaddress` differs between patch versions of Python.
_SPECIAL_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in _words(
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24"
        " 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16"
        " 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3"
    )
)
_SPECIAL_V6 = tuple(
    ipaddress.IPv6Network(network)
    for network in _words("2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20")
)
_RESOLVERS = _words(
    "8.8.8.8 8.8.4.4 1.1.1.1 1.0.0.1 9.9.9.9 208.67.222.222 208.67.220.220 114.114.114.114"
    " 149.112.112.112 2001:4860:4860::8888 2001:4860:4860::8844 2606:4700:4700::1111"
    " 2606:4700:4700::1001 2620:fe::fe"
)


def _is_machine_v4(text: str, start: int, stop: int) -> bool:
    parts = text[start:stop].split(".")
    if parts[-1] == "0" or sum(len(part) == 1 for part in parts) >= 3:
        return False
    try:
        address = ipaddress.IPv4Address(text[start:stop])
    except ValueError:
        return False
    if str(address) in _RESOLVERS or any(address in network for network in _SPECIAL_V4):
        return False
    return not _VERSION_BEFORE.search(text, max(0, start - _BEFORE_CHARS), start)


def _is_machine_v6(text: str, start: int, stop: int) -> bool:
    try:
        address = ipaddress.IPv6Address(text[start:stop])
    except ValueError:
        return False
    if text[start:stop].endswith("::") or str(address) in _RESOLVERS:
        return False
    return not any(address in network for network in _SPECIAL_V6)
