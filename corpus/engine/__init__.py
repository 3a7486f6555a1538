"""Engines run a stage's pure function over all rows of all shards, and outlive bad rows.

A stage hands over `Work`: a picklable function from a range of rows of one shard to a value. It
calls `guard.enter(row)` before each row that may hurt, so that a crash, a hang or a flood of memory
is known to the row and costs that row alone: the rest of the range is done again without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

import pyarrow as pa

from corpus.shards import ROW_GROUP_ROWS, Shard

R = TypeVar("R")
_MANY_ROW_GROUPS = 4
_FINE_ROWS = 512
LossReason = Literal["crash", "timeout", "memory", "error"]


@dataclass(frozen=True, slots=True)
class Unit:
    """Rows [start, stop) of one shard."""

    shard: Shard
    start: int
    stop: int

    def __str__(self) -> str:
        return f"{self.shard.path} rows {self.start}-{self.stop - 1}"


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """A unit's value."""

    unit: Unit
    value: R


@dataclass(frozen=True, slots=True)
class Lost:
    """A unit of one row that failed twice, the second time alone."""

    unit: Unit
    reason: LossReason
    detail: str


class Guard(Protocol):
    """What a worker tells its engine."""

    def enter(self, row: int) -> None:
        """Row `row` of the shard starts now, with a fresh clock."""


Work = Callable[[Unit, Guard], R]


class Engine(Protocol):
    """Runs work over units, in any order, on one machine or many."""

    def run(self, work: Work[R], units: Iterable[Unit]) -> Iterator[Done[R] | Lost]:
        """Yield one outcome for every row range, until each row of each unit is accounted for.

        A failed unit comes back as several outcomes that cover the same rows.
        """


def units_of(shard: Shard, *, max_rows: int | None = None) -> Iterator[Unit]:
    """Cut a shard into units within its row groups, so that no unit reads another's pages.

    By default a unit is a row group, which is read whole anyway; a shard of few is cut finer, so
    that every core has work.
    """
    if max_rows is None:
        max_rows = ROW_GROUP_ROWS if len(shard.row_groups) >= _MANY_ROW_GROUPS else _FINE_ROWS
    offset = 0
    for rows in shard.row_groups:
        for start in range(offset, offset + rows, max_rows):
            yield Unit(shard, start, min(start + max_rows, offset + rows))
        offset += rows


def gather_shards(
    outcomes: Iterable[Done[pa.Table] | Lost], lost_row: Callable[[Lost], pa.Table]
) -> Iterator[tuple[Shard, pa.Table]]:
    """Put the outcomes of each shard together, in row order, as soon as all its rows are in.

    `lost_row` makes the one-row table that stands for a lost row. An empty shard yields nothing.
    """
    parts: dict[str, list[tuple[int, pa.Table]]] = {}
    for outcome in outcomes:
        shard = outcome.unit.shard
        table = outcome.value if isinstance(outcome, Done) else lost_row(outcome)
        mine = parts.setdefault(str(shard.path), [])
        mine.append((outcome.unit.start, table))
        if sum(part.num_rows for _, part in mine) == shard.rows:
            ordered = [part for _, part in sorted(mine, key=lambda item: item[0])]
            del parts[str(shard.path)]
            yield shard, pa.concat_tables(ordered)
