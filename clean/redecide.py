"""Decide again by the recipe's thresholds, and tell what changed against the decision before.

No content is read, and the written corpus stays as it is until a run writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clean.aside import link
from clean.ask.flips import FlipCounts, flips
from clean.ask.funnel import outcomes, tally
from clean.decide import check_measured, decide
from clean.dedup.stage import STAGE as DEDUP
from clean.inputs import Cleaning, only_run
from clean.rules.verdicts import STAGE as VERDICT
from clean.run import tidy, write_stamp
from clean.write.stage import is_written
from corpus.errors import SidecarError
from corpus.shards import Shard
from corpus.sidecars import read_stamp, sidecar_path

_STAGES = (VERDICT, DEDUP)


@dataclass(frozen=True, slots=True)
class Redecided:
    """What a new decision changed."""

    made: dict[str, int]  # by stage: files written, 0 if current
    counts: dict[str, int]  # documents by outcome, now
    flips: FlipCounts | None  # against the decision before; None: there was none for all shards
    written: bool  # whether the cleaned corpus is of this decision


def redecide(cleaning: Cleaning) -> Redecided:
    """Bring the run's decisions up to date with the recipe.

    Raises StaleInputError naming a stage that was not measured, DiskFullError or FileError for
    what can't be written.
    """
    with only_run(cleaning.folder):
        tidy(cleaning.folder)
        check_measured(cleaning)
        before = _keep(cleaning)
        made = decide(cleaning, cleaning.folder.sidecars)
        counts = _count(before, cleaning) if before is not None else None
        return Redecided(
            made=made,
            counts=outcome_counts(cleaning.shards, cleaning.folder.sidecars),
            flips=counts,
            written=is_written(cleaning.folder.clean, write_stamp(cleaning)),
        )


def outcome_counts(shards: Sequence[Shard], decisions: Path) -> dict[str, int]:
    """Documents by outcome, the most frequent first."""
    return tally(shards, decisions).by_reason()


def _keep(cleaning: Cleaning) -> Path | None:
    """Second names for the decisions as they are, if they are one whole."""
    if not _is_whole(cleaning):
        return None
    folder = cleaning.folder.scratch / "before"
    for stage in _STAGES:
        for shard in cleaning.shards:
            source = sidecar_path(cleaning.folder.sidecars, stage, shard)
            link(source, sidecar_path(folder, stage, shard))
    return folder


def _is_whole(cleaning: Cleaning) -> bool:
    """Whether there is one decision for all shards, rather than the halves of two."""
    own = cleaning.folder.sidecars
    made: dict[str, set[object]] = {stage: set() for stage in _STAGES}
    try:
        for shard in cleaning.shards:
            for stage in _STAGES:
                stamp = read_stamp(sidecar_path(own, stage, shard))
                if stamp is None or stamp.shard != shard.digest:
                    return False
                made[stage].add((stamp.parameters, stamp.inputs if stage == DEDUP else ()))
            outcomes(shard, own)
    except SidecarError:
        return False
    return all(len(stamps) == 1 for stamps in made.values())


def _count(before: Path, cleaning: Cleaning) -> FlipCounts:
    counts = FlipCounts()
    for found in flips(cleaning.shards, before, cleaning.folder.sidecars):
        counts.add(found)
    return counts
