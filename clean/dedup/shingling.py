"""Read the contents that may be near another, and put what comparing them needs into the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from clean.compiled import fingerprints
from clean.compiled.warm import warm
from clean.dedup.store import ShingleStore, entries, pack
from clean.selection import Selection
from clean.signals.decode import decode
from clean.signals.document import utf8
from clean.signals.fingerprint import content_digest, shingle_hashes, signature
from corpus.engine import Done, Engine, Guard, Lost, Unit
from corpus.events import Notice, Progress, Report
from corpus.shards import Shard, read_rows


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
        # All copies of a content must give the same entry, whatever blanks their lines end with.
        text = normalised(text)
        shingles = shingle_hashes(text, self.shingle_tokens)
        sketch = signature(shingles, self.permutations)
        assert sketch is not None, "a file without a token has a signature"
        return content_digest(text), sketch.astype("<u4", copy=False).tobytes(), pack(shingles)


def normalised(text: str) -> str:
    """The text that the content digest speaks of."""
    data = utf8(text)
    out = np.empty(len(data), np.uint8)
    size = fingerprints.normalise(data, out)
    return out[:size].tobytes().decode("utf-8", "surrogatepass")


def fill_store(
    wanted: Sequence[tuple[Shard, int]],
    store: ShingleStore,
    work: ShingleWork,
    engine: Engine,
    report: Report,
) -> None:
    """Read what `work` selects of each shard, so many rows, and write one part a shard.

    Raises ShardError for a damaged shard, DiskFullError or FileError for what can't be written.
    """
    for shard, tables in _by_shard(wanted, work, engine, report):
        if tables:
            store.write(store.next_part(shard.name), pa.concat_tables(tables))


def _by_shard(
    wanted: Sequence[tuple[Shard, int]], work: ShingleWork, engine: Engine, report: Report
) -> Iterator[tuple[Shard, list[pa.Table]]]:
    """Each shard's entries in the order of its rows, as soon as all are there."""
    left = {shard.name: rows for shard, rows in wanted}
    parts: dict[str, dict[int, pa.Table]] = {shard.name: {} for shard, _ in wanted}
    units = (unit for shard, _ in wanted for unit in work.selection.units(shard))
    total, done = sum(left.values()), 0
    for outcome in engine.run(work, units):
        unit = outcome.unit
        finished = len(work.selection.of_unit(unit))
        if isinstance(outcome, Done):
            parts[unit.shard.name][unit.start] = outcome.value
        else:
            _tell_lost(outcome, report)
        left[unit.shard.name] -= finished
        done += finished
        report(Progress("near: read candidates", done, total, "files"))
        if finished and not left[unit.shard.name]:
            mine = parts.pop(unit.shard.name)
            yield unit.shard, [mine[start] for start in sorted(mine) if mine[start].num_rows]


def _tell_lost(outcome: Lost, report: Report) -> None:
    text = f"{outcome.unit}: {outcome.reason} while comparing; kept ({outcome.detail})"
    report(Notice(text, warning=True))
