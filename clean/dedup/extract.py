"""Bring contents from the store into the order in which they are compared.

A part holds what one raw shard gave, a component's contents lie in parts all over the store. Each
part is gone through once, and what is wanted of it is written to where it will be read: the cost
grows with what is wanted, whatever the memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clean.compiled import near as kernels
from clean.dedup import preflight
from clean.dedup.near import Contents, Ints
from clean.dedup.scratch import Scratch
from clean.dedup.store import SHINGLE_BYTES, ShingleStore
from corpus.events import Report


class Workspace:
    """Arrays in memory, or in mapped files where they are large."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder, max_bytes

    def array(self, shape: int | tuple[int, ...], kind: type[np.generic]) -> npt.NDArray[Any]:
        """An array of anything. Raises OSError where the disk is full, not when it is written."""
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        if size <= self._max_bytes:
            return np.empty(shape, kind)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "array.bin"
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        mapped = np.memmap(path, kind, mode="r+", shape=shape)
        path.unlink()  # gone with the last that maps it
        return np.asarray(mapped)


@dataclass(frozen=True, slots=True)
class Extractor:
    """What extracting takes."""

    scratch: Scratch
    store: ShingleStore
    parts: Sequence[str]  # by number
    workspace: Workspace
    report: Report

    def extract(self, sql: str, *, shingles: bool) -> Extract:
        """Write out the contents that `sql` gives (component, id, shingles, part, entry).

        Raises SidecarError naming a part that is missing or damaged, DiskFullError if there is
        no room for them.
        """
        self._check_room(sql, shingles=shingles)
        found = Extract(self.scratch.folder, self.store.permutations, self.workspace, shingles)
        placed = (
            "SELECT part, entry, row_number() OVER ordered - 1 AS place, "
            "(sum(shingles) OVER (ordered ROWS UNBOUNDED PRECEDING) - shingles)::BIGINT AS start "
            f"FROM ({sql}) WINDOW ordered AS (ORDER BY component, id)"
        )
        with found.signatures.open("wb") as signatures, found.packed.open("wb") as packed:
            for number, rows in self._by_part(f"FROM ({placed}) ORDER BY part, entry"):
                part = self.store.open(self.parts[number])
                entries, places, starts = rows
                width = 4 * self.store.permutations
                for place, signature in zip(places.tolist(), part.signatures(entries), strict=True):
                    os.pwrite(signatures.fileno(), signature.data, place * width)
                if shingles:
                    for start, data in zip(starts.tolist(), part.packed(entries), strict=True):
                        os.pwrite(packed.fileno(), data.data, start * SHINGLE_BYTES)
        return found

    def _check_room(self, sql: str, *, shingles: bool) -> None:
        totals = f"SELECT count(*) AS n, coalesce(sum(shingles), 0)::BIGINT AS s FROM ({sql})"
        (found,) = self.scratch.table(totals).to_pylist()
        all_shingles = found["s"] if shingles else 0
        needed = preflight.store_bytes(found["n"], all_shingles, self.store.permutations)
        preflight.check_room(self.scratch.folder, needed, self.report)

    def _by_part(self, sql: str) -> Iterator[tuple[int, tuple[Ints, Ints, Ints]]]:
        """(part number, (entries, places, starts)), a part at least once."""
        for batch in self.scratch.batches(sql):
            numbers = batch.column("part").to_numpy()
            columns = [batch.column(name).to_numpy() for name in ("entry", "place", "start")]
            cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1), len(numbers)]
            for begin, end in pairwise(cuts):
                if begin < end:
                    entries, places, starts = (column[begin:end] for column in columns)
                    yield int(numbers[begin]), (entries.astype(np.int64), places, starts)


class Extract:
    """Contents in the order of their components, to be read batch by batch."""

    def __init__(
        self, folder: Path, permutations: int, workspace: Workspace, shingles: bool
    ) -> None:
        self.signatures, self.packed = folder / "signatures.bin", folder / "shingles.bin"
        self._permutations, self._workspace, self._shingles = permutations, workspace, shingles
        self._place = self._start = 0

    def read(self, table: pa.Table) -> Contents:
        """The contents of the next batch, which has the rows of `table`."""
        counts = table.column("shingles").to_numpy().astype(np.int64)
        starts = np.concatenate([[0], np.cumsum(counts)])
        signatures = self._array(
            self.signatures, (len(counts), self._permutations), np.uint32, self._place
        )
        values = np.empty(0, np.uint64)
        if self._shingles:
            bytes_of = SHINGLE_BYTES * np.stack([starts[:-1], counts])
            packed = self._array(
                self.packed, SHINGLE_BYTES * int(starts[-1]), np.uint8, SHINGLE_BYTES * self._start
            )
            values = self._workspace.array(int(starts[-1]), np.uint64)
            kernels.unpack(packed, bytes_of[0], counts, starts[:-1], values)
        self._place += len(counts)
        self._start += int(starts[-1])
        return Contents(signatures, values, starts)

    def _array(
        self, path: Path, shape: int | tuple[int, int], kind: type[np.generic], first: int
    ) -> npt.NDArray[Any]:
        """So many rows of a file, from row `first` on."""
        array = self._workspace.array(shape, kind)
        row = array.itemsize * int(np.prod(array.shape[1:], dtype=np.int64))
        with path.open("rb", buffering=0) as file:
            file.seek(first * row)
            left = memoryview(array.data).cast("B") if array.size else memoryview(b"")
            while len(left) and (count := file.readinto(left)):
                left = left[count:]
        assert not len(left), f"{path}: shorter than what was written"
        return array
