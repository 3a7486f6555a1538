"""What another recipe would do: which files flip, and why, with survivors elected anew.

Both decisions are made from what was measured, in the scratch folder of the run, so that nothing
of the run changes; a decision that the run has already is taken as it is.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from clean.ask.flips import FlipCounts, Kind, ShardFlips, flips
from clean.ask.judged import Judged, judged
from clean.ask.places import Place, place_of
from clean.decide import is_decided, what_if
from clean.inputs import Cleaning, only_run
from clean.write.split import order_keys
from corpus.events import Progress
from corpus.shards import Shard

_BETWEEN = "\n"  # which no reason holds


@dataclass(frozen=True, slots=True)
class Side:
    """One recipe and where its decisions are."""

    cleaning: Cleaning
    decisions: Path

    def judged(self, shard: Shard, rows: Sequence[int]) -> list[Judged]:
        """What this side says of some rows of a shard."""
        cleaning = self.cleaning
        shards = {shard.name: shard for shard in cleaning.shards}
        return judged(
            shards,
            shard,
            rows,
            sidecars=cleaning.sidecars,
            decisions=self.decisions,
            rules=cleaning.rules,
        )


@dataclass(frozen=True, slots=True)
class Example:
    """A flipped file, and what each side says of it."""

    place: Place
    before: Judged
    after: Judged


@dataclass(frozen=True, slots=True)
class Difference:
    """What changes from one recipe to another."""

    counts: FlipCounts
    examples: dict[Kind, list[Example]] = field(default_factory=dict)


@contextmanager
def both_sides(before: Cleaning, after: Cleaning) -> Iterator[tuple[Side, Side]]:
    """Decide both, aside; what was made for it is gone afterwards.

    Raises StaleInputError naming a stage that one of them needs and that was not measured.
    """
    with only_run(before.folder):
        yield _side(before, "before"), _side(after, "after")


def _side(cleaning: Cleaning, name: str) -> Side:
    own = cleaning.folder.sidecars
    if is_decided(cleaning, own):
        return Side(cleaning, own)
    return Side(cleaning, what_if(cleaning, name))


def compare(
    before: Side,
    after: Side,
    *,
    examples: int,
    each: Callable[[ShardFlips], None] | None = None,
) -> Difference:
    """Count the flips, and choose `examples` of each kind; `each` sees every shard's.

    The examples are the same on every run: the first in an order drawn by the seed.
    """
    counts = FlipCounts()
    chosen = _Chosen(examples, before.cleaning.seed)
    shards = before.cleaning.shards
    for done, found in enumerate(flips(shards, before.decisions, after.decisions), 1):
        counts.add(found)
        chosen.add(found)
        if each is not None:
            each(found)
        before.cleaning.report(Progress("compare", done, len(shards), "shards"))
    return Difference(counts, chosen.examples(before, after))


class _Chosen:
    """The first few flips of each kind in a shuffled order."""

    def __init__(self, count: int, seed: int) -> None:
        self._count, self._seed = count, seed
        self._kinds: dict[Kind, list[tuple[int, str, int]]] = {}  # order, shard, row
        self._shards: dict[str, Shard] = {}

    def add(self, found: ShardFlips) -> None:
        """Take a shard's flips into account."""
        self._shards[found.shard.name] = found.shard
        for kind, order, row in _firsts(found, self._count, self._seed):
            known = self._kinds.setdefault(kind, [])
            known.append((order, found.shard.name, row))
        for kind, known in self._kinds.items():
            self._kinds[kind] = heapq.nsmallest(self._count, known)

    def examples(self, before: Side, after: Side) -> dict[Kind, list[Example]]:
        """What both sides say of the chosen ones; each shard is read once."""
        told: dict[tuple[str, int], Example] = {}
        for shard in self._shards.values():
            rows = sorted(
                row for places in self._kinds.values() for _, name, row in places
                if name == shard.name
            )  # fmt: skip
            if rows:
                sides = (before.judged(shard, rows), after.judged(shard, rows))
                for row, was, is_now in zip(rows, *sides, strict=True):
                    told[shard.name, row] = Example(place_of(shard, row), was, is_now)
        return {
            kind: [told[name, row] for _, name, row in places]
            for kind, places in self._kinds.items()
        }


def _firsts(found: ShardFlips, count: int, seed: int) -> Iterator[tuple[Kind, int, int]]:
    """(kind, order, row) of the first `count` flips of each kind of a shard."""
    table = found.table
    if not table.num_rows:
        return
    rows = table.column("row").to_numpy()
    order = order_keys(found.shard.name, rows, seed)
    kinds = pc.binary_join_element_wise(table["before"], table["after"], _BETWEEN)
    codes = kinds.combine_chunks().dictionary_encode().indices.to_numpy()
    by_kind = np.lexsort((order, codes))
    starts = np.flatnonzero(np.diff(codes[by_kind], prepend=-1))
    place = np.arange(len(by_kind)) - np.repeat(starts, np.diff([*starts, len(by_kind)]))
    for position in by_kind[place < count].tolist():
        before, after = kinds[position].as_py().split(_BETWEEN)
        yield (before, after), int(order[position]), int(rows[position])
