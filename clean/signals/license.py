"""What a file says about its own licence, read before any header is stripped.

Evidence is an SPDX tag (SPDX specification, annex E) or a phrase of a well-known header in what
stands before the first statement, comments and the docstring; failing that, a `__license__`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from clean.signals.comments import head
from clean.signals.license_phrases import joined, plain, statements, withheld
from clean.signals.license_terms import OTHER, Category, category, rank, rendered

_HEAD_CHARS = 16_384
_MAX_EVIDENCE = 200
_WORTH_READING = (
    *("licen", "redistribut", "permission", "public domain", "publicdomain", "warranty"),
    *("gpl", "wtfpl", "cc0", "cecill", "unauthori", "confidential", "proprietary", "commercial"),
)
_TAG_NAME = "spdx-license-identifier"
_DUNDER_NAME = "__licen"
_DUNDER_CHARS = 4_096  # it stands below the imports at most
_TAG = re.compile(r"SPDX-License-Identifier:[ \t]*([^\n]{1,200})", re.IGNORECASE)
_TAG_END = re.compile(r"\*/|-->|\"\"\"|'''|[\"']")
_OPERATOR = re.compile(r" (?:AND|OR|WITH)\b")
_DUNDER = re.compile(r"^__licen[cs]e__[ \t]*=[ \t]*(['\"])([^'\"\n]{1,200})\1", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FoundLicense:
    """An SPDX expression (null if the evidence names none that parses), why, and its category."""

    expression: str | None = None
    evidence: str | None = None
    category: Category = "none"


def find_license(text: str) -> FoundLicense:
    """The licence that a file's head, or else its `__license__`, states. Never raises."""
    top = head(text, _HEAD_CHARS)
    lowered = top.lower()
    if any(word in lowered for word in _WORTH_READING):
        found = find_tags(top) if _TAG_NAME in lowered else None
        found = found or _from_words(plain(lowered))
        if found.category != "none":
            return found
    return _from_dunder(text)


def find_tags(text: str) -> FoundLicense | None:
    """What SPDX tags say; several in one file hold together (REUSE specification 3.0)."""
    tags = [_TAG_END.split(tag, maxsplit=1)[0].strip() for tag in _TAG.findall(text)]
    if not tags:
        return None
    evidence = f"SPDX-License-Identifier: {tags[0]}"[:_MAX_EVIDENCE]
    distinct = list(dict.fromkeys(tag for tag in tags if tag))
    whole = f"({') AND ('.join(distinct)})" if len(distinct) > 1 else "".join(tags[:1])
    expression = rendered(whole)
    if expression is None or rank(expression) == OTHER:
        # Many write names that are not SPDX's: "Apache 2.0", "GPLv3", "BSD".
        named = [] if _OPERATOR.search(whole) else statements(f" license{plain(whole)}")
        expression = named[0].spdx if named else expression
    return FoundLicense(expression, evidence, category(expression) if expression else "other")


def _from_words(top: str) -> FoundLicense:
    """Match known headers in plain text."""
    found = statements(top)
    if found:
        expression = joined([each.spdx for each in found], top)
        return FoundLicense(expression, found[0].words[:_MAX_EVIDENCE], category(expression))
    reserved = withheld(top)
    if reserved is None:
        return FoundLicense()
    return FoundLicense(reserved.spdx, reserved.words[:_MAX_EVIDENCE], category(reserved.spdx))


def _from_dunder(text: str) -> FoundLicense:
    """`__license__ = "GPLv3"`, which many files have instead of a header."""
    start = text.find(_DUNDER_NAME, 0, _DUNDER_CHARS)
    match = _DUNDER.search(text, max(0, start - 1)) if start >= 0 else None
    if match is None:
        return FoundLicense()
    evidence = " ".join(match[0].split())[:_MAX_EVIDENCE]
    found = _from_words(f" license{plain(match[2])}")
    return FoundLicense(found.expression, evidence if found.expression else None, found.category)
