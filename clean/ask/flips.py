"""Where two decisions on the same shards differ, shard by shard: no more than one in memory.

A document's outcome is "kept" or the reason why it was dropped. It flips if the outcome changes;
a duplicate may also keep its outcome and go for another survivor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clean.ask.funnel import KEPT, NOT_PYTHON, outcomes
from clean.dedup.stage import STAGE as DEDUP
from corpus.shards import Shard, read_rows
from corpus.sidecars import read_sidecar, sidecar_path

Kind = tuple[str, str]  # the outcome before and after


@dataclass(slots=True)
class Tally:
    """Files and bytes of the raw files that are kept."""

    files: int = 0
    bytes: int = 0


@dataclass(slots=True)
class FlipCounts:
    """How two decisions differ, in numbers."""

    files: int = 0  # all Python files
    before: Tally = field(default_factory=Tally)
    after: Tally = field(default_factory=Tally)
    kinds: Counter[Kind] = field(default_factory=Counter)  # flipped files
    bytes: Counter[Kind] = field(default_factory=Counter)  # of these
    other_survivor: int = 0  # duplicates before and after, of another document

    @property
    def flipped(self) -> int:
        """Files whose outcome changed."""
        return self.kinds.total()

    def ordered(self) -> list[Kind]:
        """Kinds of flips: those that touch the corpus first, then the most frequent."""
        return sorted(self.kinds, key=lambda kind: (KEPT not in kind, -self.kinds[kind], kind))

    def add(self, flips: ShardFlips) -> None:
        """Take a shard's flips in."""
        self.files += flips.files
        self.other_survivor += flips.other_survivor
        for tally, kept in ((self.before, flips.kept_before), (self.after, flips.kept_after)):
            tally.files += kept.files
            tally.bytes += kept.bytes
        groups = flips.table.group_by(["before", "after"]).aggregate(
            [("size", "count"), ("size", "sum")]
        )
        for group in groups.to_pylist():
            kind = (group["before"], group["after"])
            self.kinds[kind] += group["size_count"]
            self.bytes[kind] += group["size_sum"]


@dataclass(frozen=True, slots=True)
class ShardFlips:
    """A shard's documents whose outcome changed: row, size, before, after."""

    shard: Shard
    files: int  # Python files, flipped or not
    table: pa.Table
    kept_before: Tally
    kept_after: Tally
    other_survivor: int


def flips(shards: Sequence[Shard], before: Path, after: Path) -> Iterator[ShardFlips]:
    """Compare the decisions below two folders. Raises SidecarError or ShardError."""
    for shard in shards:
        yield _shard_flips(shard, before, after)


def _shard_flips(shard: Shard, before: Path, after: Path) -> ShardFlips:
    sizes = read_rows(shard, columns=["size"]).column(0)
    found = [outcomes(shard, folder) for folder in (before, after)]
    told = [table.column("reason").fill_null(KEPT) for table in found]
    beside = pc.sum(pc.equal(found[0].column("rule"), NOT_PYTHON)).as_py() or 0
    changed = np.flatnonzero(pc.not_equal(*told).to_numpy())
    rows = pa.array(changed)
    table = pa.table(
        {
            "row": rows,
            "size": sizes.take(rows),
            "before": told[0].take(rows),
            "after": told[1].take(rows),
        }
    )
    return ShardFlips(
        shard=shard,
        files=shard.rows - beside,
        table=table,
        kept_before=_kept(told[0], sizes),
        kept_after=_kept(told[1], sizes),
        other_survivor=_other_survivor(shard, before, after),
    )


def _kept(outcome: pa.ChunkedArray, sizes: pa.ChunkedArray) -> Tally:
    kept = pc.equal(outcome, KEPT)
    total = pc.sum(sizes.filter(kept)).as_py() or 0
    return Tally(pc.sum(kept).as_py() or 0, total)


def _other_survivor(shard: Shard, before: Path, after: Path) -> int:
    """Documents that are duplicates on both sides, of different ones."""
    columns = ["survivor_shard", "survivor_row"]
    a, b = (
        read_sidecar(sidecar_path(folder, DEDUP, shard), shard, columns)
        for folder in (before, after)
    )
    other = pc.or_(*(pc.not_equal(a[name], b[name]) for name in columns))
    return pc.sum(other).as_py() or 0
