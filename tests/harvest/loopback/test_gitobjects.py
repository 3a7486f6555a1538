from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest.loopback.gitobjects import object_id, root_commit, tree_id
from harvest.loopback.repository import assign_ids, global_id

DATE = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout.decode()


def test_git_gives_the_same_ids(tmp_path: Path) -> None:
    # Names that sort differently as folders: "a-b" < "a/" < "a0".
    files = {"a/x.py": b"1\n", "a-b": b"2", "a0": b"", "a/deep/er/ü.py": b"3", "z.py": b"4"}
    git(tmp_path, "init", "-q")
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    git(tmp_path, "add", ".")
    tree = git(tmp_path, "write-tree").strip()
    assert tree_id({path: object_id("blob", content) for path, content in files.items()}) == tree
    commit = root_commit(tree, DATE, "A message")
    lines = (
        f"tree {tree}\nauthor Loopback <loopback@localhost> {int(DATE.timestamp())} +0000\n"
        f"committer Loopback <loopback@localhost> {int(DATE.timestamp())} +0000\n\nA message\n"
    )
    raw = git(tmp_path, "hash-object", "-t", "commit", "--stdin", stdin=lines.encode())
    assert commit.id == raw.strip()


@given(st.sets(st.from_regex(r"[a-z]{1,6}/[a-z]{1,6}", fullmatch=True), max_size=30))
def test_ids_are_distinct_and_of_31_bits(names: set[str]) -> None:
    ids = assign_ids(names)
    assert set(ids) == names
    assert len(set(ids.values())) == len(names)
    assert all(0 < number < 2**31 for number in ids.values())


def test_ids_do_not_depend_on_the_others() -> None:
    assert assign_ids(["a/b", "c/d"])["a/b"] == assign_ids(["a/b"])["a/b"]


@pytest.mark.parametrize(
    ("number", "expected"), [(1296269, "R_kgDOABPHjQ"), (2**31 - 2, "R_kgDOf____g")]
)
def test_node_ids_are_packed_as_githubs(number: int, expected: str) -> None:
    assert global_id("R_", number) == expected
