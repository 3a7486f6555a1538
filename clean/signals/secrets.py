"""What a file must not give away: credentials, e-mail addresses, addresses of machines.

Values stay where they are: what is reported, stored and logged are places, kinds and counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from typing import NamedTuple

from clean.signals.addresses import find_emails, find_ips
from clean.signals.secret_patterns import AWS_SECRET, FORMATS, Format
from clean.signals.secrets_recipe import GROUPS, Group

EMAIL, IP_ADDRESS, PRIVATE_KEY, AWS_KEY_ID = "email", "ip_address", "private_key", "aws_key_id"


class Finding(NamedTuple):
    """text[start:stop] is a value of this kind."""

    kind: str
    start: int
    stop: int

    @property
    def group(self) -> Group:
        """What the recipe calls it."""
        return "emails" if self.kind == EMAIL else "ips" if self.kind == IP_ADDRESS else "secrets"


def find(text: str, groups: Iterable[Group] = GROUPS) -> list[Finding]:
    """All findings of these groups in order, none overlapping another. Never raises.

    Credentials count anywhere, addresses in strings and comments.
    """
    searches: dict[Group, Callable[[str], list[Finding]]] = {
        "secrets": find_secrets,
        "emails": lambda text: [Finding(EMAIL, *span) for span in find_emails(text)],
        "ips": lambda text: [Finding(IP_ADDRESS, *span) for span in find_ips(text)],
    }
    return _disjoint(
        [found for group in GROUPS if group in groups for found in searches[group](text)]
    )


def find_secrets(text: str) -> list[Finding]:
    """The credentials of known formats, in order, none overlapping another. Never raises."""
    found = list(_private_keys(text))
    for known in FORMATS:
        if known.may_be_in(text):
            found += _matches(known, text, 0, len(text))
    for start, stop in _around([one for one in found if one.kind == AWS_KEY_ID], len(text)):
        found += _matches(AWS_SECRET, text, start, stop)
    return _disjoint(found)


def _matches(known: Format, text: str, start: int, stop: int) -> Iterator[Finding]:
    for match in known.expression.finditer(text, start, stop):
        if known.is_real(match["secret"]):
            yield Finding(known.kind, *match.span(0 if known.whole else "secret"))


_NEAR_CHARS = 300


def _around(key_ids: Iterable[Finding], end: int) -> Iterator[tuple[int, int]]:
    """Where the secret key of an AWS key id would stand; no character is in two places."""
    done = 0
    for key_id in key_ids:
        start, stop = max(done, key_id.start - _NEAR_CHARS), min(end, key_id.stop + _NEAR_CHARS)
        if start < stop:
            yield start, stop
            done = stop


def _disjoint(found: Iterable[Finding]) -> list[Finding]:
    """In order; of two that overlap the first stays, and of two with one start the longer."""
    kept: list[Finding] = []
    for finding in sorted(found, key=lambda one: (one.start, -one.stop)):
        if not kept or finding.start >= kept[-1].stop:
            kept.append(finding)
    return kept


# RFC 7468, and what OpenSSH and PGP write in its manner.
_PEM = re.compile(r"-----(?:(BEGIN)|END) (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
# Base64 with an escape such as \n between its lines, in one string literal or in many.
_BASE64_RUN = re.compile(r"\\[^\n]|([A-Za-z0-9+/]{4,}+={0,2}+)")
_MIN_KEY_LINE = 40  # characters of Base64 in one run: no key is shorter, and no placeholder longer
_MIN_KEY_DISTINCT = 16
_MAX_KEY_CHARS = 40_000


def _private_keys(text: str) -> Iterator[Finding]:
    """The Base64 between the two lines of a private key, or behind the first if it is cut off."""
    if "PRIVATE KEY" not in text:
        return
    marks = list(_PEM.finditer(text))
    for mark, after in zip_longest(marks, marks[1:]):
        if mark[1]:
            end = after.start() if after else len(text)
            runs = key_runs(text, mark.end(), min(end, mark.end() + _MAX_KEY_CHARS))
            if any(_is_key_line(text[start:stop]) for start, stop in runs):
                yield Finding(PRIVATE_KEY, runs[0][0], runs[-1][1])


def key_runs(text: str, start: int, stop: int) -> list[tuple[int, int]]:
    """The runs of Base64 in text[start:stop], without the escapes between them."""
    return [match.span(1) for match in _BASE64_RUN.finditer(text, start, stop) if match[1]]


def _is_key_line(run: str) -> bool:
    return len(run) >= _MIN_KEY_LINE and len(set(run)) >= _MIN_KEY_DISTINCT
