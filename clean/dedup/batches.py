"""Work through contents component by component, with as many in memory as a budget allows.

What a single component needs beyond the budget lies in mapped files, so that the largest one
costs disk and page cache, and nothing that the kernel could not take back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clean.dedup.near import Contents, Ints
from clean.dedup.scratch import Scratch
from clean.dedup.store import ShingleStore

SCHEMA = pa.schema(
    [
        pa.field("component", pa.int64()),
        pa.field("id", pa.int64()),  # ascending within a component
        pa.field("shingles", pa.int32()),
        pa.field("part", pa.int32()),
        pa.field("entry", pa.int32()),
    ]
)


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


def batches(scratch: Scratch, sql: str, *, max_bytes: int, bytes_each: int) -> Iterator[pa.Table]:
    """Rows of SCHEMA, ordered by component and id, in batches of whole components.

    A batch holds one component at least, and no second one that would need more than `max_bytes`.
    """
    held: list[pa.RecordBatch] = []
    for batch in scratch.batches(f"{sql} ORDER BY component, id"):
        if not batch.num_rows:
            continue
        held.append(batch)
        if held[0].column("component")[0] != batch.column("component")[-1]:
            table = pa.Table.from_batches(held)
            # The last batch may go on in what the database gives next.
            *whole, rest = _cut(table, max_bytes, bytes_each)
            yield from whole
            held = rest.to_batches()
    if held:
        yield from _cut(pa.Table.from_batches(held), max_bytes, bytes_each)


def _cut(table: pa.Table, max_bytes: int, bytes_each: int) -> list[pa.Table]:
    components = table.column("component").to_numpy()
    sizes = np.cumsum(8 * table.column("shingles").to_numpy().astype(np.int64) + bytes_each)
    ends = np.append(np.flatnonzero(np.diff(components)) + 1, len(components))
    weights = sizes[ends - 1]
    found = []
    start, first = 0, 0
    while first < len(ends):
        before = int(sizes[start - 1]) if start else 0
        last = max(first, int(np.searchsorted(weights, before + max_bytes, side="right")) - 1)
        found.append(table.slice(start, int(ends[last]) - start))
        start, first = int(ends[last]), last + 1
    return found


class Following:
    """Rows of a second query, also ordered by component, taken as far as a batch goes."""

    def __init__(self, scratch: Scratch, sql: str) -> None:
        self._batches = scratch.batches(f"{sql} ORDER BY component")
        self._waiting: pa.RecordBatch | None = next(self._batches, None)

    def up_to(self, component: int) -> pa.Table | None:
        """All rows not taken yet whose component is at most `component`; None: no rows."""
        taken = []
        while self._waiting is not None:
            components = self._waiting.column("component").to_numpy()
            end = int(np.searchsorted(components, component, side="right"))
            taken.append(self._waiting.slice(0, end))
            if end < len(components):
                self._waiting = self._waiting.slice(end)
                break
            self._waiting = next(self._batches, None)
        found = [batch for batch in taken if batch.num_rows]
        return pa.Table.from_batches(found) if found else None


@dataclass(frozen=True, slots=True)
class ContentReader:
    """Fetches from the store what comparing contents needs."""

    store: ShingleStore
    parts: Sequence[str]  # by number
    workspace: Workspace

    def read(self, table: pa.Table, *, shingles: bool) -> Contents:
        """The contents that the rows of `table` (see SCHEMA) name, in their order.

        Raises SidecarError naming a part that is missing or damaged.
        """
        counts = table.column("shingles").to_numpy().astype(np.int64)
        starts = np.concatenate([[0], np.cumsum(counts)])
        signatures = self.workspace.array((len(counts), self.store.permutations), np.uint32)
        values = self.workspace.array(int(starts[-1]) if shingles else 0, np.uint64)
        numbers, entries = (table.column(name).to_numpy() for name in ("part", "entry"))
        for number, places in _by_part(numbers):
            part = self.store.open(self.parts[number])
            rows: Ints = entries[places].astype(np.int64)
            signatures[places] = part.signatures(rows)
            if shingles:
                part.shingles(rows, starts[places], values)
        return Contents(signatures, values, starts)


def _by_part(numbers: npt.NDArray[np.int32]) -> Iterator[tuple[int, Ints]]:
    """(part number, places in `numbers`) of each part, ascending."""
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(ordered)], strict=True):
        yield int(ordered[start]), order[start:stop]


def positions(ids: Ints, wanted: Ints) -> Ints:
    """Where each of `wanted` stands in `ids`; -1 where it does not."""
    order = np.argsort(ids, kind="stable")
    places = np.minimum(np.searchsorted(ids[order], wanted), max(0, len(ids) - 1))
    if not len(ids):
        return np.full(len(wanted), -1)
    found = order[places]
    return np.where(ids[found] == wanted, found, -1)
