"""What a file says about its own licence, read before any header is stripped.

Evidence is an SPDX tag (SPDX specification, annex E) or a phrase of a well-known header in what
stands before the first statement: comments and the docstring. Expressions are parsed and
categories looked up with license-expression, whose index carries ScanCode's categories.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import license_expression

from clean.signals.comments import head

Category = Literal["permissive", "copyleft", "other", "none"]

_HEAD_CHARS = 16_384
_MAX_EVIDENCE = 200
_WORTH_READING = re.compile(
    r"licen[cs]|redistribut|permission|rights reserved|public ?domain|confidential"
    r"|gpl|wtfpl|\bcc0|cecill|spdx|unauthorized copying|warranty",
    re.IGNORECASE,
)
_TAG = re.compile(r"SPDX-License-Identifier:[ \t]*([^\n]{1,200})", re.IGNORECASE)
_TAG_END = re.compile(r"\*/|-->|\"\"\"|'''|[\"']")
_NAME = re.compile(r"[A-Za-z0-9.:+-]+(?: WITH [A-Za-z0-9.+-]+)?")
_DECORATION = re.compile(r"[\s#*\"'`,;:()|/=_\\-]+")


@dataclass(frozen=True, slots=True)
class FoundLicense:
    """An SPDX expression (null if the evidence names none that parses), why, and its category."""

    expression: str | None = None
    evidence: str | None = None
    category: Category = "none"


def find_license(text: str) -> FoundLicense:
    """The licence that a file's head states. Never raises."""
    top = head(text, _HEAD_CHARS)
    if not _WORTH_READING.search(top):
        return FoundLicense()
    if tags := [_TAG_END.split(tag, maxsplit=1)[0].strip() for tag in _TAG.findall(top)]:
        return _from_tags(tags)
    return _from_text(_DECORATION.sub(" ", top.lower()))


def category(expression: str | None) -> Category:
    """The category of an SPDX expression: the best of an OR, the worst of an AND.

    `NOASSERTION` is GitHub's word for a licence that it can't name, hence "other".
    """
    if expression is None or expression.strip().upper() in ("", "NONE"):
        return "none"
    parsed = _parse(expression)
    return "other" if parsed is None else _RANKED[_rank(parsed)]


def _from_tags(tags: list[str]) -> FoundLicense:
    """Several tags in one file hold together (REUSE specification 3.0)."""
    evidence = f"SPDX-License-Identifier: {tags[0]}"[:_MAX_EVIDENCE]
    distinct = list(dict.fromkeys(tag for tag in tags if tag))
    joined = (
        " AND ".join(f"({tag})" for tag in distinct) if len(distinct) > 1 else "".join(tags[:1])
    )
    parsed = _parse(joined)
    if parsed is None:
        return FoundLicense(None, evidence, "other")
    return FoundLicense(str(parsed), evidence, _RANKED[_rank(parsed)])


# The families of header, each with what it is called: fixed, or by the match and all the text.
_GNU = re.compile(
    r"gnu (?P<long>affero|lesser|library)? ?(?:general )?public licen[cs]e"
    r"|(?:licen[cs]ed?|under)(?: \w+){0,4} (?P<short>a|l)?gpl"
)
_GNU_NAMES = {"affero": "AGPL", "a": "AGPL", "lesser": "LGPL", "library": "LGPL", "l": "LGPL"}
_GNU_VERSION = re.compile(r"(?:version |gpl ?v?|licen[cs]e v?|\bv)([123](?:\.[01])?)\b")
_GNU_VERSIONS = {
    "GPL": {"1": "1.0", "2": "2.0", "3": "3.0"},
    "LGPL": {"2": "2.0", "2.1": "2.1", "3": "3.0"},
    "AGPL": {"1": "1.0", "3": "3.0"},
}
_LATER = re.compile(r"any later version|or later|gpl ?v?[23](?:\.\d)?\+")
_FAMILIES: tuple[tuple[str, str], ...] = (
    (
        "Apache-2.0",
        r"apache licen[cs]e v?(?:ersion )?2|apache\.org licen[cs]es licen[cs]e 2\.0"
        r"|licen[cs]ed under the apache|apache 2\.0",
    ),
    (
        "MIT",
        r"permission is hereby granted free of charge to any person obtaining"
        r"|\bmit licen[cs]e|licen[cs]ed?(?: \w+){0,3} mit\b",
    ),
    (
        "ISC",
        r"permission to use copy modify (?:and )?(?:and or |or )?distribute this software"
        r" (?:and its documentation )?for any purpose with or without fee|\bisc licen[cs]e",
    ),
    ("MPL-2.0", r"mozilla public licen[cs]e v?(?:ersion )?\.? ?2|mozilla\.org mpl 2\.0"),
    ("MPL-1.1", r"mozilla public licen[cs]e v?(?:ersion )?1\.1"),
    ("PSF-2.0", r"python software foundation licen[cs]e|licensed to psf under a contributor"),
    (
        "Unlicense",
        r"free and unencumbered software released into the public domain"
        r"|\bthe unlicense\b",
    ),
    ("CC0-1.0", r"\bcc0\b|creativecommons\.org publicdomain zero"),
    (
        "Zlib",
        r"provided as is without any express or implied warranty in no event will the authors",
    ),
    ("ZPL-2.1", r"zope public licen[cs]e"),
    ("BSL-1.0", r"boost software licen[cs]e"),
    ("EPL-2.0", r"eclipse public licen[cs]e v?(?:ersion )?(?:\. )?2"),
    ("EPL-1.0", r"eclipse public licen[cs]e v?(?:ersion )?(?:\. )?1"),
    ("CDDL-1.0", r"common development and distribution licen[cs]e"),
    ("CECILL-2.1", r"\bcecill\b"),
    ("WTFPL", r"\bwtfpl\b|do what the fuck you want to public licen[cs]e"),
    ("CC-BY-NC-4.0", r"creative commons attribution noncommercial"),
    ("CC-BY-SA-4.0", r"creative commons attribution sharealike"),
)
_PATTERNS = tuple((spdx, re.compile(pattern)) for spdx, pattern in _FAMILIES)
_BSD = re.compile(
    r"redistribution and use in source and binary forms"
    r"|\bbsd (?:style )?licen[cs]e|licen[cs]ed?(?: \w+){0,4} bsd\b|(?:new|modified|simplified) bsd"
    r"|\b[234] clause bsd"
)
_OTHER = re.compile(
    r"proprietary and confidential|strictly confidential|unauthorized copying of this file"
    r"|all rights reserved"
)
_DUAL = re.compile(r"\b(?:dual|tri|multi)[ -]?licen[cs]ed|\balternatively\b|at your option either")


