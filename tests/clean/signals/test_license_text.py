"""Licence files: shortened texts of each family, and real ones of packages that tests need."""

import importlib.metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.signals.license_known import LONG, SHORT
from clean.signals.license_terms import category
from clean.signals.license_text import A_CHOICE, read_license_text

MIT = """MIT License

Copyright (c) 2020 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.
"""
MIT_0 = MIT.partition("subject to")[0]
BSD = """Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are met:

1. Redistributions of source code must retain the above copyright notice.
2. Redistributions in binary form must reproduce the above copyright notice.
"""
BSD3 = BSD + "3. Neither the name of the copyright holder nor the names of its contributors\n"
ISC = """Permission to use, copy, modify, and/or distribute this software for any
purpose with or without fee is hereby granted, provided that the above
copyright notice and this permission notice appear in all copies.
"""
ZERO_BSD = ISC.replace("granted, provided", "granted.\n\nTHE SOFTWARE IS PROVIDED")
GPL3 = """                    GNU GENERAL PUBLIC LICENSE
                       Version 3, 29 June 2007

  5. Conveying Modified Source Versions. See the GNU Lesser General Public License.
                     END OF TERMS AND CONDITIONS
under the terms of the GNU General Public License ... either version 3 ... any later version.
first, please read <https://www.gnu.org/licenses/why-not-lgpl.html>.  philosophy/why-not-lgpl.html
"""
LGPL3 = """                   GNU LESSER GENERAL PUBLIC LICENSE
                       Version 3, 29 June 2007
  This version of the GNU Lesser General Public License incorporates
the terms and conditions of version 3 of the GNU General Public
License, supplemented by the additional permissions listed below.
permanent authorization for you to choose that version for the Library.
"""
MPL2 = """Mozilla Public License Version 2.0
==================================
1.4. "Covered Software" means Source Code Form; 1.12. "Secondary License" means either
the GNU General Public License, Version 2.0, or the GNU Affero General Public License, Version 3.0
  This Source Code Form is "Incompatible With Secondary Licenses", as
  defined by the Mozilla Public License, v. 2.0.
"""
APACHE = """                                 Apache License
                           Version 2.0, January 2004
   3. Grant of Patent License. Subject to the terms
   END OF TERMS AND CONDITIONS
   Licensed under the Apache License, Version 2.0 (the "License");
   limitations under the License.
"""
PYTHON = """A. HISTORY OF THE SOFTWARE
[1] GPL-compatible doesn't mean that we're distributing Python under the GPL.
PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2
BEOPEN.COM LICENSE AGREEMENT FOR PYTHON 2.0
STICHTING MATHEMATISCH CENTRUM IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.
"""
LATER = (
    "This program is under the GNU General Public License, version 3 or (at your option) later.\n"
)
TERMS = "You may not use, copy or pass on this program. Permission ends with the contract. " * 4
TEXTS: list[tuple[str, str | None]] = [
    (MIT, "MIT"),
    (MIT.replace("\n", "\r\n"), "MIT"),
    ("\n".join(f"> *{line}*" for line in MIT.split("\n")), "MIT"),
    (MIT_0, "MIT-0"),
    (MIT + "\nThe Software shall be used for Good, not Evil.\n", "JSON"),
    (BSD, "BSD-2-Clause"),
    (BSD3, "BSD-3-Clause"),
    (BSD3 + "3. All advertising materials mentioning features\n", "BSD-4-Clause"),
    (ISC, "ISC"),
    (ZERO_BSD, "0BSD"),
    (GPL3, "GPL-3.0-only"),
    ("Copyright X\n" + LATER.replace("later", "any later version") + GPL3, "GPL-3.0-or-later"),
    (LGPL3, "LGPL-3.0-only"),
    (LGPL3 + GPL3, "LGPL-3.0-only"),
    (GPL3.replace("GENERAL", "AFFERO GENERAL").replace("29 June", "19 November"), None),
    (MPL2, "MPL-2.0"),
    (APACHE, "Apache-2.0"),
    (PYTHON, "Python-2.0"),
    (MIT + APACHE, "Apache-2.0 AND MIT"),
    ("Licensed under either of Apache-2.0 or MIT, at your option.\n" + MIT + APACHE,
     "Apache-2.0 OR MIT"),
    (BSD3 + "\nALTERNATIVELY, this may be used under the terms of the GNU GPL, version 2.\n",
     "BSD-3-Clause OR GPL-2.0-only"),
    (MIT + "\nThe file parser.c is under the GNU General Public License, version 2.\n",
     "GPL-2.0-only AND MIT"),
    (MIT + "\nThe fonts: SIL OPEN FONT LICENSE Version 1.1, Font Software\n", "MIT"),
    (MIT + "\nThe documentation: Creative Commons Attribution-NonCommercial 4.0\n", "MIT"),
    (MIT + "\nOnly for non-commercial use.\n", None),
    ("Licensed under the Apache License, Version 2.0\n", "Apache-2.0"),
    ("SPDX-License-Identifier: MIT OR Apache-2.0\n" + MIT, "MIT OR Apache-2.0"),
    ("Creative Commons Attribution-ShareAlike 4.0 International Public License\n",
     "CC-BY-SA-4.0"),
    ("License: GPL-compatible? No: proprietary and confidential.\n", "LicenseRef-proprietary"),
    ("Copyright 2020 Somebody. All rights reserved.\n", "LicenseRef-all-rights-reserved"),
    (TERMS, "LicenseRef-unknown"),
    (TERMS * 9 + MIT, "LicenseRef-unknown AND MIT"),
    ("Written by Somebody and others, see AUTHORS.\n" * 200 + MIT, "MIT"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expression"), TEXTS)
def test_texts(text: str, expression: str | None) -> None:
    found = read_license_text(text)
    if expression is not None:
        assert found.expression == expression
    assert found.category == category(found.expression)
    assert found.evidence


def test_noncommercial_terms_are_never_permissive() -> None:
    assert read_license_text(MIT + "\nOnly for non-commercial use.\n").category == "other"
    free = MIT + "\nFor commercial and non-commercial purposes.\n"
    assert read_license_text(free).expression == "MIT"


@pytest.mark.parametrize(
    "text", ["", "\0", "Copyright 2020 X", "See COPYING.", ".. include:: ../L"]
)
def test_what_states_no_licence(text: str) -> None:
    assert read_license_text(text).category == "none"


def test_a_pointer_that_offers_a_choice() -> None:
    found = read_license_text("Under the terms of either of the licenses found in LICENSE.A or B.")
    assert (found.expression, found.evidence) == (None, A_CHOICE)


@pytest.mark.parametrize(
    ("distribution", "file", "expression"),
    [
        ("typing_extensions", "LICENSE", "0BSD AND Python-2.0"),
        ("requests", "LICENSE", "Apache-2.0"),
        ("PyGithub", "COPYING", "GPL-3.0-only"),
        ("PyGithub", "COPYING.LESSER", "LGPL-3.0-only"),
        ("Pebble", "LICENSE", "LGPL-3.0-only"),
        ("certifi", "LICENSE", "MPL-2.0"),
        ("hypothesis", "LICENSE.txt", "MPL-2.0"),
        ("attrs", "LICENSE", "MIT"),
        ("jinja2", "LICENSE.txt", "BSD-3-Clause"),
        ("python-dateutil", "LICENSE", "BSD-3-Clause"),
        ("packaging", "LICENSE.APACHE", "Apache-2.0"),
        ("packaging", "LICENSE.BSD", "BSD-2-Clause"),
        ("packaging", "LICENSE", None),
        ("matplotlib", "LICENSE", None),
    ],
)
def test_real_files(distribution: str, file: str, expression: str | None) -> None:
    files = importlib.metadata.files(distribution) or []
    [path] = [each for each in files if each.name == file and "-info" in each.parts[0]][:1]
    found = read_license_text(path.read_text(encoding="utf-8"))
    if distribution == "matplotlib":
        assert found.category == "permissive"
    else:
        assert found.expression == expression


def test_every_known_text_has_a_category() -> None:
    for spdx in {each.spdx for each in LONG} | {spdx for spdx, *_ in SHORT}:
        assert category(spdx) in ("permissive", "copyleft"), spdx


PHRASES = [phrase for each in LONG for phrase in (*each.titles, each.body, *each.ends)]
PHRASES += [phrase for _, *words in SHORT for phrase in words if phrase]


@given(st.lists(st.sampled_from([*PHRASES, "either of", "alternatively", "gnu gpl"]), max_size=12))
def test_any_mix_of_phrases_has_an_answer(phrases: list[str]) -> None:
    found = read_license_text("\n".join(phrases))
    assert found == read_license_text("\n".join(phrases).upper())
    assert found.category == category(found.expression)
