"""Verdicts: the rules applied to signals, one row-aligned sidecar a shard. No content is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

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
    reasons = [rule.reasons(table) for rule in rules]
    rejected = np.stack([_valid(reason) for reason in reasons], axis=1)  # (rows, rules)
    row, rule = np.nonzero(rejected)
    every_reason = pa.concat_arrays(reasons).take(pa.array(rule * rows + row))
    offsets = np.concatenate([[0], np.cumsum(rejected.sum(axis=1))]).astype(np.int32)
    # The first failure of a row that has any: where its run of failures starts.
    first = pa.array(offsets[:-1], mask=~rejected.any(axis=1))
    names = pa.array([rule.name for rule in rules]).take(pa.array(rule))
    return pa.table(
        [
            names.take(first),
            every_reason.take(first),
            pa.ListArray.from_arrays(pa.array(offsets), every_reason),
        ],
        schema=SCHEMA,
    )


def _valid(array: pa.Array) -> np.ndarray:
    mask: np.ndarray = array.is_valid().to_numpy(zero_copy_only=False)
    return mask


def stages_of(rules: Sequence[Rule]) -> tuple[str, ...]:
    """The signal stages that `rules` read, by name."""
    return tuple(sorted({rule.stage for rule in rules} - {SHARD}))


def measurements(shard: Shard, sidecars: Path, rules: Sequence[Rule]) -> pa.Table:
    """Every column that `rules` read, row-aligned with the shard.

    Raises SidecarError or ShardError naming the file that can't be read.
    """
    parts: dict[str, pa.ChunkedArray] = {}
    for stage in (SHARD, *stages_of(rules)):
        columns = sorted({rule.column for rule in rules if rule.stage == stage})
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


def write_verdicts(shard: Shard, sidecars: Path, rules: Sequence[Rule]) -> pa.Table:
    """Decide on one shard and write its sidecar; the verdicts."""
    verdicts = decide(measurements(shard, sidecars, rules), rules)
    path = sidecar_path(sidecars, STAGE, shard)
    write_sidecar(path, verdicts, verdict_stamp(shard, sidecars, rules), shard.rows)
    return verdicts


def read_verdicts(shard: Shard, sidecars: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The verdicts on a shard's rows. Raises SidecarError."""
    return read_sidecar(sidecar_path(sidecars, STAGE, shard), shard, columns)
