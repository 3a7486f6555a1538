"""Take a repository's files out of the raw shards and the sidecars.

Rows stay where they are, so that everything that counts rows still does: their content becomes
empty, what was measured of it becomes null, and what a row *is* (repository, commit, path, blob
id) stays, as evidence that nothing else is missing. A shard is rewritten whole or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clean.rules.verdicts import STAGE as VERDICT
from corpus.errors import ShardError, SidecarError
from corpus.manifest import FileEntry, read_manifest, write_manifest
from corpus.schema import DOCUMENT
from corpus.shards import Shard, iter_row_groups, open_shard, read_rows, write_shard
from corpus.sidecars import read_stamp, write_sidecar

NOTE = "taken_down"  # in a raw shard's footer: the ids whose content is gone


def rows_of(shard: Shard, ids: Collection[int]) -> np.ndarray:
    """The rows of these repositories, ascending."""
    column = read_rows(shard, columns=["repo_id"]).column(0)
    mine = pc.is_in(column, value_set=pa.array(sorted(ids), pa.int64()))
    rows: np.ndarray = np.flatnonzero(mine.to_numpy())
    return rows


def wipe_shard(shard: Shard, ids: Collection[int]) -> bool:
    """Empty the content of these repositories' rows; whether there was anything to empty.

    Raises ShardError for a damaged shard, DiskFullError or FileError for what can't be written.
    """
    present = set(np.unique(_repo_ids(shard)[rows_of(shard, ids)]).tolist())
    gone = set(shard.notes.get(NOTE, ()))
    if present <= gone:
        return False
    with write_shard(shard.path, DOCUMENT) as writer:
        for table in iter_row_groups(shard):
            writer.write(_emptied(table, ids))
        writer.notes = {**shard.notes, NOTE: sorted(gone | present)}
    if open_shard(shard.path).digest != shard.digest:
        raise ShardError(shard.path, "its rows changed while a repository was taken out of it")
    return True


def _repo_ids(shard: Shard) -> np.ndarray:
    ids: np.ndarray = read_rows(shard, columns=["repo_id"]).column(0).to_numpy()
    return ids


def _emptied(table: pa.Table, ids: Collection[int]) -> pa.Table:
    mine = pc.is_in(table["repo_id"], value_set=pa.array(sorted(ids), pa.int64()))
    content = pc.if_else(mine, pa.scalar(b"", pa.binary()), table["content"])
    return table.set_column(table.column_names.index("content"), DOCUMENT.field("content"), content)


def update_manifest(raw: Path, shards: Collection[Shard], facts: Mapping[str, Any]) -> None:
    """Let the harvest's manifest speak of the files as they are now, and say `facts`."""
    manifest = read_manifest(raw, "harvest")
    by_name = {shard.name: shard for shard in shards}
    outputs = tuple(_entry(entry, by_name) for entry in manifest.outputs)
    changed = replace(manifest, outputs=outputs, facts={**manifest.facts, **facts})
    if changed != manifest:
        write_manifest(raw, changed)


def _entry(entry: FileEntry, shards: dict[str, Shard]) -> FileEntry:
    shard = shards.get(entry.path)
    return entry if shard is None else replace(entry, bytes=shard.path.stat().st_size)


def wipe_sidecars(shard: Shard, sidecars: Path, ids: Collection[int]) -> int:
    """Forget what was measured of these repositories' rows; how many sidecars were rewritten.

    Verdicts are left to be made again. Raises SidecarError for a damaged file.
    """
    rows = rows_of(shard, ids)
    if not len(rows):
        return 0
    return sum(_wipe_sidecar(path, shard, rows) for path in _sidecars(shard, sidecars))


def _sidecars(shard: Shard, sidecars: Path) -> Iterator[Path]:
    for path in sorted(sidecars.glob(f"*/{shard.name}")):
        if path.parent.name != VERDICT:
            yield path


def _wipe_sidecar(path: Path, shard: Shard, rows: np.ndarray) -> bool:
    stamp = read_stamp(path)
    if stamp is None or stamp.shard != shard.digest:
        return False  # of another shard: nobody reads it, and the next run replaces it
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise SidecarError(path, f"damaged ({error}); delete it and run again") from error
    chosen = table.take(pa.array(rows))
    if all(column.null_count == len(rows) for column in chosen.columns):
        return False
    places = np.arange(table.num_rows)
    wiped = np.zeros(table.num_rows, bool)
    wiped[rows] = True
    write_sidecar(path, table.take(pa.array(places, mask=wiped)), stamp, shard.rows)
    return True
