"""Do what the list of takedowns says: everything that a repository left in the run goes.

Each step looks first whether it was done, so that a killed takedown is finished by the next run
of any kind, and raw shards that were harvested again are emptied again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clean.takedown.register import Takedown
from clean.takedown.wipe import rows_of, update_manifest, wipe_shard, wipe_sidecars
from corpus.events import Progress, Report, silent
from corpus.files import remove_leftovers
from corpus.layout import RunFolder
from corpus.shards import Shard, open_shard

FACT = "takedowns"  # in manifests


def carry_out(
    folder: RunFolder,
    shards: Sequence[Shard],
    takedowns: Sequence[Takedown],
    report: Report = silent,
) -> list[Shard]:
    """Empty rows and measurements; the shards as they are then.

    Raises ShardError or SidecarError for a damaged file, DiskFullError or FileError for what
    can't be written.
    """
    if not takedowns:
        return list(shards)
    remove_leftovers(folder.raw)
    ids = frozenset(takedown.id for takedown in takedowns)
    current = []
    for done, shard in enumerate(shards, 1):
        current.append(_carry_out(folder.sidecars, shard, ids))
        report(Progress("take down", done, len(shards), "shards"))
    facts = {FACT: [takedown.plain() for takedown in takedowns]}
    update_manifest(folder.raw, current, facts)
    return current


def _carry_out(sidecars: Path, shard: Shard, ids: frozenset[int]) -> Shard:
    if not len(rows_of(shard, ids)):
        return shard
    wipe_sidecars(shard, sidecars, ids)
    return open_shard(shard.path) if wipe_shard(shard, ids) else shard
