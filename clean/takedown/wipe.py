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

from clean.dedup.bands import STAGE as BANDS
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


def must_wipe(shard: Shard, sidecars: Path, rows: np.ndarray) -> bool:
    """Whether a sidecar may still say something of these rows. Raises SidecarError."""
    return any(damaged or _told(path, rows) for path, damaged in _sidecars(shard, sidecars))


def wipe_sidecars(shard: Shard, sidecars: Path, rows: np.ndarray) -> None:
    """Forget what was measured of these rows; verdicts are left to be made again.

    A sidecar that can't be used is deleted: the next run makes it anew. Raises SidecarError for
    one that is damaged behind its footer, DiskFullError or FileError for what can't be written.
    """
    wiped = np.zeros(shard.rows, bool)
    wiped[rows] = True
    kept = pa.array(np.arange(shard.rows), mask=wiped)
    for path, damaged in _sidecars(shard, sidecars):
        if damaged:
            path.unlink()
        elif _told(path, rows):
            stamp = read_stamp(path)
            assert stamp is not None, "it was read a moment ago"
            hashes = path.parent.name == BANDS
            write_sidecar(path, _read(path).take(kept), stamp, shard.rows, compress=not hashes)


def _sidecars(shard: Shard, sidecars: Path) -> Iterator[tuple[Path, bool]]:
    """The row-aligned files of a shard, and whether they are damaged or of other rows."""
    for path in sorted(sidecars.glob(f"*/{shard.name}")):
        if path.parent.name == VERDICT:
            continue
        try:
            stamp = read_stamp(path)
        except SidecarError:
            stamp = None
        yield path, stamp is None or stamp.shard != shard.digest


def _told(path: Path, rows: np.ndarray) -> bool:
    chosen = _read(path).take(pa.array(rows))
    return any(column.null_count < len(rows) for column in chosen.columns)


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise SidecarError(path, f"damaged ({error}); delete it and run again") from error
