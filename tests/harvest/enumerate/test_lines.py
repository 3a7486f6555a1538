from __future__ import annotations

from pathlib import Path

import pytest

from corpus.errors import FileError
from harvest.enumerate.lines import entry_of, read_list


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("Ada/Engine", "ada/engine"),
        ("https://github.com/Ada/engine", "ada/engine"),
        ("https://github.com/Ada/engine.git", "ada/engine"),
        ("https://github.com/Ada/engine/tree/main/src?x=1", "ada/engine"),
        ("http://127.0.0.1:8080/ada/engine", "ada/engine"),
        ("github.com/ada/engine/", "ada/engine"),
        ("git@github.com:ada/engine.git", "ada/engine"),
        ("ada/.github", "ada/.github"),
        ("1296269", "1296269"),
        ("007", "7"),
        ("ada/engine.git", "ada/engine"),
    ],
)
def test_forms_of_one_repository(text: str, entry: str) -> None:
    assert entry_of(text) == entry


@pytest.mark.parametrize(
    "text",
    [
        "ada",
        "a/b/c",
        "two words",
        "a/",
        "/b",
        "ada/..",
        "0",
        "-5",
        "1" * 30,
        "https://github.com/ada",
        "http://[bad/a/b",
        "a/b,c/d",
        "ada/naïve",
        "",
    ],
)
def test_what_names_no_repository(text: str) -> None:
    assert entry_of(text) is None


def test_a_list_has_comments_and_each_entry_once(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("\ufeff# mine\nada/engine  # first\n\nhttps://github.com/ADA/engine\n42\n")
    assert read_list(path) == {"ada/engine": 2, "42": 5}


def test_a_line_that_can_not_be_understood_stops(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("ada/engine\nwhat is this\n")
    with pytest.raises(FileError, match="line 2"):
        read_list(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match="UTF-8"):
        read_list(path)
    with pytest.raises(FileError, match=r"nowhere\.txt"):
        read_list(tmp_path / "nowhere.txt")
