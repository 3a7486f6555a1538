import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.license_files import is_license_file, is_plainly_named


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("LICENSE", True),
        ("LICENCE.md", True),
        ("License.txt", True),
        ("vendor/thing/LICENSE.rst", True),
        ("COPYING", True),
        ("COPYRIGHT", True),
        ("UNLICENSE", True),
        ("licenses.markdown", True),
        ("LICENSE-MIT", False),
        ("LICENSE_1_0.txt", False),
        ("LICENSE-2.0.txt", False),
        ("COPYING3", False),
        ("COPYING.LESSER", False),
        ("LICENSE.BSD-3-Clause", False),
        ("LICENSE.apache2", False),
        ("MIT-LICENSE.txt", False),
        ("docs/python_license.rst", False),
    ],
)
def test_licence_files(path: str, plain: bool) -> None:
    assert is_license_file(path)
    assert is_plainly_named(path) == plain


@pytest.mark.parametrize(
    "path",
    [
        "license.py",
        "LICENSE.txt.py",
        "copyright.js",
        "licenser",
        "licensing.md",
        "license.json",
        "licenses.html",
        "LICENSE.pdf",
        "LICENSE/readme.txt",
        "NOTICE",
        "README.md",
        "THIRD-PARTY-LICENSES.txt",
        "LICENSES_bundled.txt",
        "LICENSE.external",
        "LICENSE.md.bak",
        "",
    ],
)
def test_other_files(path: str) -> None:
    assert not is_license_file(path)


def test_a_name_without_end_takes_no_time() -> None:
    assert not is_license_file("license-" + "1" * 4000 + "!")


@given(st.text(max_size=30))
def test_a_python_file_is_never_a_licence_file(path: str) -> None:
    assert not is_license_file(path + ".py")
    assert is_license_file(path + "/LICENSE")
