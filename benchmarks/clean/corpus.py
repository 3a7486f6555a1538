"""A corpus of real code that any machine can make, without a token and without GitHub.

The Python files of the running interpreter's standard library, of the packages installed beside
it and beside the peers, and of a stated list of pure-Python wheels. Files of equal bytes are taken
once, and none above 1 MB, as the harvest does. A package stands for a repository.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.clean.shards import File, write_raw
from corpus.errors import FileError, ManifestError
from corpus.manifest import read_manifest
from corpus.schema import git_blob_id
from corpus.shards import Shard, list_shards

MAX_FILE_BYTES = 1_000_000
WANTED_BYTES = 300_000_000
WHEELS = Path(__file__).parent / "wheels"  # lists, by the Python that they are for
_PURE = ("--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none")


@dataclass(frozen=True, slots=True)
class RealCode:
    """The raw shards of a corpus, and what its manifest says of it."""

    folder: Path
    shards: Sequence[Shard]
    documents: int
    bytes: int
    digest: str

    def as_dict(self) -> dict[str, Any]:
        """For the JSON."""
        return {"documents": self.documents, "bytes": self.bytes, "digest": self.digest}


def real_code(data: Path, peers: Path | None) -> RealCode:
    """The corpus below `data`, made now if it is not there.

    Raises FileError if the wheels can't be had from the package index.
    """
    folder = data / "raw"
    try:
        return open_corpus(folder)
    except ManifestError:
        shutil.rmtree(folder, ignore_errors=True)
    wheels = download(data / "wheels")
    write_raw(folder, unique(sources(peers, wheels)), {"wheels": [w.name for w in wheels]})
    return open_corpus(folder)


def open_corpus(folder: Path) -> RealCode:
    """A corpus that `write_raw` finished. Raises ManifestError if it did not."""
    facts = read_manifest(folder, "harvest").facts
    shards = list_shards(folder)
    return RealCode(folder, shards, facts["documents"], facts["bytes"], facts["digest"])


def sources(peers: Path | None, wheels: Iterable[Path]) -> Iterator[File]:
    """All files there are, repeats included, always in the same order."""
    paths = sysconfig.get_paths()
    library = Path(paths["stdlib"])
    yield from tree("python", library, skip=("site-packages", "dist-packages"))
    for site in dict.fromkeys([paths["purelib"], paths["platlib"]]):
        yield from tree("installed", Path(site))
    if peers is not None:
        for folder in sorted(peers.parent.parent.glob("lib/python3*/site-packages")):
            yield from tree("peers", Path(folder))
    for wheel in wheels:
        yield from members(wheel)


def tree(owner: str, folder: Path, skip: Sequence[str] = ()) -> Iterator[File]:
    """The Python files below a folder; a package is its first part."""
    for path in sorted(folder.rglob("*.py")):
        relative = path.relative_to(folder)
        if relative.parts[0] in skip or path.is_symlink() or not path.is_file():
            continue
        if path.stat().st_size <= MAX_FILE_BYTES:
            repo = f"{owner}/{relative.parts[0].removesuffix('.py')}"
            yield File(repo, relative.as_posix(), path.read_bytes())


def members(wheel: Path) -> Iterator[File]:
    """The Python files of a wheel, read in place."""
    with zipfile.ZipFile(wheel) as archive:
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            if info.filename.endswith(".py") and info.file_size <= MAX_FILE_BYTES:
                repo = f"wheel/{wheel.name.split('-')[0]}"
                yield File(repo, info.filename, archive.read(info))


def unique(files: Iterable[File]) -> Iterator[File]:
    """Each content once, where it comes first."""
    seen: set[str] = set()
    for file in files:
        blob = git_blob_id(file.content)
        if blob not in seen:
            seen.add(blob)
            yield file


def download(folder: Path) -> list[Path]:
    """The listed wheels, fetched once by pip. Raises FileError if pip can't."""
    for wanted in sorted(WHEELS.glob("*.txt")):
        into = folder / wanted.stem
        into.mkdir(parents=True, exist_ok=True)
        lines = wanted.read_text("utf-8").splitlines()
        if len(list(into.glob("*.whl"))) < sum(line[:1] not in "# " for line in lines):
            _fetch(wanted, into)
    return sorted(folder.rglob("*.whl"))


def _fetch(wanted: Path, into: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *_PURE]
    command += [
        f"--python-version={wanted.stem}",
        "--dest",
        str(into),
        "--requirement",
        str(wanted),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["pip said nothing"]
        raise FileError(wanted, f"pip could not fetch these wheels: {words[-1]}")
