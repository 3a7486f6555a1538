"""Bare git repositories of real code that any machine has: what is installed beside this Python."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from harvest.loopback.catalog import Repository, TreeCatalog, installed_catalog
from harvest.loopback.gitfolder import FACTS_FILE

_SETTINGS = ("-c", "fastimport.unpackLimit=1", "-c", "gc.auto=0")
_WHO = "committer Bench <bench@example.org> 1577836800 +0000"


@dataclass(frozen=True, slots=True)
class Mirrors:
    """The repositories on disk, and what is in them."""

    folder: Path
    names: tuple[str, ...]
    python_files: int
    python_bytes: int
    all_bytes: int

    def as_dict(self) -> dict[str, int]:
        """For the JSON."""
        return {
            "repositories": len(self.names),
            "python_files": self.python_files,
            "python_bytes": self.python_bytes,
            "all_bytes": self.all_bytes,
        }


MAX_REPOSITORY_BYTES = 25_000_000  # one package must not be half of the input


def make_mirrors(folder: Path, limit: int | None = None) -> Mirrors:
    """Commit the files of installed packages, a repository each, packed as a server keeps them."""
    catalog, facts = installed_catalog(), dict[str, dict[str, int]]()
    names: list[str] = []
    python_files = python_bytes = all_bytes = 0
    for repository in catalog.repositories():
        if repository.size_bytes > MAX_REPOSITORY_BYTES or len(names) == limit:
            continue
        files = _files_of(catalog, repository)
        python = [len(content) for path, content in files.items() if path.endswith(".py")]
        if not python:
            continue
        _commit(folder / f"{repository.full_name}.git", files)
        names.append(repository.full_name)
        facts[repository.full_name] = {"stars": repository.stars}
        python_files += len(python)
        python_bytes += sum(python)
        all_bytes += sum(map(len, files.values()))
    (folder / FACTS_FILE).write_text(json.dumps(facts), encoding="utf-8")
    return Mirrors(folder, tuple(names), python_files, python_bytes, all_bytes)


def _files_of(catalog: TreeCatalog, repository: Repository) -> dict[str, bytes]:
    commit = catalog.commit(repository, "HEAD")
    assert commit is not None
    return dict(_files(catalog.tar(repository, commit, "top")))


def _commit(where: Path, files: Mapping[str, bytes]) -> None:
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", where], check=True)
    command = ["git", *_SETTINGS, "-C", str(where), "fast-import", "--quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(f"commit refs/heads/main\n{_WHO}\ndata 6\nfirst\n\n".encode())
        for path, content in files.items():
            _add(process.stdin, path, content)
        process.stdin.write(b"\n")
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    # Deltas and one pack with an index of what is reachable, as a host keeps a repository.
    subprocess.run(["git", "-C", str(where), "repack", "-qadb"], check=True)


def _add(into: IO[bytes], path: str, content: bytes) -> None:
    quoted = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    into.write(f'M 100644 inline "{quoted}"\ndata {len(content)}\n'.encode() + content + b"\n")


def _files(tar: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=cast(IO[bytes], _Reader(tar)), mode="r|") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                yield member.name.partition("/")[2], file.read()


class _Reader:
    """Chunks as the file that tarfile reads from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes."""
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._rest += chunk
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken
