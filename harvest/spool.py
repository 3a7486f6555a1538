"""A repository's kept files on their way into a shard: a list of them, and their contents.

Repositories are fetched side by side and stand in a shard one after the other; spools keep memory
bounded meanwhile, and let a killed run keep what it had fetched.

    <id>.list        what the repository has: path and blob id, and the counts of the rest
    <id>.<n>.blobs   contents of blobs one after the other, and an index at the end

Each takes its name when it is whole and on disk.
"""

from __future__ import annotations

import json
import os
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import pyarrow as pa

from corpus.errors import ShardError
from corpus.files import ASIDE_SUFFIX, fsync, named_errors
from corpus.schema import git_blob_id
from harvest.git.pack import ID_BYTES, NOT_STORED
from harvest.git.store import FileStore
from harvest.listing import ListedFile, Listing

_FILES = pa.schema([("path", pa.string()), ("blob_id", pa.binary(ID_BYTES))])
_LISTING_KEY = b"listing"
_PLACE = struct.Struct("<20sqQ")  # id, position (NOT_STORED for one that was not kept), size
_END = struct.Struct("<Q8s")
_MAGIC = b"blobs\0\0\1"


class Place(NamedTuple):
    """Where a blob lies in its file."""

    position: int
    size: int


def spool_path(folder: Path, repository: int) -> Path:
    """Where a repository's listing lies."""
    return folder / f"{repository}.list"


def _parts(folder: Path, repository: int) -> list[Path]:
    found = folder.glob(f"{repository}.*.blobs")
    return sorted(found, key=lambda path: int(path.name.split(".")[1]))


def drop_spool(folder: Path, repository: int) -> None:
    """Delete all of a repository's."""
    for path in (spool_path(folder, repository), *_parts(folder, repository)):
        path.unlink(missing_ok=True)


# -- listings ---------------------------------------------------------------------------------


def write_listing(path: Path, listing: Listing) -> None:
    """Put a listing on disk. Raises DiskFullError or FileError."""
    about = {
        "commit": listing.commit,
        "transport": listing.transport,
        "fetched_at": listing.fetched_at,
        "counts": listing.counts,
    }
    schema = _FILES.with_metadata({_LISTING_KEY: json.dumps(about).encode()})
    columns = [[file.path for file in listing.files], [file.blob_id for file in listing.files]]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, _FILES, strict=True)]
    batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
    aside = path.with_name(path.name + ASIDE_SUFFIX)
    with (
        _taking_name(path, aside),
        pa.OSFile(str(aside), "wb") as sink,
        pa.ipc.new_stream(sink, schema) as writer,
    ):
        writer.write_batch(batch)


def read_listing(path: Path) -> Listing:
    """Raises ShardError if it is missing or damaged."""
    try:
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
            about = json.loads(stream.schema.metadata[_LISTING_KEY])
            columns = stream.read_all().to_pydict()
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise ShardError(path, f"a damaged spool ({error})") from error
    files = map(ListedFile, columns["path"], columns["blob_id"])
    counts = Counter(about.pop("counts"))
    return Listing(files=tuple(files), counts=counts, **about)


def holds(path: Path, rows: int) -> bool:
    """Whether the listing is there and whole. Contents that are lost are asked for again."""
    try:
        return len(read_listing(path).files) == rows
    except ShardError:
        return False


# -- contents ---------------------------------------------------------------------------------


class BlobWriter:
    """Writes contents; they take their name when `commit` is called and are gone otherwise."""

    def __init__(self, folder: Path, repository: int) -> None:
        self._folder, self._repository = folder, repository
        self._places: dict[bytes, Place] = {}

    def __enter__(self) -> BlobWriter:
        with named_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            taken = [
                int(path.name.split(".")[1]) for path in _parts(self._folder, self._repository)
            ]
            name = f"{self._repository}.{max(taken, default=-1) + 1}.blobs"
            self._path = self._folder / name
            self._aside = self._path.with_name(name + ASIDE_SUFFIX)
            self._file = self._aside.open("wb+")
        self.store = FileStore(self._file)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._aside.unlink(missing_ok=True)

    def add(self, content: bytes) -> bytes:
        """Append a blob, unless it is there; its id. Raises DiskFullError or FileError."""
        blob_id = bytes.fromhex(git_blob_id(content))
        if blob_id not in self._places:
            self.place(blob_id, self.store.size, len(content))
            with named_errors(self._path):
                self.store.append(content)
        return blob_id

    def place(self, blob_id: bytes, position: int, size: int) -> None:
        """Say where a blob lies that was put into `store`, or that it is NOT_STORED."""
        self._places[blob_id] = Place(position, size)

    def commit(self) -> None:
        """Finish: the contents are on disk before anybody counts on them."""
        with named_errors(self._path):
            for blob_id, place in self._places.items():
                self.store.append(_PLACE.pack(blob_id, *place))
            self.store.append(_END.pack(len(self._places), _MAGIC))
            self.store.flush()
            fsync(self._aside)
            self._aside.replace(self._path)


class Contents:
    """A repository's contents, read by id. Use as a context manager, or as a map of sizes."""

    def __init__(self, folder: Path, repository: int) -> None:
        self._folder, self._repository = folder, repository
        self._blobs: dict[bytes, tuple[int, Place]] = {}  # (file, place)
        self._files: list[int] = []

    def __enter__(self) -> Contents:
        for path in _parts(self._folder, self._repository):
            with suppress(ShardError):  # what a damaged file held is asked for again
                self._open(path)
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            os.close(file)

    @property
    def sizes(self) -> Mapping[bytes, int]:
        """Of all blobs that came, kept or not."""
        return {blob_id: place.size for blob_id, (_, place) in self._blobs.items()}

    def read(self, blob_id: bytes) -> bytes:
        """A blob's content."""
        file, place = self._blobs[blob_id]
        assert place.position != NOT_STORED
        return os.pread(file, place.size, place.position)

    def _open(self, path: Path) -> None:
        with named_errors(path):
            file = os.open(path, os.O_RDONLY)
        self._files.append(file)
        for blob_id, place in _read_index(path, file):
            self._blobs.setdefault(blob_id, (file, place))


def sizes_of(folder: Path, repository: int) -> Mapping[bytes, int]:
    """The sizes of the blobs that a repository has brought."""
    with Contents(folder, repository) as contents:
        return contents.sizes


def _read_index(path: Path, file: int) -> Iterator[tuple[bytes, Place]]:
    size = os.fstat(file).st_size
    count, magic = _END.unpack(os.pread(file, _END.size, max(0, size - _END.size)).rjust(_END.size))
    start = size - _END.size - count * _PLACE.size
    if magic != _MAGIC or start < 0:
        raise ShardError(path, "a damaged spool (its index is cut off)")
    index = os.pread(file, count * _PLACE.size, start)
    return ((blob_id, Place(at, length)) for blob_id, at, length in _PLACE.iter_unpack(index))


@contextmanager
def _taking_name(path: Path, aside: Path) -> Iterator[None]:
    with named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield
            fsync(aside)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
