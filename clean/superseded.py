"""Rows at a commit that a refreshed harvest has replaced, found from the harvest's own lists.

A refresh leaves old shards as they are and puts what changed into new ones, so that both commits of
a repository stand in the raw shards. Of the older one only what is nowhere else must stay: a row
whose blob some repository still has, which the lists in `raw/copies/` tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus.errors import ManifestError, ShardError
from corpus.manifest import read_manifest
from corpus.recipe import digest
from corpus.shards import Shard, read_rows
from corpus.sidecars import Stamp, is_current, sidecar_path, write_sidecar

STAGE = "superseded"
VERSION = 1
SCHEMA = pa.schema([pa.field("superseded", pa.bool_())])  # null: taken down since
_COLUMNS = ["repo_id", "commit", "blob_id"]


def superseded_in(raw: Path) -> list[tuple[int, str]]:
    """(repository, commit) of all that was harvested again at a newer commit."""
    try:
        facts = read_manifest(raw, "harvest").facts
    except ManifestError:
        return []
    return sorted((each["id"], each["from"]) for each in facts.get("superseded") or ())


def buried_in(raw: Path) -> frozenset[int]:
    """Repositories whose rows must not be used any more: blocked by law, or opted out.

    What is merely gone may be used as before.
    """
    try:
        facts = read_manifest(raw, "harvest").facts
    except ManifestError:
        return frozenset()
    graves = facts.get("tombstones") or ()
    return frozenset(each["id"] for each in graves if each["state"] in ("blocked", "opted_out"))


def update_superseded(
    shards: Sequence[Shard], sidecars: Path, raw: Path, superseded: Sequence[tuple[int, str]]
) -> int:
    """Write what is out of date; how many sidecars that were.

    Raises ShardError for a damaged list of copies, DiskFullError or FileError.
    """
    if not superseded:
        return 0
    parameters = digest([superseded, sorted(shard.digest for shard in shards)])
    stamps = [Stamp(STAGE, VERSION, parameters, shard.digest) for shard in shards]
    stale = [
        (shard, stamp)
        for shard, stamp in zip(shards, stamps, strict=True)
        if not is_current(sidecar_path(sidecars, STAGE, shard), stamp)
    ]
    if not stale:
        return 0
    older = _pairs(superseded)
    spared = _still_held(shards, raw, older)
    for shard, stamp in stale:
        rows = read_rows(shard, columns=_COLUMNS)
        found = pc.and_(_is_older(rows, older), pc.invert(pc.is_in(rows["blob_id"], spared)))
        table = pa.table([found], schema=SCHEMA)
        write_sidecar(sidecar_path(sidecars, STAGE, shard), table, stamp, shard.rows)
    return len(stale)


def _pairs(superseded: Sequence[tuple[int, str]]) -> pa.Array:
    return pa.array([f"{repository}@{commit}" for repository, commit in superseded], pa.string())


def _is_older(rows: pa.Table, older: pa.Array) -> Any:
    # Forks share commits, so that a commit alone does not name a repository's rows.
    joined = pc.binary_join_element_wise(rows["repo_id"].cast(pa.string()), rows["commit"], "@")
    return pc.is_in(joined, older)


def _still_held(shards: Sequence[Shard], raw: Path, older: pa.Array) -> pa.Array:
    """The blobs that lists of copies name for a repository at a commit that is not superseded."""
    held = []
    for shard in shards:
        path = raw / "copies" / shard.path.name
        if not path.exists():
            continue
        try:
            rows = pq.read_table(path, columns=_COLUMNS)
        except (pa.ArrowException, OSError) as error:
            raise ShardError(path, f"damaged ({error}); harvest again") from error
        held.append(rows.filter(pc.invert(_is_older(rows, older)))["blob_id"].unique())
    return pa.concat_arrays(held).unique() if held else pa.array([], pa.string())
