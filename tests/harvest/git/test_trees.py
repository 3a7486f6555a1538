from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harvest.archive import Limits
from harvest.git.pack import Entry
from harvest.git.store import MemoryStore
from harvest.git.trees import entries_of_tree, tree_of_commit, walk
from harvest.gunzip import DamagedError
from harvest.listing import list_trees

LIMITS = Limits(
    max_file_bytes=10, max_license_bytes=10, max_archive_bytes=1, max_archive_members=50
)
SOME = b"\1" * 20


class Objects:
    """Trees by id, as a pack would bring them."""

    def __init__(self) -> None:
        self.entries: dict[bytes, Entry] = {}
        self.store = MemoryStore()

    def add(self, content: bytes, kind: Any = "tree") -> bytes:
        name = hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).digest()
        self.entries[name] = Entry(kind, name, self.store.size, len(content))
        self.store.append(content)
        return name

    def tree(self, *entries: tuple[str, bytes, bytes]) -> bytes:
        return self.add(b"".join(b"%s %s\0%s" % (m.encode(), n, i) for m, n, i in entries))

    def read(self, name: bytes) -> bytes:
        entry = self.entries[name]
        return self.store.read(entry.position, entry.size)

    def listing(self, root: bytes, limits: Limits = LIMITS) -> Any:
        commit = self.add(b"tree %s\nauthor x\n\nhello\n" % root.hex().encode(), "commit")
        return list_trees(commit.hex(), self.entries, self.store, limits, 0)


def test_the_paths_are_those_of_git(commit: Any, tmp_path: Path) -> None:
    files: dict[str, Any] = {
        "a.py": b"1", "a/b.py": b"2", "a-b.py": b"3", "a/b/c.py": b"4", "z/y/x/w.py": b"5",
        "run": ("100755", b"6"), "link": ("120000", b"a.py"), "sub": ("160000", "1" * 40),
    }  # fmt: skip
    head = commit(tmp_path / "r.git", files)
    git = ["git", "-C", str(tmp_path / "r.git")]
    told = subprocess.run([*git, "ls-tree", "-r", "-z", head], capture_output=True).stdout

    def content(name: bytes) -> bytes:
        return subprocess.run([*git, "cat-file", "tree", name.hex()], capture_output=True).stdout

    raw = subprocess.run([*git, "cat-file", "commit", head], capture_output=True).stdout
    walked = walk(tree_of_commit(raw), content, max_entries=100)
    lines = [b"%06o %s\t%s" % (e.mode, e.id.hex().encode(), e.path) for e in walked]
    expected = [b" ".join(line.split(b" ")[::2]) for line in told.split(b"\0") if line]
    assert lines == expected


def test_hostile_paths_are_refused_and_counted() -> None:
    made = Objects()
    inner = made.tree(("100644", b"evil.py", SOME))
    root = made.tree(
        ("100644", b"..", SOME),
        ("100644", b"../up.py", SOME),
        ("100644", b"/etc/abs.py", SOME),
        ("100644", b"back\\slash.py", SOME),
        ("100644", b"ctrl\n.py", SOME),
        ("100644", b"\xff.py", SOME),
        ("100644", b"honest.py", SOME),
        ("100644", b"honest.py", b"\2" * 20),
        ("100644", b"", SOME),
        ("40000", b"..", inner),
        ("40000", b".", inner),
        ("100644", b"x" * 5_000 + b".py", SOME),
        ("120000", b"link.py", SOME),
        ("160000", b"sub", SOME),
        ("010644", b"pipe.py", SOME),
        ("100644", b"other.txt", SOME),
    )
    listing = made.listing(root)
    # An absolute name is one below the top folder, as in an archive.
    assert [file.path for file in listing.files] == ["etc/abs.py", "evil.py", "honest.py"]
    assert listing.files[-1].blob_id == SOME
    assert listing.counts == {
        "bad_path": 8, "duplicate": 1, "link": 1, "device": 1, "not_python": 1,
    }  # fmt: skip


def test_few_trees_that_make_endless_paths() -> None:
    made = Objects()
    tree = made.tree(("100644", b"x.py", SOME))
    for _ in range(60):
        tree = made.tree(*(("40000", b"%d" % n, tree) for n in range(10)))
    with pytest.raises(DamagedError) as caught:
        made.listing(tree)
    assert caught.value.reason == "too_many_members"


def test_folders_without_end() -> None:
    made = Objects()
    tree = made.tree(("100644", b"x.py", SOME))
    for _ in range(40):
        tree = made.tree(("40000", b"n" * 2_000, tree))
    with pytest.raises(DamagedError) as caught:
        made.listing(tree)
    assert caught.value.reason == "too_deep"


@pytest.mark.parametrize(
    "content",
    [b"100644 x", b"100644 x\0short", b"x\0" + SOME, b"\0" + SOME, b"99 x\0" + SOME,
     b"1006440000 x\0" + SOME, b"100644x\0" + SOME],
)  # fmt: skip
def test_damaged_trees(content: bytes) -> None:
    with pytest.raises(DamagedError):
        list(entries_of_tree(content))


def test_a_commit_without_a_tree_or_with_one_that_did_not_come() -> None:
    made = Objects()
    with pytest.raises(DamagedError):
        tree_of_commit(b"author x\n\ntree " + b"1" * 40 + b"\n")
    with pytest.raises(DamagedError, match="not in the pack"):
        made.listing(b"\7" * 20)
    as_blob = made.add(b"100644 x.py\0" + SOME, "blob")
    with pytest.raises(DamagedError, match="not in the pack"):
        made.listing(as_blob)
