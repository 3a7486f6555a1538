"""From a commit and its trees to paths: what `git ls-tree -r` would list.

Source: git documentation, gitformat-pack(5) for the objects; gitcore-tutorial(7) and
git-mktree(1) for what a tree holds.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

from harvest.git.errors import corrupt
from harvest.git.pack import ID_BYTES
from harvest.gunzip import DamagedError

_TREE_LINE = re.compile(rb"tree ([0-9a-f]{40})\n")
_SUBMODULE = 0o160000
_MAX_FOLDER_BYTES = 1 << 16
_MODE = re.compile(rb"[0-7]{5,6}")


class TreeEntry(NamedTuple):
    """One entry of a tree, `path` from the root."""

    path: bytes
    mode: int
    id: bytes

    @property
    def is_folder(self) -> bool:
        """Another tree."""
        return stat.S_IFMT(self.mode) == stat.S_IFDIR

    @property
    def is_file(self) -> bool:
        """A blob, executable or not."""
        return stat.S_IFMT(self.mode) == stat.S_IFREG

    @property
    def is_link(self) -> bool:
        """A symbolic link, whose blob is the target."""
        return stat.S_IFMT(self.mode) == stat.S_IFLNK

    @property
    def is_submodule(self) -> bool:
        """A commit of another repository; an archive has an empty folder there."""
        return stat.S_IFMT(self.mode) == _SUBMODULE


def tree_of_commit(content: bytes) -> bytes:
    """The id of a commit's tree. Raises DamagedError."""
    match = _TREE_LINE.match(content)
    if match is None:
        raise corrupt("a commit without a tree")
    return bytes.fromhex(match[1].decode())


def entries_of_tree(content: bytes) -> Iterator[TreeEntry]:
    """`MODE NAME\\0` and 20 bytes of id, over and over. Raises DamagedError."""
    at = 0
    while at < len(content):
        end = content.find(b"\0", at)
        mode, space, name = content[at:end].partition(b" ") if end > 0 else (b"", b"", b"")
        at = end + 1 + ID_BYTES
        if not space or not _MODE.fullmatch(mode) or at > len(content):
            raise corrupt("a damaged tree")
        yield TreeEntry(name, int(mode, 8), content[end + 1 : at])


def walk(
    root: bytes, read_tree: Callable[[bytes], bytes], *, max_entries: int
) -> Iterator[TreeEntry]:
    """All entries but the folders themselves, in the order of the trees.

    Few trees can name each other into more paths than there are atoms: `max_entries` counts
    folders too. Raises DamagedError.
    """
    seen = 0
    open_folders = [(b"", entries_of_tree(read_tree(root)))]
    while open_folders:
        prefix, entries = open_folders[-1]
        entry = next(entries, None)
        if entry is None:
            open_folders.pop()
            continue
        seen += 1
        if seen > max_entries:
            raise DamagedError("too_many_members", f"more than {max_entries} members")
        entry = entry._replace(path=prefix + entry.path)
        if not entry.is_folder:
            yield entry
            continue
        if len(entry.path) > _MAX_FOLDER_BYTES:
            raise DamagedError("too_deep", "folders within folders beyond any path")
        open_folders.append((entry.path + b"/", entries_of_tree(read_tree(entry.id))))
