"""Every flipped file with its reasons, as one Parquet or JSON Lines file of any length."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clean.ask.diff import Side
from clean.ask.flips import ShardFlips
from clean.dedup.scratch import open_scratch
from clean.dedup.stage import STAGE as DEDUP
from clean.rules.verdicts import measurements, read_verdicts
from corpus.errors import UsageError
from corpus.files import atomic_path
from corpus.shards import Shard, read_rows
from corpus.sidecars import read_sidecar, sidecar_path

_NAMES = ("repo", "commit", "path", "blob_id")
_FORMATS = (".jsonl", ".parquet")
_DATABASE_SHARE = 0.6
_BATCH_ROWS = 16_384
_TEXT, _NUMBER = pa.string(), pa.int64()
_SIDE = [
    ("rule", _TEXT),  # the first that fails the document; null: it passed all
    ("measured", _TEXT),
    ("limit", _TEXT),
    ("survivor", _TEXT),  # what stays in its place
    ("similarity", pa.float32()),  # to that
]
SCHEMA = pa.schema(
    [
        *((name, _TEXT) for name in (*_NAMES, "shard")),
        ("row", _NUMBER),
        ("size", _NUMBER),  # bytes of the raw file
        ("before", _TEXT),  # "kept", or why it was dropped
        ("after", _TEXT),
        *((f"{side}_{name}", kind) for side in ("before", "after") for name, kind in _SIDE),
    ]
)


def check_format(out: Path) -> None:
    """Raises UsageError for a file that is neither JSON Lines nor Parquet."""
    if out.suffix not in _FORMATS:
        raise UsageError(f"--out {out}: the name must end in {' or '.join(_FORMATS)}")


class FlipList:
    """Collects flips in a folder, a file a shard, and then makes one file of them.

    The columns are those of `SCHEMA`.
    """

    def __init__(self, folder: Path, before: Side, after: Side) -> None:
        self._folder, self._sides = folder, {"before": before, "after": after}
        self._folder.mkdir(parents=True, exist_ok=True)
        self._shards: list[Shard] = []

    def add(self, flips: ShardFlips) -> None:
        """Take in a shard's flips."""
        table, shard = flips.table, flips.shard
        rows = table.column("row")
        columns: dict[str, Any] = {
            "shard": pa.array([shard.name] * table.num_rows, pa.string()),
            **dict(zip(table.column_names, table.columns, strict=True)),
            **_taken(read_rows(shard, columns=_NAMES), rows),
        }
        for name, side in self._sides.items():
            for part, column in _why(side, shard, rows).items():
                columns[f"{name}_{part}"] = column
        pq.write_table(pa.table(columns), self._folder / shard.name)
        self._shards.append(shard)

    def write(self, out: Path, *, memory_bytes: int, threads: int) -> None:
        """Write the list, complete or not at all. Raises DiskFullError or FileError."""
        # What the comparison used is not given back at once, and batches of text are large.
        pa.default_memory_pool().release_unused()
        share = int(_DATABASE_SHARE * memory_bytes)
        with (
            open_scratch(
                self._folder / "names", max_memory_bytes=share, threads=threads
            ) as database,
            _writer(out) as write,
        ):
            raw = [str(shard.path) for shard in self._shards]
            database.run(
                "CREATE VIEW names AS SELECT parse_filename(filename) AS shard, "
                "file_row_number AS row, repo || '@' || commit || ':' || path AS name "
                f"FROM read_parquet({_listed(raw)}, filename = true, file_row_number = true)"
            )
            parts = [str(self._folder / shard.name) for shard in self._shards]
            for batch in database.batches(_SQL.format(flips=_listed(parts)), _BATCH_ROWS):
                write(pa.Table.from_batches([batch]).cast(SCHEMA))


_SQL = """
    SELECT f.repo, f.commit, f.path, f.blob_id, f.shard, f.row, f.size, f.before, f.after,
        before_rule, before_measured, before_limit, b.name AS before_survivor, before_similarity,
        after_rule, after_measured, after_limit, a.name AS after_survivor, after_similarity
    FROM read_parquet({flips}) f
        LEFT JOIN names b ON b.shard = before_survivor_shard AND b.row = before_survivor_row
        LEFT JOIN names a ON a.shard = after_survivor_shard AND a.row = after_survivor_row
    ORDER BY f.shard, f.row
"""


def _listed(paths: Sequence[str]) -> str:
    quoted = (path.replace("'", "''") for path in paths)
    return "[" + ", ".join(f"'{path}'" for path in quoted) + "]"


def _taken(table: pa.Table, rows: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
    chosen = table.take(rows)
    return dict(zip(chosen.column_names, chosen.columns, strict=True))


def _why(side: Side, shard: Shard, rows: pa.ChunkedArray) -> dict[str, Any]:
    """rule, measured, limit, survivor_shard, survivor_row and similarity of some rows."""
    rules = side.cleaning.rules
    failed = read_verdicts(shard, side.decisions, ["rule"]).column(0).take(rows)
    names = failed.to_numpy(zero_copy_only=False)
    measured = np.full(len(names), None, object)
    limits = np.full(len(names), None, object)
    table = measurements(shard, side.cleaning.sidecars, rules).take(rows)
    for rule in rules:
        mine = np.flatnonzero(names == rule.name)
        if len(mine):
            column = _as_text(table.column(rule.column).take(pa.array(mine)))
            measured[mine] = column.to_numpy(zero_copy_only=False)
            limits[mine] = rule.limit()
    path = sidecar_path(side.decisions, DEDUP, shard)
    columns = ["survivor_shard", "survivor_row", "similarity"]
    return {
        "rule": failed,
        "measured": pa.array(measured, pa.string()),
        "limit": pa.array(limits, pa.string()),
        **_taken(read_sidecar(path, shard, columns), rows),
    }


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_floating(column.type):
        column = pc.round(column.cast(pa.float64()), 4)
    return column.cast(pa.string())


@contextmanager
def _writer(out: Path) -> Iterator[Callable[[pa.Table], None]]:
    with atomic_path(out) as aside:
        if out.suffix == ".jsonl":
            with aside.open("w", encoding="utf-8") as file:
                yield lambda table: file.writelines(_lines(table.to_pylist()))
        else:
            with pq.ParquetWriter(aside, SCHEMA, compression="zstd") as writer:
                yield writer.write_table


def _lines(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        told = {name: value for name, value in row.items() if value is not None}
        yield json.dumps(told, ensure_ascii=False) + "\n"