def _from_text(top: str) -> FoundLicense:
    """Match known headers in lower-case text without decoration."""
    found = dict(_matches(top))
    if found:
        joined = (" OR " if _DUAL.search(top) else " AND ").join(found)
        evidence = next(iter(found.values()))[:_MAX_EVIDENCE]
        return FoundLicense(joined, evidence, category(joined))
    reserved = _OTHER.search(top)
    # "All rights reserved. See LICENSE" points elsewhere; alone, it grants nothing.
    if reserved and (reserved[0] != "all rights reserved" or "licen" not in top):
        return FoundLicense("LicenseRef-proprietary", reserved[0], "other")
    return FoundLicense()


def _matches(top: str) -> list[tuple[str, str]]:
    found = [(spdx, match[0]) for spdx, pattern in _PATTERNS if (match := pattern.search(top))]
    if match := _BSD.search(top):
        found.append((_bsd_name(top), match[0]))
    # MPL headers name the GNU licences as secondary ones, by the way.
    by_the_way = any(spdx.startswith("MPL") for spdx, _ in found)
    if not by_the_way and (match := _GNU.search(top)):
        found.insert(0, (_gnu_name(top, match), match[0]))
    return found


def _bsd_name(top: str) -> str:
    if "all advertising materials" in top:
        return "BSD-4-Clause"
    if re.search(r"neither the name|may not be used to endorse|3 clause|new bsd|modified bsd", top):
        return "BSD-3-Clause"
    if re.search(r"redistribution and use|2 clause|simplified bsd", top):
        return "BSD-2-Clause"
    return "LicenseRef-scancode-bsd-unmodified"  # which of them, the file does not say


def _gnu_name(top: str, match: re.Match[str]) -> str:
    """`GPL-2.0-or-later`: the version stands near the name, on either side."""
    family = _GNU_NAMES.get(match["long"] or match["short"] or "", "GPL")
    near = top[max(0, match.start() - 60) : match.end() + 300]
    version = _GNU_VERSION.search(top, match.start(), match.end() + 300) or _GNU_VERSION.search(
        near
    )
    known = _GNU_VERSIONS[family]
    number = version[1].removesuffix(".0") if version else ""
    if number not in known:
        return f"{family}-{min(known.values())}-or-later"  # "any version ever published"
    later = _LATER.search(near)
    return f"{family}-{known[number]}-{'or-later' if later else 'only'}"


_RANKED: tuple[Category, ...] = ("permissive", "copyleft", "other")
_SCANCODE: dict[str, int] = {
    "Permissive": 0,
    "Public Domain": 0,
    "Copyleft": 1,
    "Copyleft Limited": 1,
}


def _parse(expression: str) -> Any | None:
    """A license-expression tree, or None if the text is no expression."""
    if len(expression) > 1000 or not expression.strip():
        return None
    try:
        tree = _licensing().parse(expression)
    except Exception:  # the parser also raises IndexError ("( )") and TypeError on what is none
        return None
    # The parser takes any words that it does not know for one licence.
    names = [] if tree is None else tree.objects
    return tree if names and all(_NAME.fullmatch(name) for name in names) else None


def _rank(tree: Any) -> int:
    """Index into `_RANKED`. Unknown licences rank last."""
    licensing = _licensing()
    if isinstance(tree, license_expression.LicenseWithExceptionSymbol):
        return _rank(tree.license_symbol)
    if isinstance(tree, license_expression.LicenseSymbol):
        return _categories().get(str(tree.key).lower(), len(_RANKED) - 1)
    best_or_worst = min if isinstance(tree, licensing.OR) else max
    return best_or_worst(_rank(part) for part in tree.args)


@cache
def _licensing() -> license_expression.Licensing:
    return license_expression.get_spdx_licensing()


@cache
def _categories() -> dict[str, int]:
    """Rank by lower-case SPDX key, from the index that license-expression ships."""
    ranks: dict[str, int] = {}
    for entry in license_expression.get_license_index():
        rank = _SCANCODE.get(entry.get("category", ""), len(_RANKED) - 1)
        keys = [entry.get("spdx_license_key"), *entry.get("other_spdx_license_keys", [])]
        ranks.update({key.lower(): rank for key in keys if key})
    return ranks
