"""The shingles of contents that may be near another, kept on disk and looked up by content.

A store is a folder of parts; a part holds the contents that one update took from one raw shard,
as an Arrow file that is mapped, not read. What an entry holds follows from the normalised content
alone, so that it never matters which copy of it was read, in what order, or when.

A shingle is kept as the upper 48 bits of its 64-bit hash: 6 bytes. Among the shingles of a pair
of ordinary files (10,000) two different ones are taken for one with a probability of 2e-7.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpus.errors import SidecarError
from corpus.files import atomic_path, named_errors

Ints = npt.NDArray[np.int64]

VERSION = 1
SHINGLE_BYTES = 6
_TOLD_KEY = b"pycodegpt.store"


def schema(permutations: int) -> pa.Schema:
    """Of a part, one row a content."""
    return pa.schema(
        [
            pa.field("content", pa.uuid(), nullable=False),  # its digest
            pa.field("signature", pa.binary(4 * permutations), nullable=False),
            pa.field("shingles", pa.large_binary(), nullable=False),  # ascending, 6 bytes each
            pa.field("signature_check", pa.uint32(), nullable=False),  # CRC-32
            pa.field("shingles_check", pa.uint32(), nullable=False),
        ]
    )


def pack(shingles: npt.NDArray[np.uint64]) -> bytes:
    """Ascending 64-bit hashes as bytes of a part."""
    upper = (shingles >> np.uint64(16)).astype("<u8")
    return upper.view(np.uint8).reshape(-1, 8)[:, :SHINGLE_BYTES].tobytes()


@dataclass(frozen=True, slots=True)
class ShingleStore:
    """A folder of parts that were all made with the same parameters."""

    folder: Path
    shingle_tokens: int
    permutations: int

    @property
    def told(self) -> str:
        """What every entry, and every similarity that is computed from entries, depends on."""
        return f"{VERSION}, {self.shingle_tokens} tokens, {self.permutations} permutations"

    def parts(self) -> list[str]:
        """The parts' names, in order."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.glob("*.arrow"))

    def sizes(self) -> dict[str, int]:
        """Bytes of each part, by name."""
        return {name: (self.folder / name).stat().st_size for name in self.parts()}

    def next_part(self, shard_name: str) -> Path:
        """Where the next part of a raw shard goes."""
        stem = shard_name.removesuffix(".parquet")
        numbers = (f"{stem}.{number:04}.arrow" for number in itertools.count())
        return next(self.folder / name for name in numbers if not (self.folder / name).exists())

    def write(self, path: Path, entries: pa.Table) -> None:
        """Write a part, complete or not at all. Raises DiskFullError or FileError."""
        told = schema(self.permutations).with_metadata({_TOLD_KEY: self.told.encode()})
        (batch,) = entries.cast(told).combine_chunks().to_batches()
        with atomic_path(path) as aside, pa.ipc.new_file(aside, told) as writer:
            writer.write_batch(batch)

    def keep(self, name: str, entries: np.ndarray) -> None:
        """Forget all entries of a part but these."""
        path = self.folder / name
        if len(entries):
            part = pa.Table.from_batches([self.open(name).batch])
            self.write(path, part.take(pa.array(entries)))
        else:
            self.delete(name)

    def delete(self, name: str) -> None:
        """Forget a whole part."""
        with named_errors(self.folder / name):
            (self.folder / name).unlink(missing_ok=True)

    def open(self, name: str) -> Part:
        """A part, mapped. Raises SidecarError naming it if it is missing or damaged."""
        path = self.folder / name
        try:
            with pa.memory_map(str(path)) as file:
                reader = pa.ipc.open_file(file)
                if (reader.schema.metadata or {}).get(_TOLD_KEY) != self.told.encode():
                    raise SidecarError(path, "made with other parameters; delete it and run again")
                return Part(path, reader.get_batch(0))
        except (pa.ArrowException, OSError) as error:
            raise damaged(path, str(error)) from error


def entries(
    contents: Sequence[bytes], signatures: Sequence[bytes], packed: Sequence[bytes]
) -> pa.Table:
    """What `ShingleStore.write` takes."""
    columns = {
        "content": pa.ExtensionArray.from_storage(pa.uuid(), pa.array(contents, pa.binary(16))),
        "signature": pa.array(signatures, pa.binary(len(signatures[0]) if signatures else 0)),
        "shingles": pa.array(packed, pa.large_binary()),
        "signature_check": pa.array(map(zlib.crc32, signatures), pa.uint32()),
        "shingles_check": pa.array(map(zlib.crc32, packed), pa.uint32()),
    }
    return pa.table(columns)


@dataclass(frozen=True, slots=True)
class Part:
    """A mapped part. What is asked for is checked, and raises SidecarError naming the part."""

    path: Path
    batch: pa.RecordBatch

    def counts(self) -> Ints:
        """The number of shingles of each entry."""
        return np.diff(self._offsets()) // SHINGLE_BYTES

    def signatures(self, rows: Ints) -> npt.NDArray[np.uint32]:
        """Of the entries `rows`, (rows, permutations)."""
        column = self.batch.column("signature")
        width = column.type.byte_width // 4
        found: npt.NDArray[np.uint32] = np.frombuffer(column.buffers()[1], "<u4").reshape(-1, width)
        found = found[rows]
        self._check("signature_check", rows, found)
        return found

    def packed(self, rows: Ints) -> list[npt.NDArray[np.uint8]]:
        """The shingles of each of the entries `rows`, packed."""
        offsets = self._offsets()
        data = np.frombuffer(self.batch.column("shingles").buffers()[2], np.uint8)
        spans = zip(offsets[rows].tolist(), offsets[rows + 1].tolist(), strict=True)
        found = [data[begin:end] for begin, end in spans]
        self._check("shingles_check", rows, found)
        return found

    def _offsets(self) -> Ints:
        column = self.batch.column("shingles")
        return np.frombuffer(column.buffers()[1], "<i8", count=len(column) + 1)

    def _check(self, column: str, rows: Ints, values: Iterable[np.ndarray]) -> None:
        checks = self.batch.column(column).to_numpy()[rows].tolist()
        for row, value, check in zip(rows.tolist(), values, checks, strict=True):
            if zlib.crc32(value.data) != check:
                raise damaged(self.path, f"entry {row} is not what was written")


def damaged(path: Path, problem: str) -> SidecarError:
    """What to say of a part that can't be used."""
    return SidecarError(path, f"damaged ({problem}); delete it and run again")
