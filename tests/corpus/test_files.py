import errno
import os
from pathlib import Path

import pytest

from corpus.errors import DiskFullError, FileError
from corpus.files import (
    atomic_path,
    file_digest,
    remove_leftovers,
    remove_leftovers_of,
    write_json,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_aside(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(target) as aside:
        aside.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_finished_write_replaces_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.json"
    write_json(target, {"a": 1})
    write_json(target, {"a": 2})
    assert target.read_text() == '{\n  "a": 2\n}\n'
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_names_the_file_that_was_to_be_written(tmp_path: Path, number: int) -> None:
    with (
        pytest.raises(DiskFullError, match=r"a\.txt: no space left"),
        atomic_path(tmp_path / "a.txt"),
    ):
        raise OSError(number, os.strerror(number))


def test_a_folder_that_is_a_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(FileError, match=r"f/a\.json"):
        write_json(tmp_path / "f" / "a.json", {})


def test_leftovers_of_killed_writers_are_removed(tmp_path: Path) -> None:
    (tmp_path / "x.parquet.123.aside").write_text("half")
    (tmp_path / "x.parquet").write_text("whole")
    assert remove_leftovers(tmp_path) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["x.parquet"]
    assert remove_leftovers(tmp_path / "absent") == 0


def test_leftovers_of_one_file_are_removed_alone(tmp_path: Path) -> None:
    for name in ("a.json.1.aside", "b.json.1.aside", "a.json"):
        (tmp_path / name).write_text("")
    remove_leftovers_of(tmp_path / "a.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json.1.aside"]
    remove_leftovers_of(tmp_path / "absent" / "a.json")


def test_file_digest_is_sha256_and_names_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "e").write_bytes(b"")
    assert file_digest(tmp_path / "e").startswith("e3b0c44298fc1c14")
    with pytest.raises(FileError, match="absent"):
        file_digest(tmp_path / "absent")
