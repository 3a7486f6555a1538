"""Decide what is kept: verdicts by the rules, then duplicates among what passed.

No content is read, only what was measured. Decisions lie in a folder of their own (`verdict/`,
`dedup/`, `edges/`): the run's sidecars, or a scratch folder for a question of "what if".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clean.dedup import stage as dedup
from clean.dedup.index import near_index_is_current
from clean.inputs import Cleaning, only_run
from clean.recipe import signal_parameters
from clean.rules import verdicts
from clean.signals.document import SignalStage
from clean.signals.stages import signal_stages
from corpus.errors import SidecarError, StaleInputError
from corpus.events import Progress
from corpus.shards import Shard
from corpus.sidecars import Stamp, is_current, sidecar_path

_LONGEST_SHOWN = 40  # value of a parameter: longer ones are digests


def signals_of(cleaning: Cleaning) -> tuple[SignalStage, ...]:
    """The signal stages that the recipe asks for."""
    stages = signal_stages(signal_parameters(cleaning.recipe))
    if cleaning.recipe.measure == "all":
        return stages
    needed = needed_stages(cleaning)
    return tuple(stage for stage in stages if stage.name in needed)


def needed_stages(cleaning: Cleaning) -> frozenset[str]:
    """The signal stages that the recipe's decisions read, by name."""
    duplicates = dedup.stages_read(cleaning.recipe.dedup)
    return frozenset({*verdicts.stages_of(cleaning.rules), *duplicates})


def decide(cleaning: Cleaning, decisions: Path) -> dict[str, int]:
    """Bring the decisions below `decisions` up to date; by stage, how many files were made.

    Raises SidecarError for what was not measured or is damaged, DiskFullError or FileError for
    what can't be written.
    """
    return {
        verdicts.STAGE: _judge(cleaning, decisions),
        dedup.STAGE: _deduplicate(cleaning, decisions),
    }


def _judge(cleaning: Cleaning, decisions: Path) -> int:
    stale = [shard for shard in cleaning.shards if not _is_judged(cleaning, decisions, shard)]
    for done, shard in enumerate(stale, 1):
        verdicts.write_verdicts(shard, cleaning.sidecars, cleaning.rules, decisions)
        cleaning.report(Progress("verdict", done, len(stale), "shards"))
    return len(stale)


def _is_judged(cleaning: Cleaning, decisions: Path, shard: Shard) -> bool:
    stamp = verdicts.verdict_stamp(shard, cleaning.sidecars, cleaning.rules)
    return is_current(sidecar_path(decisions, verdicts.STAGE, shard), stamp)


def _deduplicate(cleaning: Cleaning, decisions: Path) -> int:
    return dedup.decide_duplicates(
        cleaning.shards,
        cleaning.sidecars,
        decisions,
        cleaning.recipe.dedup,
        memory_bytes=cleaning.shares.database_bytes,
        threads=cleaning.shares.threads,
        report=cleaning.report,
    )


def duplicate_stamps(cleaning: Cleaning, decisions: Path) -> list[Stamp]:
    """What the duplicates depend on, as things are on the disk."""
    return dedup.duplicate_stamps(
        cleaning.shards, cleaning.sidecars, decisions, cleaning.recipe.dedup
    )


def is_decided(cleaning: Cleaning, decisions: Path) -> bool:
    """Whether the decisions below `decisions` are those of this recipe, complete."""
    try:
        check_measured(cleaning)  # else they may be of signals with other parameters
        if not all(_is_judged(cleaning, decisions, shard) for shard in cleaning.shards):
            return False
        stamps = duplicate_stamps(cleaning, decisions)
    except (SidecarError, StaleInputError):
        return False
    return dedup.duplicates_are_current(cleaning.shards, decisions, stamps)


@contextmanager
def decided(cleaning: Cleaning) -> Iterator[Path]:
    """The folder that holds this recipe's decisions: the run's own, or one made for the question.

    Raises StaleInputError if something that the recipe needs was not measured.
    """
    own = cleaning.folder.sidecars
    if is_decided(cleaning, own):
        yield own
        return
    with only_run(cleaning.folder):
        yield what_if(cleaning, "asked")


def what_if(cleaning: Cleaning, name: str) -> Path:
    """Decide in the scratch folder, which the caller holds; nothing of the run is touched."""
    check_measured(cleaning)
    folder = cleaning.folder.scratch / name
    decide(cleaning, folder)
    return folder


def check_measured(cleaning: Cleaning) -> None:
    """Raises StaleInputError naming a stage that the decisions need, and its parameters."""
    needed = needed_stages(cleaning)
    for stage in signals_of(cleaning):
        if stage.name in needed:
            _check_stage(stage, cleaning)
    recipe, sidecars = cleaning.recipe.dedup, cleaning.sidecars
    if recipe.near and not near_index_is_current(cleaning.shards, sidecars, recipe):
        raise StaleInputError(
            f"{sidecars}: no near index of these shards and this banding; {_remedy(cleaning)}"
        )


def _check_stage(stage: SignalStage, cleaning: Cleaning) -> None:
    shards, sidecars = cleaning.shards, cleaning.sidecars
    missing = sum(
        not is_current(sidecar_path(sidecars, stage.name, shard), stage.stamp(shard))
        for shard in shards
    )
    if not missing:
        return
    if not any(sidecars.glob("*/*")):
        raise StaleInputError(f"{sidecars}: nothing was measured yet; clean run first")
    told = ", ".join(
        f"{name} = {value}"
        for name, value in stage.parameters.items()
        if len(str(value)) <= _LONGEST_SHOWN
    )
    raise StaleInputError(
        f"{sidecars / stage.name}: {missing} of {len(shards)} shards are not measured"
        f"{f' with {told}' if told else ''}; {_remedy(cleaning)}"
    )


def _remedy(cleaning: Cleaning) -> str:
    # A second recipe names a run of its own, which is not the one that was asked.
    return f"`clean measure --set run={cleaning.folder.root}` with this recipe does it"
