"""What a repository has at a commit: the files to keep by path and blob id, the others by reason.

The same comes out whichever way a repository travels. From its trees nothing is known of sizes, so
that a file that proves too large is left out later (`harvest.resolve`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from harvest.archive import (
    KEPT,
    KEPT_LICENSE,
    SUFFIX,
    Limits,
    inside_archive,
    max_bytes_of,
)
from harvest.git.errors import corrupt
from harvest.git.pack import Entry
from harvest.git.store import Store
from harvest.git.trees import TreeEntry, tree_of_commit, walk

Transport = Literal["archive", "blobs"]
_TOP = "top"  # an archive has all under one folder, and its paths are judged with that


class ListedFile(NamedTuple):
    """A file that may be kept."""

    path: str
    blob_id: bytes

    @property
    def is_python(self) -> bool:
        """A Python file, as opposed to a licence file."""
        return self.path.endswith(SUFFIX)


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository's files in the order of their rows, and what became of the others."""

    commit: str
    transport: Transport
    fetched_at: int  # seconds since the epoch
    files: tuple[ListedFile, ...]
    counts: Counter[str] = field(default_factory=Counter)


def in_order(files: Iterable[ListedFile]) -> tuple[ListedFile, ...]:
    """By the bytes of the path, which is git's own order of a commit's files."""
    return tuple(sorted(files, key=lambda file: file.path.encode()))


def archive_listing(
    commit: str, fetched_at: int, files: Iterable[ListedFile], counts: Counter[str]
) -> Listing:
    """The listing of what an archive brought; which files become rows is settled later."""
    others = {key: number for key, number in counts.items() if key not in (KEPT, KEPT_LICENSE)}
    return Listing(commit, "archive", fetched_at, in_order(files), Counter(others))


def list_trees(
    commit: str, entries: dict[bytes, Entry], store: Store, limits: Limits, fetched_at: int
) -> Listing:
    """Read a commit and its trees. Raises DamagedError, also where one of them is missing."""

    def read(kind: str, object_id: bytes) -> bytes:
        entry = entries.get(object_id)
        if entry is None or entry.kind != kind or entry.position < 0:
            raise corrupt(f"the {kind} {object_id.hex()} is not in the pack")
        return store.read(entry.position, entry.size)

    root = tree_of_commit(read("commit", bytes.fromhex(commit)))
    counts: Counter[str] = Counter()
    files: dict[str, bytes] = {}
    tree_entries = walk(
        root, lambda tree: read("tree", tree), max_entries=limits.max_archive_members
    )
    for entry in tree_entries:
        if entry.is_submodule:
            continue  # another repository; an archive has an empty folder there
        path = inside_archive(f"{_TOP}/{entry.path.decode('utf-8', 'surrogateescape')}")
        reason = _why_not(entry, path, limits)
        if reason is None and path in files:
            reason = "duplicate"
        if reason is None and path is not None:
            files[path] = entry.id
        else:
            counts[str(reason)] += 1
    found = in_order(ListedFile(path, blob_id) for path, blob_id in files.items())
    return Listing(commit, "blobs", fetched_at, found, counts)


def _why_not(entry: TreeEntry, path: str | None, limits: Limits) -> str | None:
    if entry.is_link:
        return "link"
    if not entry.is_file:
        return "device"
    if path is None:
        return "bad_path"
    return "not_python" if max_bytes_of(path, limits) is None else None
