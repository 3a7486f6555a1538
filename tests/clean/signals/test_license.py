import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.signals.license import category, find_license

MIT = """# Permission is hereby granted, free of charge, to any person obtaining a copy
# of this software and associated documentation files (the "Software"), to deal
"""
APACHE = """# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
"""
GPL3 = """# This program is free software: you can redistribute it and/or modify
# it under the terms of the GNU General Public License as published by
# the Free Software Foundation, either version 3 of the License, or
# (at your option) any later version.
"""
BSD = "# Redistribution and use in source and binary forms, with or without\n# modification, are"


@pytest.mark.parametrize(
    ("top", "expression", "kind"),
    [
        ("# SPDX-License-Identifier: MIT\n", "MIT", "permissive"),
        ("# SPDX-License-Identifier: (MIT OR GPL-2.0-only)\n", "MIT OR GPL-2.0-only", "permissive"),
        (
            "# SPDX-License-Identifier: MIT\n# SPDX-License-Identifier: GPL-3.0+\n",
            "MIT AND GPL-3.0-or-later",
            "copyleft",
        ),
        ('"""SPDX-License-Identifier: Apache-2.0"""\n', "Apache-2.0", "permissive"),
        ("# SPDX-License-Identifier: whatever you like\n", None, "other"),
        ("# SPDX-License-Identifier: MIT AND\n", None, "other"),
        (MIT, "MIT", "permissive"),
        ("#!/usr/bin/python\n\n# Copyright 2020 X\n" + APACHE, "Apache-2.0", "permissive"),
        (GPL3, "GPL-3.0-or-later", "copyleft"),
        (GPL3.replace("General", "Affero General"), "AGPL-3.0-or-later", "copyleft"),
        (GPL3.replace("GNU General", "GNU Lesser General"), "LGPL-3.0-or-later", "copyleft"),
        (
            "# under the terms of the GNU General Public License version 2 as published by\n",
            "GPL-2.0-only",
            "copyleft",
        ),
        ("# License: GPL v2 or later\n", "GPL-2.0-or-later", "copyleft"),
        (BSD, "BSD-2-Clause", "permissive"),
        (BSD + "\n# Neither the name of X\n", "BSD-3-Clause", "permissive"),
        ("# Released under the 3-clause BSD license.\n", "BSD-3-Clause", "permissive"),
        (
            "# This Source Code Form is subject to the terms of the Mozilla Public\n"
            "# License, v. 2.0.\n",
            "MPL-2.0",
            "copyleft",
        ),
        ("# Licensed to the PSF under a contributor agreement.\n", "PSF-2.0", "permissive"),
        ("# This file is under the PSF license.\n", "PSF-2.0", "permissive"),
        ("# Sorted things, an Apache2 licensed library.\n", "Apache-2.0", "permissive"),
        ("# Licensed to PSF under a Contributor Agreement.\n", "PSF-2.0", "permissive"),
        (
            "# This is free and unencumbered software released into the public domain.\n",
            "Unlicense",
            "permissive",
        ),
        (
            "# Permission to use, copy, modify, and/or distribute this software for any\n"
            "# purpose with or without fee is hereby granted\n",
            "ISC",
            "permissive",
        ),
        ("# Dual licensed under the MIT license and\n" + GPL3, None, "permissive"),
        (MIT + GPL3, "GPL-3.0-or-later AND MIT", "copyleft"),
        ("# Copyright X. All rights reserved.\n", None, "none"),
        ("# SPDX-License-Identifier: Apache 2.0\n", "Apache-2.0", "permissive"),
        ("# SPDX-License-Identifier: GPLv3\n", "GPL-3.0-only", "copyleft"),
        ("# SPDX-License-Identifier: LicenseRef-Ours\n", "LicenseRef-Ours", "other"),
        (
            "# This module is in the public domain.\n",
            "LicenseRef-scancode-public-domain",
            "permissive",
        ),
        (
            "# Licensed under CC BY-NC-SA 4.0, see creativecommons.org.\n",
            "CC-BY-NC-SA-4.0",
            "other",
        ),
        ("# Creative Commons Attribution-ShareAlike license 3.0\n", "CC-BY-SA-3.0", "copyleft"),
        ("# For non-commercial use only.\n", "LicenseRef-noncommercial", "other"),
        ("# GPL-compatible: free of it.\n", None, "none"),
        ('__license__ = "MIT"\n', "MIT", "permissive"),
        ("import os\n\n__license__ = 'GPL v3'\n", "GPL-3.0-only", "copyleft"),
        ('# Released under the MIT license\n__license__ = "GPL"\n', "MIT", "permissive"),
        ('__license__ = "see LICENSE"\n', None, "none"),
        ('x = """\n__license__ = 1\n"""\n', None, "none"),
        ("# Proprietary and confidential\n", "LicenseRef-proprietary", "other"),
        ("# Copyright X. All rights reserved. See the LICENSE file.\n", None, "none"),
        ("# Copyright 2020 X\n", None, "none"),
        ("x = 1\n# SPDX-License-Identifier: MIT\n", None, "none"),  # below the first statement
        ("x = 'SPDX-License-Identifier: MIT'\n", None, "none"),
        ("", None, "none"),
    ],
)
def test_reads_the_head(top: str, expression: str | None, kind: str) -> None:
    found = find_license(top + "import x\n")
    assert found.category == kind
    if expression is not None or kind in ("none", "other"):
        assert found.expression == expression
    assert (found.evidence is None) == (kind == "none")


def test_the_evidence_is_what_was_matched() -> None:
    assert find_license("# SPDX-License-Identifier: MIT  \n").evidence == (
        "SPDX-License-Identifier: MIT"
    )
    assert "gnu general public license" in (find_license(GPL3).evidence or "")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (None, "none"),
        ("", "none"),
        ("NONE", "none"),
        ("NOASSERTION", "other"),
        ("MIT", "permissive"),
        ("mit", "permissive"),
        ("CC0-1.0", "permissive"),
        ("GPL-3.0", "copyleft"),
        ("LGPL-2.1", "copyleft"),
        ("AGPL-3.0", "copyleft"),
        ("MPL-2.0", "copyleft"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "copyleft"),
        ("CC-BY-NC-4.0", "other"),
        ("MIT OR GPL-3.0-only", "permissive"),
        ("MIT AND GPL-3.0-only", "copyleft"),
        ("MIT AND Nobody-Knows-1.0", "other"),
        ("(", "other"),
        ("( )", "other"),
        ("MIT MIT", "other"),
        ("AND", "other"),
    ],
)
def test_categories(expression: str | None, expected: str) -> None:
    assert category(expression) == expected


WORDS = st.lists(
    st.sampled_from(
        [
            "MIT",
            "AND",
            "OR",
            "WITH",
            "(",
            ")",
            "GPL-2.0-only",
            "+",
            "Classpath-exception-2.0",
            "license",
            "gnu general public license",
            "version 3",
            "\n# ",
            "bsd",
            "any later version",
            "SPDX-License-Identifier: ",
            "apache license",
            "all rights reserved",
            "dual licensed",
        ]
    ),
    max_size=20,
).map(" ".join)


@given(WORDS | st.text(max_size=100))
def test_any_text_has_an_answer(text: str) -> None:
    found = find_license("# " + text)
    assert found == find_license("# " + text)
    assert found.category == "none" or found.evidence
    assert len(found.evidence or "") <= 200
    if found.expression is not None:
        assert category(found.expression) == found.category
    assert category(text) in ("permissive", "copyleft", "other", "none")
