"""Verdicts: the rules applied to signals, one row-aligned sidecar a shard. No content is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clean.rules.rule import SHARD, Rule
from corpus.errors import SidecarError
from corpus.recipe import digest
from corpus.shards import Shard, read_rows
from corpus.sidecars import Stamp, read_sidecar, read_stamp, sidecar_path, write_sidecar

STAGE = "verdict"
VERSION = 1
SCHEMA = pa.schema(
    [
        pa.field("rule", pa.string()),  # the first that rejects the document; null: it passed all
        pa.field("reason", pa.string()),  # that rule's reason
        pa.field("failed", pa.list_(pa.string())),  # every reason, in the order of the rules
    ]
)


def decide(table: pa.Table, rules: Sequence[Rule]) -> pa.Table:
    """The verdicts on the rows of `table`, which holds every rule's column."""
    rows = table.num_rows
    if not rules:
        return pa.Table.from_pydict(
            {"rule": [None] * rows, "reason": [None] * rows, "failed": [[]] * rows}, SCHEMA
        )
    rejected = np.stack([_mask(rule.rejects(table)) for rule in rules], axis=1)  # (rows, rules)
    row, which = np.nonzero(rejected)
    reasons = _reasons(table, rules, row, which)
    offsets = np.concatenate([[0], np.cumsum(rejected.sum(axis=1))]).astype(np.int32)
    # The first failure of a row that has any: where its run of failures starts.
    first = pa.array(offsets[:-1], mask=~rejected.any(axis=1))
    names = pa.array([rule.name for rule in rules]).take(pa.array(which))
    return pa.table(
        [
            names.take(first),
            reasons.take(first),
            pa.ListArray.from_arrays(pa.array(offsets), reasons),
        ],
        schema=SCHEMA,
    )


def _reasons(
    table: pa.Table, rules: Sequence[Rule], row: np.ndarray, which: np.ndarray
) -> pa.StringArray:
    """Why rule `which[i]` rejects row `row[i]`, for all of these failures."""
    reasons = pa.array([rule.reason for rule in rules], pa.string()).take(pa.array(which))
    for index, rule in enumerate(rules):
        if rule.reason is None:  # the column says it
            mine = which == index
            said = table.column(rule.column).take(pa.array(row[mine])).combine_chunks()
            reasons = pc.replace_with_mask(reasons, pa.array(mine), said.cast(pa.string()))
    return reasons


def _mask(rejected: pa.BooleanArray) -> np.ndarray:
    mask: np.ndarray = rejected.to_numpy(zero_copy_only=False)
    return mask


def stages_of(rules: Sequence[Rule]) -> tuple[str, ...]:
    """The signal stages that `rules` read, by name."""
    return tuple(sorted({stage for rule in rules for stage, _ in rule.columns} - {SHARD}))


def measurements(shard: Shard, sidecars: Path, rules: Sequence[Rule]) -> pa.Table:
    """Every column that `rules` read, row-aligned with the shard.

    Raises SidecarError or ShardError naming the file that can't be read.
    """
    wanted = {place for rule in rules for place in rule.columns}
    parts: dict[str, pa.ChunkedArray] = {}
    for stage in (SHARD, *stages_of(rules)):
        columns = sorted(column for of_stage, column in wanted if of_stage == stage)
        if not columns:
            continue
        if stage == SHARD:
            table = read_rows(shard, columns=columns)
        else:
            table = read_sidecar(sidecar_path(sidecars, stage, shard), shard, columns)
        parts.update(zip(table.column_names, table.columns, strict=True))
    return pa.table(parts)


def verdict_stamp(shard: Shard, sidecars: Path, rules: Sequence[Rule]) -> Stamp:
    """What the shard's verdicts depend on: the rules, and the signals that they read."""
    inputs = tuple(_stamp_digest(sidecar_path(sidecars, s, shard)) for s in stages_of(rules))
    return Stamp(STAGE, VERSION, digest(list(rules)), shard.digest, inputs)


def _stamp_digest(path: Path) -> str:
    stamp = read_stamp(path)
    if stamp is None:
        raise SidecarError(path, "no such sidecar; run the stage that makes it")
    return stamp.digest


def write_verdicts(
    shard: Shard, sidecars: Path, rules: Sequence[Rule], decisions: Path | None = None
) -> pa.Table:
    """Decide on one shard and write its sidecar; the verdicts.

    Signals are read below `sidecars`; the verdicts go below `decisions`, by default the same.
    """
    verdicts = decide(measurements(shard, sidecars, rules), rules)
    path = sidecar_path(decisions or sidecars, STAGE, shard)
    write_sidecar(path, verdicts, verdict_stamp(shard, sidecars, rules), shard.rows)
    return verdicts


def read_verdicts(shard: Shard, decisions: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The verdicts on a shard's rows, from below `decisions`. Raises SidecarError."""
    return read_sidecar(sidecar_path(decisions, STAGE, shard), shard, columns)
