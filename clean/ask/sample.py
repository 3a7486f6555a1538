"""Real documents that had one outcome: a seeded choice, the same on every run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clean.ask.funnel import KEPT, outcomes
from clean.run import input_shards
from clean.signals.decode import decode
from clean.write.split import order_keys
from corpus.errors import SidecarError, StaleInputError, UsageError
from corpus.layout import RunFolder
from corpus.recipe import nearest
from corpus.shards import Shard, read_rows


@dataclass(frozen=True, slots=True)
class Sample:
    """One document and its outcome."""

    name: str  # repo@commit:path
    rule: str
    reason: str
    text: str  # with U+FFFD for what can't be decoded


def sample(folder: RunFolder, outcome: str, count: int, *, seed: int) -> tuple[list[Sample], int]:
    """`count` documents of an outcome (a reason, a rule's name or "kept"), and how many have it.

    Raises UsageError if no document has it, StaleInputError if the stages have not run.
    """
    chosen: list[tuple[int, str, int, str, str]] = []  # order, shard, row, rule, reason
    known: set[str] = set()
    total = 0
    shards = {shard.name: shard for shard in input_shards(folder.raw)}
    for shard in shards.values():
        table = _outcomes(shard, folder)
        known.update(*(pc.unique(column).to_pylist() for column in table.columns))
        rows = _rows_with(table, outcome)
        total += len(rows)
        # The documents that come first in a shuffled order: a fair choice in a fixed memory.
        orders = order_keys(shard.name, rows, seed).tolist()
        reasons = table.take(pa.array(rows)).to_pylist()
        for order, row, found in zip(orders, rows.tolist(), reasons, strict=True):
            chosen.append((order, shard.name, row, found["rule"], found["reason"]))
        chosen = sorted(chosen)[:count]
    if not total:
        raise UsageError(f"no document was {outcome!r}; {nearest(outcome, sorted(known))}")
    return [_read(shards[name], row, rule, reason) for _, name, row, rule, reason in chosen], total


def _outcomes(shard: Shard, folder: RunFolder) -> pa.Table:
    try:
        table = outcomes(shard, folder.sidecars)
    except SidecarError as error:
        raise StaleInputError(f"{error.path}: {error.problem} (clean run)") from error
    return pa.table({name: table.column(name).fill_null(KEPT) for name in table.column_names})


def _rows_with(table: pa.Table, outcome: str) -> np.ndarray:
    """The rows whose rule or reason is `outcome`."""
    mask = pc.or_(pc.equal(table["rule"], outcome), pc.equal(table["reason"], outcome))
    rows: np.ndarray = np.flatnonzero(mask.to_numpy())
    return rows


def _read(shard: Shard, row: int, rule: str, reason: str) -> Sample:
    columns = ["repo", "commit", "path", "content"]
    (found,) = read_rows(shard, row, row + 1, columns).to_pylist()
    text = decode(found["content"]).text
    if text is None:
        text = found["content"].decode("utf-8", "replace")
    return Sample(f"{found['repo']}@{found['commit']}:{found['path']}", rule, reason, text)
