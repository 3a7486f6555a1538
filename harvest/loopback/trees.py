"""A catalog of plain files, on disk or in memory, each repository with one commit."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from corpus.errors import FileError
from corpus.files import named_errors
from harvest.loopback.gitobjects import object_id, root_commit, tree_id
from harvest.loopback.languages import language_bytes
from harvest.loopback.licenses import license_path
from harvest.loopback.repository import Commit, Repository, TextFile, assign_ids
from harvest.loopback.tarwriter import tar_stream

_MESSAGE = "Everything as it is installed here"
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class SourceFile(Protocol):
    """One file of a repository, not read yet."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    def read(self) -> bytes:
        """The content. Raises FileError."""
        ...


@dataclass(frozen=True, slots=True)
class DiskFile:
    """A file that is read when it is asked for."""

    path: Path
    size: int

    def read(self) -> bytes:
        """Raises FileError."""
        with named_errors(self.path):
            return self.path.read_bytes()


@dataclass(frozen=True, slots=True)
class MemoryFile:
    """A file that a test made up."""

    content: bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content)

    def read(self) -> bytes:
        """The content."""
        return self.content


Files = Mapping[str, SourceFile]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    commit: Commit
    blobs: Mapping[str, str]  # path -> blob id, in git's order


class TreeCatalog:
    """Repositories made of plain files; commits are hashed when first asked for, then kept."""

    def __init__(self, trees: Mapping[Repository, Files] | Sequence[tuple[Repository, Files]]):
        pairs = list(trees.items()) if isinstance(trees, Mapping) else list(trees)
        self._repositories = sorted((each for each, _ in pairs), key=lambda each: each.id)
        self._files = {each.id: files for each, files in pairs}
        self._snapshots: dict[int, _Snapshot] = {}
        self._locks = {each.id: threading.Lock() for each in self._repositories}

    def repositories(self) -> Sequence[Repository]:
        """All of them, by rising id."""
        return self._repositories

    def commit(self, repository: Repository, ref: str) -> Commit | None:
        """The one commit, by any of its names. Raises FileError."""
        if repository.empty:
            return None
        commit = self._snapshot(repository).commit
        branch = repository.default_branch
        names = ("HEAD", branch, f"heads/{branch}", f"refs/heads/{branch}")
        shortened = len(ref) >= 7 and commit.id.startswith(ref.lower())
        return commit if ref in names or shortened else None

    def tar(self, repository: Repository, commit: Commit, folder: str) -> Iterator[bytes]:
        """The files as `git archive` would pack them. Raises FileError while it runs."""
        files = self._checked_files(repository)
        return tar_stream(files, folder=folder, commit_id=commit.id, date=commit.date)

    def license_file(self, repository: Repository) -> TextFile | None:
        """The first licence file by name. Raises FileError."""
        files = self._files[repository.id]
        path = license_path(files)
        return TextFile(path, files[path].read()) if path is not None else None

    def _snapshot(self, repository: Repository) -> _Snapshot:
        with self._locks[repository.id]:
            if repository.id not in self._snapshots:
                files = self._files[repository.id]
                blobs = {path: object_id("blob", files[path].read()) for path in sorted(files)}
                commit = root_commit(tree_id(blobs), repository.pushed_at, _MESSAGE)
                self._snapshots[repository.id] = _Snapshot(commit, blobs)
            return self._snapshots[repository.id]

    def _checked_files(self, repository: Repository) -> Iterator[tuple[str, bytes]]:
        for path, blob in self._snapshot(repository).blobs.items():
            content = self._files[repository.id][path].read()
            if object_id("blob", content) != blob:
                # The commit id was given out already: other content under it would be a lie.
                where = Path(repository.full_name) / path
                raise FileError(where, "changed since its commit was hashed; start the server anew")
            yield path, content


def measured(repository: Repository, files: Files) -> Repository:
    """The same repository with the languages and the size that its files have."""
    sizes = {path: file.size for path, file in files.items()}
    return replace(
        repository,
        languages=language_bytes(sizes.items()),
        size_bytes=sum(sizes.values()),
        empty=not sizes,
    )


def memory_catalog(
    contents: Mapping[str, Mapping[str, bytes]], facts: Mapping[str, Mapping[str, object]] = {}
) -> TreeCatalog:
    """A catalog of made-up repositories: `owner/name` -> path -> content.

    `facts` overrides fields of `Repository` by `owner/name`; without it a repository has no
    stars, no licence and fixed dates.
    """
    ids = assign_ids(contents)
    trees = []
    for full_name, files in contents.items():
        owner, name = full_name.split("/")
        plain = Repository(
            id=ids[full_name], owner=owner, name=name, created_at=_LONG_AGO, pushed_at=_LONG_AGO
        )
        tree = {path: MemoryFile(content) for path, content in files.items()}
        known = measured(plain, tree)
        trees.append((replace(known, **dict(facts.get(full_name, {}))), tree))  # type: ignore[arg-type]
    return TreeCatalog(trees)
