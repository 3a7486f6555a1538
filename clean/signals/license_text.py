"""Which licences a licence file holds: whole texts first, then what the words around them say.

Long texts are known by their title, a phrase of their body and their last words, and are cut out
before anything else is looked for, because they name each other (MPL-2.0 and EPL-2.0 name the GPL
as secondary licence, the GPL names the LGPL, Python's history says what is GPL-compatible). Short
ones are known by the sentence that grants. Several texts in one file hold together (AND), unless
the words around them offer a choice.
"""

from __future__ import annotations

import re

from clean.signals.license import FoundLicense, find_tags
from clean.signals.license_known import LONG, SHORT, Long
from clean.signals.license_phrases import (
    NONCOMMERCIAL,
    bsd_name,
    joined,
    offers_choice,
    plain,
    statements,
    withheld,
)
from clean.signals.license_terms import PERMISSIVE, RESERVED, UNKNOWN, category, rank

_MAX_CHARS = 500_000
_MAX_EVIDENCE = 200
_MIN_UNKNOWN_WORDS = 20
_TAG_CHARS = 2_000  # an SPDX tag further down speaks of a part
_MAX_WORDS_BEFORE = 300  # before the first known text: more are a text of their own
_SENTENCE_CHARS = 200  # in which a short text leads up to the words that tell it
_MAX_CHOICES = 3  # of more licences, a choice must be offered before them
_CUT = " \0 "  # stands where a text was cut out
_RESERVED_WORDS = "all rights reserved"
A_CHOICE = "a choice"


_SHORT_CHARS = 3_000  # of a short text, from its grant on
_BSD_GRANT = "redistribution and use in source and binary forms"
_GRANTS = (*dict.fromkeys(grant for _, grant, _, _ in SHORT), _BSD_GRANT)
_EXCEPTIONS = (
    ("GPL-", "gcc runtime library exception", "GCC-exception-3.1"),
    ("GPL-", "classpath exception", "Classpath-exception-2.0"),
    ("GPL-", "give you permission to link this library with independent modules",
     "Classpath-exception-2.0"),
    ("GPL-", "bootloader exception", "Bootloader-exception"),
)  # fmt: skip
_UNDER_GNU = re.compile(r"\bunder (?:the )?(?:terms of )?(?:the )?(?:gnu|[al]?gpl)")
_TERMS = re.compile(
    r"permission|permitted|\bgrant|redistribut|prohibit|\bmay not\b|licensee|terms and conditions"
)


def read_license_text(text: str) -> FoundLicense:
    """What a licence file states; the category "none" if it states no licence. Never raises.

    A file that only offers a choice of others' licences has the evidence `A_CHOICE`.
    """
    text = text[:_MAX_CHARS]
    tags = find_tags(text[:_TAG_CHARS])
    if tags is not None and tags.expression is not None:
        return tags
    names, rest = _cut_long(plain(text))
    short, first = _short(rest)
    names |= short
    if not names:
        return _from_words(rest)
    before = rest[:first]
    own_terms = set(_TERMS.findall(before[:-_SENTENCE_CHARS]))
    if before.count(" ") > _MAX_WORDS_BEFORE and len(own_terms) > 1:
        names.add(UNKNOWN)
    names = _with_exceptions(_without_implied(names | _also(rest)), rest)
    expression = joined(sorted(names), before if len(names) > _MAX_CHOICES else rest)
    return FoundLicense(expression, "the text of a licence", category(expression))


def _cut_long(text: str) -> tuple[set[str], str]:
    """The long texts, and what is left without them."""
    names = set()
    for known in LONG:
        while (span := _find(text, known)) is not None:
            names.add(known.spdx)
            text = text[: span[0]] + _CUT + text[span[1] :]
    return names, text


