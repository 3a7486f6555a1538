"""Work through contents component by component, with as many at a time as a budget allows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from clean.dedup.near import Ints
from clean.dedup.scratch import Scratch

# Of a stage's memory, one part is for the contents that are compared, the others the database's.
CONTENTS_SHARE = 4
_BYTES_A_SHINGLE = 8 + 6  # as it is compared, and packed
SCHEMA = pa.schema(
    [
        pa.field("component", pa.int64()),
        pa.field("id", pa.int64()),  # ascending within a component
        pa.field("shingles", pa.int32()),
    ]
)


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
    sizes = np.cumsum(
        _BYTES_A_SHINGLE * table.column("shingles").to_numpy().astype(np.int64) + bytes_each
    )
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


def positions(ids: Ints, wanted: Ints) -> Ints:
    """Where each of `wanted` stands in `ids`; -1 where it does not."""
    order = np.argsort(ids, kind="stable")
    places = np.minimum(np.searchsorted(ids[order], wanted), max(0, len(ids) - 1))
    if not len(ids):
        return np.full(len(wanted), -1)
    found = order[places]
    return np.where(ids[found] == wanted, found, -1)
