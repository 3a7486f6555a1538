"""Which licence GitHub would report: one SPDX id that it knows, NOASSERTION, or nothing.

GitHub's own detector (licensee) compares the licence file with the texts of choosealicense.com;
a text it doesn't know, or a mix of several, is NOASSERTION ("Other").
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

NOASSERTION = "NOASSERTION"
_NAMES = {
    "0BSD": "BSD Zero Clause License",
    "AFL-3.0": "Academic Free License v3.0",
    "AGPL-3.0": "GNU Affero General Public License v3.0",
    "Apache-2.0": "Apache License 2.0",
    "Artistic-2.0": "Artistic License 2.0",
    "BSD-2-Clause": 'BSD 2-Clause "Simplified" License',
    "BSD-3-Clause": 'BSD 3-Clause "New" or "Revised" License',
    "BSD-4-Clause": 'BSD 4-Clause "Original" or "Old" License',
    "BSL-1.0": "Boost Software License 1.0",
    "CC-BY-4.0": "Creative Commons Attribution 4.0 International",
    "CC-BY-SA-4.0": "Creative Commons Attribution Share Alike 4.0 International",
    "CC0-1.0": "Creative Commons Zero v1.0 Universal",
    "ECL-2.0": "Educational Community License v2.0",
    "EPL-2.0": "Eclipse Public License 2.0",
    "EUPL-1.2": "European Union Public License 1.2",
    "GPL-2.0": "GNU General Public License v2.0",
    "GPL-3.0": "GNU General Public License v3.0",
    "ISC": "ISC License",
    "LGPL-2.1": "GNU Lesser General Public License v2.1",
    "LGPL-3.0": "GNU Lesser General Public License v3.0",
    "MIT": "MIT License",
    "MIT-0": "MIT No Attribution",
    "MPL-2.0": "Mozilla Public License 2.0",
    "MS-PL": "Microsoft Public License",
    "NCSA": "University of Illinois/NCSA Open Source License",
    "OFL-1.1": "SIL Open Font License 1.1",
    "OSL-3.0": "Open Software License 3.0",
    "PostgreSQL": "PostgreSQL License",
    "UPL-1.0": "Universal Permissive License v1.0",
    "Unlicense": "The Unlicense",
    "WTFPL": "Do What The F*ck You Want To Public License",
    "Zlib": "zlib License",
}
_BY_LOWER = {spdx.lower(): spdx for spdx in _NAMES}

# A phrase that only this licence's text has, in lower case with single spaces.
_PHRASES = (
    ("Apache-2.0", "apache license version 2.0"),
    ("MIT", "permission notice shall be included in all copies or substantial portions"),
    ("ISC", "with or without fee is hereby granted, provided that the above copyright notice"),
    ("0BSD", "with or without fee is hereby granted. the software is provided"),
    ("MPL-2.0", "mozilla public license version 2.0"),
    ("MPL-2.0", "mozilla public license, version 2.0"),
    ("Unlicense", "this is free and unencumbered software released into the public domain"),
    ("CC0-1.0", "cc0 1.0 universal"),
    ("BSL-1.0", "boost software license - version 1.0"),
    ("Zlib", "altered source versions must be plainly marked as such"),
    ("AGPL-3.0", "gnu affero general public license version 3, 19 november 2007"),
    ("GPL-3.0", "gnu general public license version 3, 29 june 2007"),
    ("GPL-2.0", "gnu general public license version 2, june 1991"),
    ("LGPL-3.0", "gnu lesser general public license version 3, 29 june 2007"),
    ("LGPL-2.1", "gnu lesser general public license version 2.1, february 1999"),
)
_BSD = "redistributions in binary form must reproduce the above copyright"
_FOREIGN = ("python software foundation license version 2",)  # a known text without an id here
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
_FILE_NAME = re.compile(r"(licen[sc]e|copying|unlicense)([-._].*)?", re.IGNORECASE)


def license_name(spdx: str) -> str:
    """GitHub's name for an SPDX id."""
    return _NAMES.get(spdx, "Other")


def is_license_file(path: str) -> bool:
    """True for the names at a repository's root that GitHub reads a licence from."""
    name = PurePosixPath(path).name
    return path == name and bool(_FILE_NAME.fullmatch(name))


def license_path(paths: Iterable[str]) -> str | None:
    """The licence file among a repository's paths; a COPYING.LESSER says more than a COPYING."""
    found = sorted(filter(is_license_file, paths))
    lesser = (path for path in found if path.lower().endswith("lesser"))
    return next(lesser, next(iter(found), None))


def license_of_text(text: str) -> str:
    """The one licence that a text holds, or NOASSERTION."""
    plain = " ".join(re.sub(r"[#*>]", " ", text).lower().split())
    plain = plain.replace("apache license, version", "apache license version")
    found = {spdx for spdx, phrase in _PHRASES if phrase in plain}
    found |= {phrase for phrase in _FOREIGN if phrase in plain}
    if _BSD in plain:
        found.add(_bsd_clauses(plain))
    only = found.pop() if len(found) == 1 else NOASSERTION
    return only if only in _NAMES else NOASSERTION


def license_of_expression(expression: str) -> str:
    """The SPDX id that GitHub would show for an SPDX expression."""
    spdx = re.sub(r"-(only|or-later)$", "", expression.strip().lower())
    return _BY_LOWER.get(spdx, NOASSERTION)


def license_of_metadata(
    expression: str | None, text: str | None, classifiers: list[str], named: str | None
) -> str | None:
    """The licence of a distribution; None if it says nothing about one.

    `named` is the free `License` field. What the package declares formally comes first, then what
    its licence file says, then the rest.
    """
    if expression:
        return license_of_expression(expression)
    if text is not None and (spdx := license_of_text(text)) != NOASSERTION:
        return spdx
    licences = [line.rsplit(" :: ", 1)[-1] for line in classifiers if line.startswith("License ::")]
    if len(licences) == 1 and licences[0] in _CLASSIFIERS:
        return _CLASSIFIERS[licences[0]]
    if named and (spdx := license_of_expression(named.replace(" ", "-"))) != NOASSERTION:
        return spdx
    return NOASSERTION if text is not None or licences or named else None


def _bsd_clauses(plain: str) -> str:
    if "all advertising materials" in plain:
        return "BSD-4-Clause"
    return "BSD-3-Clause" if "endorse or promote" in plain else "BSD-2-Clause"
