"""From the bytes of a repository's archive to the files to keep, nothing unpacked to disk.

Kept are Python files and, unless told otherwise, licence files.

An archive is hostile input: no path escapes, no link is followed, no size is believed, and
memory stays at one file and one block whatever arrives.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from corpus.errors import ArchiveError
from corpus.license_files import is_license_file
from harvest.gunzip import DamagedError, Gunzip
from harvest.tarstream import Member, TarStream

SUFFIX = ".py"
KEPT, KEPT_LICENSE = "kept", "kept_license"  # what Python and licence files are counted under
COPY, TOO_LARGE = "copy", "too_large"  # a file whose blob is stored elsewhere; one over its limit
MAX_PATH_BYTES = 4_096
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an archive may cost."""

    max_file_bytes: int
    max_license_bytes: int | None = None  # of a licence file; None: none is kept
    max_archive_bytes: int
    max_archive_members: int


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A kept file; `path` is inside the repository, with slashes."""

    path: str
    content: bytes

    @property
    def is_python(self) -> bool:
        """A Python file, as opposed to a licence file."""
        return self.path.endswith(SUFFIX)


class ArchiveReader:
    """Feed it the download; it yields the files to keep and counts the others by reason."""

    def __init__(self, repository: str, commit: str, limits: Limits) -> None:
        self.counts: Counter[str] = Counter()
        self._repository, self._commit = repository, commit
        self._limits = limits
        self._gunzip = Gunzip(limits.max_archive_bytes)
        self._tar = TarStream(self._wanted, limits.max_archive_members, limits.max_archive_bytes)
        self._top: str | None = None
        self._seen: set[str] = set()

    def feed(self, chunk: bytes) -> Iterator[SourceFile]:
        """Read on. Raises ArchiveError, whose `reason` is what gets counted."""
        try:
            for block in self._gunzip.feed(chunk):
                for member in self._tar.feed(block):
                    yield from self._kept(member)
        except DamagedError as error:
            raise self._error(error.reason, error.problem) from error

    def close(self) -> None:
        """Say that no more comes. Raises ArchiveError if the archive is not at its end."""
        try:
            self._gunzip.close()
            self._tar.close()
        except DamagedError as error:
            raise self._error(error.reason, error.problem) from error
        named = self._tar.comment
        if named is not None and named != self._commit:
            raise self._error("wrong_commit", f"an archive of {named[:40]!r}, not {self._commit}")

    def _kept(self, member: Member) -> Iterator[SourceFile]:
        if member.is_folder:
            return
        reason = self._why_not(member)
        if reason is not None:
            self.counts[reason] += 1
            return
        path = self._inside(member)
        assert path is not None and member.content is not None
        self._seen.add(path)
        file = SourceFile(path, member.content)
        self.counts[KEPT if file.is_python else KEPT_LICENSE] += 1
        yield file

    def _wanted(self, member: Member) -> bool:
        return self._why_not(member) is None

    def _why_not(self, member: Member) -> str | None:
        if member.is_link:
            return "link"
        if not member.is_file:
            return "device"
        path = self._inside(member)
        if path is None:
            return "bad_path"
        max_bytes = max_bytes_of(path, self._limits)
        if max_bytes is None:
            return "not_python"
        if member.size > max_bytes:
            return TOO_LARGE
        return "duplicate" if path in self._seen else None

    def _inside(self, member: Member) -> str | None:
        """The path below the archive's one top folder, which its first file names."""
        top, inside = _split_top(member.path)
        if inside is None:
            return None
        if self._top is None:
            self._top = top
        return inside if top == self._top else None

    def _error(self, reason: str, problem: str) -> ArchiveError:
        return ArchiveError(self._repository, reason, f"its archive can't be used: {problem}")


def max_bytes_of(path: str, limits: Limits) -> int | None:
    """How large a file of this name may be; None for one that is not wanted."""
    if path.endswith(SUFFIX):
        return limits.max_file_bytes
    return limits.max_license_bytes if is_license_file(path) else None


def inside_archive(path: str) -> str | None:
    """The path below the first folder; None for one that is refused."""
    return _split_top(path)[1]


def _split_top(path: str) -> tuple[str, str | None]:
    parts = safe_parts(path)
    if parts is None or len(parts) < 2:
        return "", None
    return parts[0], "/".join(parts[1:])


def safe_parts(path: str) -> list[str] | None:
    """The components of a relative path that stays where it is put; None for any other.

    Refused: absolute paths, `..`, control characters, backslashes (a separator elsewhere),
    what is not UTF-8, and what is longer than a path can be.
    """
    if path.startswith("/") or _UNSAFE.search(path):
        return None
    try:
        if len(path.encode()) > MAX_PATH_BYTES:
            return None
    except UnicodeEncodeError:
        return None
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return None if ".." in parts else parts
