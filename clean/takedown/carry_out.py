"""Do what the list of takedowns says: everything that a repository left in the run goes.

Each step looks first whether it was done, so that a killed takedown is finished by the next run
of any kind, and raw shards that were harvested again are emptied again.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from clean.dedup import bands
from clean.dedup import index as near_index
from clean.dedup.index import candidates_path
from clean.takedown.register import Takedown
from clean.takedown.wipe import must_wipe, rows_of, update_manifest, wipe_shard, wipe_sidecars
from corpus.events import Progress, Report, silent
from corpus.files import named_errors, remove_leftovers
from corpus.layout import RunFolder
from corpus.shards import Shard, open_shard

FACT = "takedowns"  # in manifests


def carry_out(
    folder: RunFolder,
    shards: Sequence[Shard],
    takedowns: Sequence[Takedown],
    *,
    near: bool,
    report: Report = silent,
) -> list[Shard]:
    """Empty rows and measurements; the shards as they are then.

    `near` says whether the near index will be brought up to date afterwards, which forgets the
    contents that are in no shard any more; else the index goes as a whole. Raises ShardError or
    SidecarError for a damaged file, DiskFullError or FileError for what can't be written.
    """
    if not takedowns:
        return list(shards)
    remove_leftovers(folder.raw)
    ids = frozenset(takedown.id for takedown in takedowns)
    current = []
    for done, shard in enumerate(shards, 1):
        current.append(_carry_out(folder, shard, ids))
        report(Progress("take down", done, len(shards), "shards"))
    if not near and not candidates_path(folder.sidecars).exists():
        _remove_index(folder.sidecars)
    facts = {FACT: [takedown.plain() for takedown in takedowns]}
    update_manifest(folder.raw, current, facts)
    return current


def _carry_out(folder: RunFolder, shard: Shard, ids: frozenset[int]) -> Shard:
    sidecars = folder.sidecars
    rows = rows_of(shard, ids)
    if not len(rows):
        return shard
    if must_wipe(shard, sidecars, rows):
        _remove(folder.aside)
        # First, so that a run that is killed in between brings the index up to date as well.
        index = candidates_path(sidecars)
        with named_errors(index):
            index.unlink(missing_ok=True)
        wipe_sidecars(shard, sidecars, rows)
    return open_shard(shard.path) if wipe_shard(shard, ids) else shard


def _remove_index(sidecars: Path) -> None:
    for stage in (near_index.STAGE, bands.STAGE):
        _remove(sidecars / stage)


def _remove(folder: Path) -> None:
    with named_errors(folder):
        if folder.exists():
            shutil.rmtree(folder)
