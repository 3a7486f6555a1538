"""Files that are complete or absent: write aside, fsync, rename, fsync the folder."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from corpus.errors import DiskFullError, FileError

ASIDE_SUFFIX = ".aside"
_CHUNK_BYTES = 1 << 20


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into one that names `path`; a full disk gets a class of its own."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                path, "no space left on the disk; free some and run again"
            ) from error
        raise FileError(path, error.strerror or str(error)) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the final name only if the block succeeds.

    Raises DiskFullError or FileError naming `path`; on any error the aside file is removed.
    """
    aside = path.with_name(f"{path.name}.{os.getpid()}{ASIDE_SUFFIX}")
    with named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield aside
            fsync(aside)
            aside.replace(path)
            fsync(path.parent)
        finally:
            aside.unlink(missing_ok=True)


def fsync(path: Path) -> None:
    """Flush a file's bytes, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, complete or not at all."""
    with atomic_path(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON with a final newline, complete or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def remove_leftovers(folder: Path) -> int:
    """Delete what killed writers left aside in `folder`; how many files that was.

    Call it only where no other writer is at work.
    """
    leftovers = list(folder.rglob(f"*{ASIDE_SUFFIX}")) if folder.is_dir() else []
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    return len(leftovers)


def remove_leftovers_of(path: Path) -> None:
    """Delete what killed writers of one file left beside it; see `remove_leftovers`."""
    for leftover in path.parent.glob(f"{path.name}.*{ASIDE_SUFFIX}"):
        leftover.unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex. Raises FileError."""
    with named_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
