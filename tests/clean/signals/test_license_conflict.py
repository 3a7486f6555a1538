import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.signals.license_conflict import find_conflict
from clean.signals.license_terms import category, decisive, rank

GPL3_LATER = "GPL-3.0-or-later"


@pytest.mark.parametrize(
    ("header", "nearest", "root", "github", "expected"),
    [
        (GPL3_LATER, "MIT", "MIT", "MIT", "GPL-3.0-or-later header in a repository under MIT"),
        (GPL3_LATER, None, None, "MIT", "GPL-3.0-or-later header in a repository under MIT"),
        (GPL3_LATER, "MIT", "MIT", None, "GPL-3.0-or-later header in a repository under MIT"),
        (GPL3_LATER, "MIT", "MIT", "NOASSERTION",
         "GPL-3.0-or-later header in a repository under MIT"),
        ("LicenseRef-proprietary", "MIT", "MIT", "MIT",
         "proprietary header in a repository under MIT"),
        ("LicenseRef-Acme-7", None, None, "MIT",
         "header of an unknown licence in a repository under MIT"),
        ("MIT AND GPL-2.0-only", None, None, "MIT",
         "GPL-2.0-only header in a repository under MIT"),
        ("LGPL-2.1-or-later", None, None, "BSD-3-Clause",
         "LGPL-2.1-or-later header in a repository under BSD-3-Clause"),
        ("MPL-2.0", None, None, "MIT", "MPL-2.0 header in a repository under MIT"),
        ("GPL-2.0-or-later", None, None, "LGPL-3.0",
         "GPL-2.0-or-later header in a repository under LGPL-3.0-only"),
        ("AGPL-3.0-only", None, None, "GPL-3.0",
         "AGPL-3.0-only header in a repository under GPL-3.0-only"),
        (None, "GPL-3.0-only", "GPL-3.0-only", "MIT",
         "GPL-3.0-only licence file in a repository under MIT"),
        (None, "GPL-3.0-only", "MIT", "MIT",
         "GPL-3.0-only licence file of a folder in a repository under MIT"),
        (None, "LicenseRef-unknown", "MIT", "MIT",
         "licence file of a folder of an unknown licence in a repository under MIT"),
        (GPL3_LATER, "MIT", None, None, "GPL-3.0-or-later header in a repository under MIT"),
    ],
)  # fmt: skip
def test_less_than_the_repository_says_is_a_conflict(
    header: str | None, nearest: str | None, root: str | None, github: str | None, expected: str
) -> None:
    assert find_conflict(header, nearest, root, github) == expected


@pytest.mark.parametrize(
    ("header", "nearest", "root", "github"),
    [
        (None, None, None, None),
        ("GPL-3.0-only", None, None, None),
        ("GPL-3.0-only", None, None, "NOASSERTION"),
        ("GPL-3.0-only", "LicenseRef-unknown", "LicenseRef-unknown", "NOASSERTION"),
        ("MIT", "GPL-3.0-only", "GPL-3.0-only", "GPL-3.0"),
        ("BSD-3-Clause", "MIT", "MIT", "MIT"),
        ("GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-only", "GPL-3.0"),
        ("LGPL-2.1-only", None, None, "GPL-3.0"),
        ("MPL-2.0", None, None, "GPL-2.0"),
        ("GPL-3.0-only", None, None, "AGPL-3.0"),
        ("MIT OR GPL-3.0-only", "MIT", "MIT", "MIT"),
        (None, "Apache-2.0", "MIT", "MIT"),
        (None, "MIT", "MIT", "GPL-3.0"),
        (None, "Apache-2.0 OR GPL-2.0-only", None, "MIT"),
        ("GPL-3.0-or-later WITH GCC-exception-3.1", None, None, "LGPL-3.0"),
    ],
)
def test_no_conflict(
    header: str | None, nearest: str | None, root: str | None, github: str | None
) -> None:
    assert find_conflict(header, nearest, root, github) is None


NAMES = ["MIT", "LGPL-2.1-only", "GPL-2.0-only", "AGPL-3.0-only", "LicenseRef-x", "NOASSERTION"]
EXPRESSIONS = st.none() | st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(" OR ".join)


@given(EXPRESSIONS, EXPRESSIONS, EXPRESSIONS, EXPRESSIONS)
def test_agreement_is_never_a_conflict(
    header: str | None, nearest: str | None, root: str | None, github: str | None
) -> None:
    found = find_conflict(header, nearest, root, github)
    assert found is None or "\n" not in found
    assert find_conflict(github, github, github, github) is None
    if found is not None:
        assert max(rank(each) for each in (header, nearest) if each) > 0


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", "MIT"),
        ("MIT OR GPL-2.0-only", "MIT"),
        ("MIT AND GPL-2.0-only", "GPL-2.0-only"),
        ("GPL-2.0", "GPL-2.0-only"),
        ("GPL-3.0-only WITH GCC-exception-3.1", "GPL-3.0-only WITH GCC-exception-3.1"),
        ("no expression at all", "an unknown licence"),
    ],
)
def test_what_decides(expression: str, expected: str) -> None:
    assert decisive(expression) == expected


def test_an_exception_asks_for_less_but_is_no_permissive_licence() -> None:
    assert category("GPL-2.0-only WITH LLVM-exception") == "copyleft"
    assert category("Apache-2.0 WITH LLVM-exception") == "permissive"
    assert rank("GPL-2.0-only WITH Classpath-exception-2.0") < rank("GPL-2.0-only")
    assert rank("GPL-2.0-only WITH Nobody-exception") == rank("GPL-2.0-only")
