"""PyCodeGPT's resampling features beside each cleaned document, so that training can weigh them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from corpus.schema import CLEANED
from corpus.shards import Shard
from corpus.sidecars import read_sidecar, read_stamp, sidecar_path

STAGE = "structure"  # the signal stage that measures them
COLUMNS = ("unit_test_score", "function_score")


def score_stamps(shards: Sequence[Shard], sidecars: Path) -> list[str | None]:
    """What the scores of these shards depend on; None for a shard that has none."""
    stamps = [read_stamp(sidecar_path(sidecars, STAGE, shard)) for shard in shards]
    return [stamp.digest if stamp else None for stamp in stamps]


def with_scores(table: pa.Table, shard: Shard, sidecars: Path) -> pa.Table:
    """`table`, whose `source_row` are rows of `shard`, with its scores; null where not measured.

    Raises SidecarError for scores that can't be read.
    """
    path = sidecar_path(sidecars, STAGE, shard)
    if not path.exists():
        missing = [pa.nulls(table.num_rows, CLEANED.field(name).type) for name in COLUMNS]
        return _append(table, missing)
    rows = pa.array(table.column("source_row").to_numpy().astype(np.int64))
    return _append(table, read_sidecar(path, shard, COLUMNS).take(rows).columns)


def _append(table: pa.Table, columns: Sequence[pa.Array | pa.ChunkedArray]) -> pa.Table:
    for name, column in zip(COLUMNS, columns, strict=True):
        table = table.append_column(CLEANED.field(name), column)
    return table
