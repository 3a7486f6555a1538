"""The licence texts that are known, by phrases of each in plain text (`license_phrases.plain`)."""

from __future__ import annotations

from typing import NamedTuple


class Long(NamedTuple):
    """A text from one of its `titles`, with `body` in it, to the last of its `ends`."""

    spdx: str
    titles: tuple[str, ...]
    body: str
    ends: tuple[str, ...]
    max_chars: int = 60_000


_GNU_END = ("end of terms and conditions", "general public license instead of this license")
_AGREED = ("agrees to be bound by the terms and conditions of this license agreement",)
LONG = (
    Long(
        "Python-2.0",
        ("a. history of the software", "python software foundation license version 2"),
        "beopen.com license agreement for python 2.0",
        ("in connection with the use or performance of this software",),
        25_000,
    ),
    Long(
        "PSF-2.0",
        ("python software foundation license version 2", "psf license agreement for python"),
        "psf is making python",
        _AGREED,
        8_000,
    ),
    Long(
        "PSF-2.0",
        ("this license agreement is between the python software foundation",),
        "hereby grants licensee a nonexclusive",
        _AGREED,
        8_000,
    ),
    Long(
        "0BSD",
        ("zero clause bsd license for code in the python",),
        "with or without fee is hereby granted",
        ("in connection with the use or performance of this software",),
        3_000,
    ),
    Long(
        "LicenseRef-scancode-matplotlib-1.3.0",
        ("this license agreement is between the matplotlib development team",),
        "hereby grants licensee a nonexclusive",
        _AGREED,
        8_000,
    ),
    Long(
        "CNRI-Python",
        ("cnri license agreement", "cnri open source license agreement"),
        "corporation for national research initiatives",
        _AGREED,
        10_000,
    ),
    Long(
        "AGPL-3.0-only",
        ("gnu affero general public license version 3 19 november 2007",),
        "remote network interaction",
        (*_GNU_END, "how to apply and follow the gnu agpl see"),
    ),
    Long(
        "LGPL-3.0-only",
        ("gnu lesser general public license version 3 29 june 2007",),
        "incorporates the terms and conditions of version 3",
        ("permanent authorization for you to choose that version for the library",),
        12_000,
    ),
    Long(
        "LGPL-2.1-only",
        ("gnu lesser general public license version 2.1 february 1999",),
        "work that uses the library",
        (*_GNU_END, "that s all there is to it"),
    ),
    Long(
        "LGPL-2.0-only",
        ("gnu library general public license version 2 june 1991",),
        "work that uses the library",
        (*_GNU_END, "that s all there is to it"),
    ),
    Long(
        "GPL-3.0-only",
        ("gnu general public license version 3 29 june 2007",),
        "conveying modified source versions",
        (*_GNU_END, "philosophy why not lgpl.html"),
    ),
    Long(
        "GPL-2.0-only",
        ("gnu general public license version 2 june 1991",),
        "most ordinary way",
        _GNU_END,
    ),
    Long(
        "GPL-1.0-only",
        ("gnu general public license version 1 february 1989",),
        "mere aggregation",
        (*_GNU_END, "that s all there is to it"),
    ),
    Long(
        "GFDL-1.2-only",
        ("gnu free documentation license version 1.2",),
        "secondary section",
        ("to permit their use in free software",),
    ),
    Long(
        "GFDL-1.3-only",
        ("gnu free documentation license version 1.3",),
        "secondary section",
        ("to permit their use in free software",),
    ),
    Long(
        "MPL-2.0",
        ("mozilla public license version 2.0",),
        "covered software",
        ("incompatible with secondary licenses as defined by the mozilla public license v. 2.0",),
    ),
    Long(
        "MPL-1.1",
        ("mozilla public license version 1.1",),
        "covered code",
        ("you should use the text of this exhibit a rather than the text found in the original",),
    ),
    Long(
        "EPL-2.0",
        ("eclipse public license v 2.0",),
        "secondary license",
        ("waives its rights to a jury trial", "additional accurate notices of copyright ownership"),
    ),
    Long(
        "EPL-1.0",
        ("eclipse public license v 1.0",),
        "recipient s rights granted",
        ("waives its rights to a jury trial in any resulting litigation",),
    ),
    Long(
        "CDDL-1.0",
        ("common development and distribution license cddl version 1.0",),
        "covered software",
        ("litigation shall be that of", "responsible for claims arising"),
    ),
    Long(
        "Apache-2.0 WITH LLVM-exception",
        ("llvm exceptions to the apache 2.0 license",),
        "combined software",
        ("only with respect to the combined software",),
        3_000,
    ),
    Long(
        "Apache-2.0",
        ("apache license version 2.0 january 2004", "apache license version 2.0"),
        "grant of patent license",
        ("end of terms and conditions", "permissions and limitations under the license"),
        16_000,
    ),
    Long(
        "Artistic-2.0",
        ("artistic license 2.0",),
        "distribution of modified versions",
        ("even if advised of the possibility of such damage",),
    ),
    Long(
        "Artistic-1.0-Perl",
        ("the artistic license",),
        "reasonable copying fee",
        ("merchantibility or fitness for a particular purpose",),
    ),
    Long(
        "CC0-1.0",
        ("cc0 1.0 universal",),
        "affirmer",
        ("no duty or obligation with respect to this cc0 or use of the work",),
        12_000,
    ),
    Long(
        "EUPL-1.2",
        ("european union public licence v. 1.2", "european union public licence v.1.2"),
        "compatible licences",
        ("require the production of a new eupl version", "of the licensor"),
    ),
    Long(
        "OFL-1.1",
        ("sil open font license version 1.1",),
        "font software",
        ("other dealings in the font software",),
        8_000,
    ),
)
# (SPDX id, grant, what the rest must hold, what it must not); the first of a grant that fits.
SHORT = (
    ("NCSA", "to deal with the software without restriction", "neither the names of", None),
    ("MIT-0", "free of charge to any person obtaining a copy", None, "permission notice shall"),
    ("JSON", "free of charge to any person obtaining a copy", "for good not evil", None),
    ("X11", "free of charge to any person obtaining a copy", "except as contained in this", None),
    ("MIT", "free of charge to any person obtaining a copy", None, None),
    (
        "BSL-1.0",
        "to any person or organization obtaining a copy of the software and accom",
        None,
        None,
    ),
    ("PostgreSQL", "without fee and without a written agreement", None, None),
    (
        "MIT-CMU",
        "by obtaining using and or copying this software and or its associated",
        None,
        None,
    ),
    ("0BSD", "with or without fee is hereby granted. the software is provided", None, None),
    ("ISC", "any purpose with or without fee is hereby granted provided that", None, None),
    ("HPND", "and its documentation for any purpose", "fee is hereby granted", None),
    ("Unlicense", "free and unencumbered software released into the public domain", None, None),
    ("WTFPL", "you just do what the fuck you want to", None, None),
    ("Zlib", "altered source versions must be plainly marked as such", None, None),
    ("Unicode-3.0", "unicode license v3", None, None),
    ("BlueOak-1.0.0", "blue oak model license", None, None),
    ("curl", "permission to use copy modify and distribute this software for any", "curl", None),
)