def _find(text: str, known: Long) -> tuple[int, int] | None:
    """Where a long text stands, from its title to its end."""
    for title in known.titles:
        start = text.find(title)
        while start >= 0:
            again = text.find(title, start + len(title))
            limit = min(start + known.max_chars, len(text))
            body = text.find(known.body, start, limit)
            # The title may stand in the words before the text too: the last before the body counts.
            if body >= 0 and not 0 <= again < body:
                return start, _end(text, body, limit, known)
            start = again
    return None


def _end(text: str, body: int, limit: int, known: Long) -> int:
    """Behind the last words of the text whose `body` is given."""
    found = [(text.find(end, body, limit), end) for end in known.ends]
    stops = [start + len(end) for start, end in found if start >= 0]
    return max(stops, default=body + len(known.body))


def _short(text: str) -> tuple[set[str], int]:
    """The short texts in what is left, and where the first text of all begins."""
    names = set()
    starts = [text.find(_CUT)]
    for grant in _GRANTS:
        start = text.find(grant)
        starts.append(start)
        while start >= 0:
            names |= _named(text[start : start + _SHORT_CHARS], grant)
            start = text.find(grant, start + len(grant))
    return names, min((start for start in starts if start >= 0), default=0)


def _named(segment: str, grant: str) -> set[str]:
    """The licence that a segment, which begins with `grant`, holds."""
    if grant == _BSD_GRANT:
        return {bsd_name(grant + segment[len(grant) :].partition(grant)[0])}
    for spdx, its_grant, needed, excluded in SHORT:
        fits = needed is None or needed in segment
        if its_grant == grant and fits and (excluded is None or excluded not in segment):
            return {spdx}
    return set()


def _also(rest: str) -> set[str]:
    """What the words around the texts name beside them, if it asks for more than permission.

    Creative Commons licences and those of fonts speak of documents, data and fonts where a
    licence for software stands beside them.
    """
    found = statements(rest) if _UNDER_GNU.search(rest) else statements(rest, with_gnu=False)
    also = {each.spdx for each in found if rank(each.spdx) > PERMISSIVE}
    also = {name for name in also if not name.startswith("CC-") and name != "OFL-1.1"}
    reserved = withheld(rest)
    if reserved is not None and reserved.spdx == NONCOMMERCIAL:
        also.add(NONCOMMERCIAL)
    return also


def _without_implied(names: set[str]) -> set[str]:
    """Leave out what another of the names says more exactly."""
    implied = {f"{name.removesuffix('-or-later')}-only" for name in names if "-or-later" in name}
    implied |= {name.partition(" WITH ")[0] for name in names if " WITH " in name}
    # LGPL-3.0 is GPL-3.0 with permissions added, and comes with its text.
    if any(name.startswith("LGPL-3.0") for name in names):
        implied |= {"GPL-3.0-only", "GPL-3.0-or-later"}
    if names != {"OFL-1.1"}:
        implied.add("OFL-1.1")
    return names - implied


def _with_exceptions(names: set[str], rest: str) -> set[str]:
    for start, words, exception in _EXCEPTIONS:
        if words in rest:
            names = {
                f"{name} WITH {exception}" if name.startswith(start) and " " not in name else name
                for name in names
            }
    return names


def _from_words(rest: str) -> FoundLicense:
    """A licence file without any text that is known: a short notice, or terms of its own."""
    found = statements(rest)
    if found:
        expression = joined(sorted(each.spdx for each in found), rest)
        return FoundLicense(expression, found[0].words[:_MAX_EVIDENCE], category(expression))
    if reserved := withheld(rest):
        return FoundLicense(reserved.spdx, reserved.words[:_MAX_EVIDENCE], "other")
    if offers_choice(rest):
        return FoundLicense(None, A_CHOICE)
    if rest.count(" ") >= _MIN_UNKNOWN_WORDS and _TERMS.search(rest):
        return FoundLicense(UNKNOWN, "terms of its own", "other")
    if _RESERVED_WORDS in rest:
        return FoundLicense(RESERVED, _RESERVED_WORDS, "other")
    return FoundLicense()
