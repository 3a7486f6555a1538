"""Which files of a repository are licence files: the harvest keeps them, cleaning reads them.

The names are those from which GitHub reads a repository's licence, as its detector's documentation
lists them (licensee, `LicenseFile::FILENAME_REGEXES`), in any folder: LICENSE, LICENCE, UNLICENSE,
COPYING and COPYRIGHT, with a suffix (LICENSE-MIT, COPYING.LESSER, LICENSE_2_0) or one word before
(MIT-LICENSE), as plain text, Markdown or reStructuredText. Left out are other formats, NOTICE
(attributions, no terms) and lists of what others' code is under.
"""

from __future__ import annotations

import re

_WORD = r"(?:un)?licen[cs]es?|copying|copyright"
_ID = (
    r"apache|mit|x11|bsd|[al]?gpl|lesser|library|lib|mpl|psf|python|zlib|boost|isc|epl|cddl|cc|ofl"
)
_NAME = re.compile(
    r"(?P<before>[a-z0-9]+[-_])?"
    rf"(?:{_WORD})"
    r"(?P<after>(?:[-_][\w-]+)?"
    rf"(?:\.(?:{_ID})[\w-]*)?"
    r"(?:[-_.]?v?[0-9]+(?:[._][0-9]+)*)?)"
    r"(?:\.(?:txt|md|markdown|rst))?",
    re.IGNORECASE,
)
_OF_OTHERS = re.compile(r"third|3rd|vendor|bundle|depend|external|other", re.IGNORECASE)
_MAX_NAME_CHARS = 100


def is_license_file(path: str) -> bool:
    """Whether a repository's file states a licence, by its name."""
    name = path.rpartition("/")[2]
    if len(name) > _MAX_NAME_CHARS or _OF_OTHERS.search(name):
        return False
    return _NAME.fullmatch(name) is not None


def is_plainly_named(path: str) -> bool:
    """Whether a licence file is called LICENSE or the like and no more: it speaks for the rest."""
    match = _NAME.fullmatch(path.rpartition("/")[2])
    return match is not None and not match["before"] and not match["after"]
