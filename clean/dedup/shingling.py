"""Read the contents that may be near another, and put what comparing them needs into the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from clean.compiled.warm import warm
from clean.dedup.store import ShingleStore, entries, pack
from clean.selection import Selection
from clean.signals.decode import decode
from clean.signals.fingerprint import sketch
from corpus.engine import Done, Engine, Guard, Lost, Unit
from corpus.events import Notice, Progress, Report
from corpus.shards import ROW_GROUP_ROWS, Shard, read_rows

PART_BYTES = 32 << 20  # a part ends with the unit that reaches it


@dataclass(frozen=True, slots=True)
class ShingleWork:
    """Worker side: entries of the store for the selected rows of a unit."""

    selection: Selection
    shingle_tokens: int
    permutations: int
    guess_encoding: bool

    def __call__(self, unit: Unit, guard: Guard) -> pa.Table:
        """One entry a selected row, in their order."""
        warm()  # before the first row's clock runs
        rows = self.selection.of_unit(unit)
        content = read_rows(unit.shard, unit.start, unit.stop, ["content"]).column(0)
        found = []
        for row in rows:
            guard.enter(row)
            found.append(self._entry(content[row - unit.start].as_py()))
        return entries(*(zip(*found, strict=True) if found else ((), (), ())))

    def _entry(self, content: bytes) -> tuple[bytes, bytes, bytes]:
        text = decode(content, guess=self.guess_encoding).text
        assert text is not None, "a file that is no text has a signature"
        # A function of the content digest's own text: it never matters which copy is read.
        digest, shingles, values = sketch(text, self.shingle_tokens, self.permutations)
        assert values is not None, "a file without a token has a signature"
        return digest, values.astype("<u4", copy=False).tobytes(), pack(shingles)


def fill_store(
    wanted: Sequence[tuple[Shard, int]],
    store: ShingleStore,
    work: ShingleWork,
    engine: Engine,
    report: Report,
) -> None:
    """Read what `work` selects of each shard, so many rows, into parts of the store.

    Where a part ends follows from the shard alone, so that a run that is killed ends with the
    parts of an uninterrupted one. Raises ShardError for a damaged shard, DiskFullError or
    FileError for what can't be written.
    """
    filling = {shard.name: _Filling(shard, store, work.selection) for shard, _ in wanted}
    # A unit a row group: half of one would cost the reading of all of it.
    units = (
        unit for shard, _ in wanted for unit in work.selection.units(shard, max_rows=ROW_GROUP_ROWS)
    )
    total, done = sum(rows for _, rows in wanted), 0
    for outcome in engine.run(work, units):
        done += filling[outcome.unit.shard.name].take(outcome)
        if isinstance(outcome, Lost):
            text = f"{outcome.unit}: {outcome.reason} while comparing; kept ({outcome.detail})"
            report(Notice(text, warning=True))
        report(Progress("near: read candidates", done, total, "files"))


class _Filling:
    """The entries of one shard on their way into parts: in the order of its rows."""

    def __init__(self, shard: Shard, store: ShingleStore, selection: Selection) -> None:
        self._shard, self._store, self._selection = shard, store, selection
        self._rows = selection.of_shard(shard)
        self._early: dict[int, tuple[int, pa.Table | None]] = {}  # by place among the rows
        self._next = self._bytes = 0
        self._tables: list[pa.Table] = []

    def take(self, outcome: Done[pa.Table] | Lost) -> int:
        """Take in the outcome of a unit; how many of the selected rows it accounts for."""
        unit = outcome.unit
        count = len(self._selection.of_unit(unit))
        if count:
            place = int(np.searchsorted(self._rows, unit.start))
            self._early[place] = (count, outcome.value if isinstance(outcome, Done) else None)
        while self._next in self._early:
            taken, table = self._early.pop(self._next)
            self._next += taken
            if table is not None:
                self._tables.append(table)
                self._bytes += table.nbytes
            if self._bytes >= PART_BYTES or self._next == len(self._rows):
                self._flush()
        return count

    def _flush(self) -> None:
        if self._tables:
            self._store.write(
                self._store.next_part(self._shard.name), pa.concat_tables(self._tables)
            )
        self._tables, self._bytes = [], 0
