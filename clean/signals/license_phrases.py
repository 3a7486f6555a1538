"""Phrases by which licences are known, in headers as in licence files.

All patterns read plain text: lower case, with single blanks for whatever is no letter, digit,
full stop or plus. A pattern is tried only where its needle occurs, which costs next to nothing.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from clean.signals.license_terms import PROPRIETARY

_KEPT = b"abcdefghijklmnopqrstuvwxyz0123456789.+"
_PLAIN = bytes(char if char in _KEPT else ord(" ") for char in bytes(range(256)).lower())
PUBLIC_DOMAIN = "LicenseRef-scancode-public-domain"
SOME_BSD = "LicenseRef-scancode-bsd-unmodified"  # which of them, the file does not say
NONCOMMERCIAL = "LicenseRef-noncommercial"


class Statement(NamedTuple):
    """A licence and the words that name it."""

    spdx: str
    words: str


def plain(text: str) -> str:
    """The text as the patterns read it."""
    words = text.encode("ascii", "replace").translate(_PLAIN).decode("ascii").split()
    return f" {' '.join(words)} "


# (SPDX id, needle, pattern); in headers the order is that of the expression.
_FAMILIES = tuple(
    (spdx, needle, re.compile(pattern))
    for spdx, needle, pattern in (
        (
            "Apache-2.0",
            "apache",
            r"apache licen[cs]e v?(?:ersion )?2|apache\.org licen[cs]es licen[cs]e 2\.0"
            r"|licen[cs]ed under the apache|apache 2\.0|licen[cs]e apache|apache ?2 licen[cs]",
        ),
        ("Apache-1.1", "apache", r"apache software licen[cs]e version 1\.1"),
        (
            "MIT",
            "is hereby",
            r"permission is hereby granted free of charge to any person obtaining",
        ),
        ("MIT", " mit ", r"\bmit licen[cs]e|licen[cs]ed?(?: \w+){0,3} mit\b"),
        (
            "ISC",
            "permission to use",
            r"permission to use copy modify (?:and )?(?:and or |or )?distribute this software"
            r" (?:and its documentation )?for any purpose with or without fee",
        ),
        ("ISC", "isc lic", r"\bisc licen[cs]e"),
        (
            "MPL-2.0",
            "mozilla",
            r"mozilla public licen[cs]e v?(?:ersion )?\.? ?2|mozilla\.org mpl 2",
        ),
        ("MPL-1.1", "mozilla", r"mozilla public licen[cs]e v?(?:ersion )?1\.1"),
        (
            "PSF-2.0",
            "python software",
            r"python software foundation (?:licen[cs]e|under a contributor agreement)",
        ),
        ("PSF-2.0", " psf", r"psf under a contributor|\bpsf licen[cs]e|licen[cs]e psf\b"),
        ("Unlicense", "unencumbered", r"free and unencumbered software released into the public"),
        ("Unlicense", "unlicense", r"(?:the|licen[cs]e) unlicense\b"),
        ("CC0-1.0", " cc0", r"\bcc0\b"),
        ("CC0-1.0", "publicdomain", r"creativecommons\.org publicdomain zero"),
        (
            "Zlib",
            "without any express",
            r"provided as is without any express or implied warranty\.? in no event will the "
            r"authors",
        ),
        ("ZPL-2.1", "zope", r"zope public licen[cs]e"),
        ("BSL-1.0", "boost", r"boost software licen[cs]e"),
        ("EPL-2.0", "eclipse", r"eclipse public licen[cs]e v?(?:ersion )?(?:\. )?2"),
        ("EPL-1.0", "eclipse", r"eclipse public licen[cs]e v?(?:ersion )?(?:\. )?1"),
        ("EUPL-1.2", "european", r"european union public licen[cs]e"),
        ("CDDL-1.0", "common dev", r"common development and distribution licen[cs]e"),
        ("CECILL-2.1", "cecill", r"\bcecill\b"),
        ("Artistic-2.0", "artistic", r"artistic licen[cs]e (?:v|version )?2"),
        ("WTFPL", "fuck", r"do what the fuck you want to public licen[cs]e"),
        ("WTFPL", "wtfpl", r"\bwtfpl\b"),
        ("BUSL-1.1", "business", r"business source licen[cs]e"),
        ("SSPL-1.0", "server side", r"server side public licen[cs]e"),
        ("Elastic-2.0", "elastic", r"elastic licen[cs]e (?:v|version )?2"),
        ("LicenseRef-scancode-commons-clause", "commons clause", r"commons clause"),
    )
)
_PUBLIC_DOMAIN = re.compile(
    r"\b(?:placed|released|dedicated|put|is) (?:\w+ ){0,2}?(?:in|into|to)? ?the public domain"
    r"|licen[cs]e public domain"
)
_CREATIVE_COMMONS = re.compile(
    r"(?:creative commons attribution|creativecommons\.org licen[cs]es by|\bcc by)"
    r"(?P<nc> non ?commercial| nc)?(?P<nd> no ?deriv\w+| nd)?(?P<sa> share ?alike| sa)?"
    r"(?: licen[cs]e)?(?: v| version)? ?(?P<version>[1-4]\.[05])?"
)
_GNU = re.compile(
    r"gnu (?P<long>affero|lesser|library)? ?(?:general )?public licen[cs]e"
    r"|(?:licen[cs]ed?|under)(?: \w+){0,5} (?P<short>a|l)?gpl(?! compatible)"
)
_GNU_NAMES = {"affero": "AGPL", "a": "AGPL", "lesser": "LGPL", "library": "LGPL", "l": "LGPL"}
_GNU_VERSION = re.compile(r"(?:version |gpl ?v?|licen[cs]e v?|\bv)([123](?:\.[01])?)(?![0-9])")
_GNU_VERSIONS = {
    "GPL": {"1": "1.0", "2": "2.0", "3": "3.0"},
    "LGPL": {"2": "2.0", "2.1": "2.1", "3": "3.0"},
    "AGPL": {"1": "1.0", "3": "3.0"},
}
_LATER = re.compile(r"any later version|or later|or any later|gpl ?v?[23](?:\.\d)?\+")
_BSD = re.compile(
    r"redistribution and use in source and binary forms"
    r"|\bbsd (?:style )?licen[cs]e|licen[cs]ed?(?: \w+){0,4} bsd\b|(?:new|modified|simplified) bsd"
    r"|\b[234] clause bsd|\bbsd [234] clause"
)
_THREE = re.compile(r"neither the name|may not be used to endorse|3 clause|new bsd|modified bsd")
_TWO = re.compile(r"redistribution and use|2 clause|simplified bsd")
_DUAL = re.compile(
    r"\b(?:dual|tri|multi) ?licen[cs]ed|\balternatively\b|at your option either"
    r"|\beither (?:of )?(?:the |these |those )?(?:two |following )*licen[cs]es?\b"
    r"|under (?:the terms of )?either\b(?! version)|your choice of|choose (?:either|one|between)"
)
_PROPRIETARY = re.compile(
    r"proprietary and confidential|confidential and proprietary|strictly confidential"
    r"|unauthori[sz]ed copying of this file|without an express licen[cs]e agreement"
    r"|licen[cs]e proprietary\b|(?:nvidia|intel|microsoft) proprietary"
    r"|(?:copied|reproduced|distributed|disclosed|redistributed)[a-z ]{0,80} without (?:the )?"
    r"(?:express(?:ed)? |prior |specific )*written (?:consent|permission)"
)
_NONCOMMERCIAL = re.compile(
    r"(?:only|solely) for non ?commercial|non ?commercial (?:\w+ )?(?:use|purposes?) only"
    r"|no commercial use|commercial use (?:is )?(?:strictly )?(?:prohibited|forbidden)"
    r"|commercial use is not (?:allowed|permitted)|not for commercial use"
)


_WITHHELD = (
    (
        PROPRIETARY,
        ("proprietary", "confidential", "unauthori", "express licen", "written "),
        _PROPRIETARY,
    ),
    (NONCOMMERCIAL, ("commercial",), _NONCOMMERCIAL),
)


def statements(text: str, *, with_gnu: bool = True) -> list[Statement]:
    """The licences that a header, or any plain text, names; each once."""
    found = [
        Statement(spdx, match[0])
        for spdx, needle, pattern in _FAMILIES
        if needle in text and (match := pattern.search(text))
    ]
    if "commons" in text or "cc by" in text:
        found += creative_commons(text)
    if "bsd" in text or "redistribution" in text:
        found += [Statement(bsd_name(text), match[0]) for match in [_BSD.search(text)] if match]
    # MPL headers name the GNU licences as secondary ones, by the way.
    if with_gnu and not any(spdx.startswith("MPL") for spdx, _ in found):
        found[:0] = gnu(text)
    if not found and "public domain" in text and (match := _PUBLIC_DOMAIN.search(text)):
        return [Statement(PUBLIC_DOMAIN, match[0])]
    return list({each.spdx: each for each in reversed(found)}.values())[::-1]


def creative_commons(text: str) -> list[Statement]:
    """The first Creative Commons licence that is named, 4.0 where no version is."""
    match = _CREATIVE_COMMONS.search(text)
    if match is None:
        return []
    parts = "".join(f"-{part.upper()}" for part in ("nc", "nd", "sa") if match[part])
    return [Statement(f"CC-BY{parts}-{match['version'] or '4.0'}", match[0])]


def bsd_name(text: str) -> str:
    """Which BSD licence a text holds or names."""
    if "all advertising materials" in text:
        return "BSD-4-Clause"
    if _THREE.search(text):
        return "BSD-3-Clause"
    return "BSD-2-Clause" if _TWO.search(text) else SOME_BSD


def gnu(text: str) -> list[Statement]:
    """The first GNU licence that is named, such as `GPL-2.0-or-later`."""
    if "gnu" not in text and "gpl" not in text:
        return []
    match = _GNU.search(text)
    return [Statement(_gnu_name(text, match), match[0])] if match else []


def _gnu_name(text: str, match: re.Match[str]) -> str:
    """The version stands near the name, on either side."""
    family = _GNU_NAMES.get(match["long"] or match["short"] or "", "GPL")
    near = text[max(0, match.start() - 60) : match.end() + 300]
    version = _GNU_VERSION.search(text, match.start(), match.end() + 300)
    version = version or _GNU_VERSION.search(near)
    known = _GNU_VERSIONS[family]
    number = version[1].removesuffix(".0") if version else ""
    if number not in known:
        return f"{family}-{min(known.values())}-or-later"  # "any version ever published"
    return f"{family}-{known[number]}-{'or-later' if _LATER.search(near) else 'only'}"


def joined(names: list[str], text: str) -> str:
    """One expression: OR where the text offers a choice, AND otherwise."""
    if len(names) == 1:
        return names[0]
    return (" OR " if offers_choice(text) else " AND ").join(names)


def offers_choice(text: str) -> bool:
    """Whether the reader may choose among licences."""
    return _DUAL.search(text) is not None


def withheld(text: str) -> Statement | None:
    """What keeps the file from being used, where nothing else is said."""
    for spdx, needles, pattern in _WITHHELD:
        if any(needle in text for needle in needles) and (match := pattern.search(text)):
            return Statement(spdx, match[0])
    return None
