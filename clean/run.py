"""Run the cleaning stages in order, each only if what it depends on has changed.

Signals -> near index -> verdict -> dedup -> write. What is current is known from the stamps in the
files. A stage that is asked for by name is made again with whatever depends on it, and with nothing
else that is current.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from clean.aside import adopt_all, measuring
from clean.decide import decide, duplicate_stamps, signals_of
from clean.dedup import index as near
from clean.dedup import stage as dedup
from clean.dedup.update import NearJob, update_near_index
from clean.inputs import Cleaning, only_run, open_cleaning
from clean.recipe import CleanRecipe, DedupRecipe
from clean.rules import verdicts
from clean.rules.rule import Rule
from clean.signals.measure import run_signals
from clean.signals.stages import STAGE_NAMES as SIGNALS
from clean.superseded import superseded_in, update_superseded
from clean.takedown.carry_out import FACT as TAKEDOWNS
from clean.takedown.carry_out import carry_out
from clean.write import scores
from clean.write import stage as write
from clean.write.account import describe
from corpus.engine import Engine
from corpus.errors import UsageError
from corpus.events import Notice, Report, silent
from corpus.files import named_errors, remove_leftovers, remove_leftovers_of
from corpus.layout import RunFolder
from corpus.manifest import Manifest, read_manifest, write_manifest
from corpus.recipe import as_plain, digest, nearest
from corpus.sidecars import sidecar_path

STAGES = (*SIGNALS, near.STAGE, verdicts.STAGE, dedup.STAGE, write.STAGE)


@dataclass(slots=True)
class CleanSummary:
    """What a run did."""

    shards: int
    made: dict[str, int] = field(default_factory=dict)  # by stage: files written, 0 if current
    seconds: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)  # documents by outcome
    splits: dict[str, dict[str, int]] = field(default_factory=dict)


def run_clean(
    folder: RunFolder,
    recipe: CleanRecipe,
    *,
    seed: int,
    stage: str | None = None,
    engine: Engine | None = None,
    report: Report = silent,
) -> CleanSummary:
    """Bring the cleaned corpus up to date; `stage` and what depends on it are made anew.

    Raises UsageError for an unknown stage or too small a memory budget, StaleInputError if the
    harvest has not finished, ShardError or SidecarError for a damaged file, DiskFullError or
    FileError for what can't be written. Whatever was finished stays, and the next run goes on
    from there.
    """
    check_stage(stage)
    cleaning = open_cleaning(folder, recipe, seed=seed, engine=engine, report=report)
    _check_asked_for(stage, cleaning)
    summary = CleanSummary(len(cleaning.shards))
    with only_run(folder):
        cleaning = prepare(cleaning)
        _forget(cleaning, dependents(stage, cleaning.rules, recipe.dedup) if stage else ())
        bring_up_to_date(cleaning, summary)
    return summary


def measure(
    folder: RunFolder,
    recipe: CleanRecipe,
    *,
    seed: int,
    engine: Engine | None = None,
    report: Report = silent,
) -> CleanSummary:
    """Measure what the recipe asks for, and decide and write nothing. Raises as `run_clean`.

    What the run has stays: measurements with other parameters go aside.
    """
    cleaning = open_cleaning(folder, recipe, seed=seed, engine=engine, report=report)
    summary = CleanSummary(len(cleaning.shards))
    with only_run(folder):
        _measure(measuring(prepare(cleaning)), summary)
    return summary


def check_stage(stage: str | None) -> None:
    """Raises UsageError for a stage that there is not."""
    if stage is not None and stage not in STAGES:
        raise UsageError(f"no stage {stage!r}; {nearest(stage, list(STAGES))}")


def _check_asked_for(stage: str | None, cleaning: Cleaning) -> None:
    """Raises UsageError for a stage that this recipe has nothing to measure for."""
    if stage in SIGNALS and stage not in {one.name for one in signals_of(cleaning)}:
        why = ' (clean.measure = "needed")' if cleaning.recipe.measure == "needed" else ""
        raise UsageError(f"this recipe does not measure the stage {stage}{why}")


def dependents(stage: str, rules: Sequence[Rule], recipe: DedupRecipe) -> tuple[str, ...]:
    """`stage` and all stages that are made from it."""
    used = {stage}
    # Verdicts read the signals of the rules that are on, and no others.
    if used & set(verdicts.stages_of(rules)):
        used.add(verdicts.STAGE)
    if "fingerprint" in used:
        used.add(near.STAGE)
    if used & {verdicts.STAGE, near.STAGE, *dedup.stages_read(recipe)}:
        used.add(dedup.STAGE)
    if used & {dedup.STAGE, scores.STAGE}:
        used.add(write.STAGE)
    return tuple(name for name in STAGES if name in used)


def prepare(cleaning: Cleaning) -> Cleaning:
    """Put in order what killed runs, takedowns and refreshes left; the shards as they are then."""
    tidy(cleaning.folder)
    shards = carry_out(
        cleaning.folder,
        cleaning.shards,
        cleaning.takedowns,
        near=cleaning.recipe.dedup.near,
        report=cleaning.report,
    )
    raw = cleaning.folder.raw
    update_superseded(shards, cleaning.folder.sidecars, raw, superseded_in(raw))
    return replace(cleaning, shards=shards)


def tidy(folder: RunFolder) -> None:
    """Finish or undo what a killed writer left."""
    write.restore(folder.clean)
    remove_leftovers(folder.sidecars)
    remove_leftovers_of(folder.takedowns)


def _forget(cleaning: Cleaning, stages: Sequence[str]) -> None:
    """Make `stages` out of date, so that even a run that is killed makes them anew."""
    for name in stages:
        for shard in cleaning.shards:
            path = sidecar_path(cleaning.sidecars, name, shard)
            with named_errors(path):
                path.unlink(missing_ok=True)
    if near.STAGE in stages:
        near.forget_near_index(cleaning.sidecars)
    if write.STAGE in stages:
        write.forget(cleaning.folder.clean)


def bring_up_to_date(cleaning: Cleaning, summary: CleanSummary) -> None:
    """Every stage in its turn; the caller holds the folder."""
    adopt_all(cleaning)
    _measure(cleaning, summary)
    _timed("decide", _decide, cleaning, summary)
    _timed(write.STAGE, _write, cleaning, summary)
    _complete(cleaning, summary)


def _measure(cleaning: Cleaning, summary: CleanSummary) -> None:
    _timed("signals", _signals, cleaning, summary)
    _timed(near.STAGE, _near_index, cleaning, summary)


def _timed(
    name: str,
    step: Callable[[Cleaning, CleanSummary], None],
    cleaning: Cleaning,
    summary: CleanSummary,
) -> None:
    started = time.monotonic()
    step(cleaning, summary)
    pa.default_memory_pool().release_unused()  # the next step counts on its whole share
    summary.seconds[name] = round(time.monotonic() - started, 3)


def _signals(cleaning: Cleaning, summary: CleanSummary) -> None:
    stages = signals_of(cleaning)
    made = run_signals(cleaning.shards, cleaning.sidecars, stages, cleaning.engine, cleaning.report)
    summary.made.update({stage.name: made[f"{stage.name}_written"] for stage in stages})


def _near_index(cleaning: Cleaning, summary: CleanSummary) -> None:
    if cleaning.recipe.dedup.near:
        job = NearJob(
            shards=cleaning.shards,
            sidecars=cleaning.sidecars,
            recipe=cleaning.recipe.dedup,
            guess_encoding=cleaning.recipe.guess_encoding,
            engine=cleaning.engine,
            memory_bytes=cleaning.shares.database_bytes,
            threads=cleaning.shares.threads,
        )
        summary.made[near.STAGE] = update_near_index(job, cleaning.report)


def _decide(cleaning: Cleaning, summary: CleanSummary) -> None:
    summary.made.update(decide(cleaning, cleaning.sidecars))


def write_stamp(cleaning: Cleaning) -> str:
    """The digest of all that the written corpus depends on."""
    recipe = cleaning.recipe
    # An edit is proven with the running interpreter's grammar.
    python = ".".join(platform.python_version_tuple()[:2])
    parameters = [recipe.write, recipe.split, recipe.guess_encoding, cleaning.seed, python]
    made_from: list[str | None] = [
        stamp.digest for stamp in duplicate_stamps(cleaning, cleaning.folder.sidecars)
    ]
    made_from += scores.score_stamps(cleaning.shards, cleaning.sidecars)
    return digest([write.VERSION, [as_plain(value) for value in parameters], made_from])


def _write(cleaning: Cleaning, summary: CleanSummary) -> None:
    target, stamp = cleaning.folder.clean, write_stamp(cleaning)
    if write.is_written(target, stamp):
        write.discard_unfinished(target)
        summary.made[write.STAGE] = 0
        return
    folder = write.next_folder(target)
    # Else: killed between the manifest and the change of folders.
    if not write.is_written(folder, stamp):
        job = write.WriteJob(
            shards=cleaning.shards,
            sidecars=cleaning.sidecars,
            target=target,
            recipe=cleaning.recipe,
            seed=cleaning.seed,
            engine=cleaning.engine,
            stamp=stamp,
        )
        started = time.monotonic()
        cuts = write.run_write(job, cleaning.report)
        seconds = {**summary.seconds, write.STAGE: round(time.monotonic() - started, 3)}
        manifest = describe(job, cleaning.rules, cuts, seconds)
        write_manifest(folder, _with_takedowns(manifest, cleaning))
    write.swap(target)
    summary.made[write.STAGE] = len(read_manifest(target, write.MANIFEST_STAGE).outputs)


def _with_takedowns(manifest: Manifest, cleaning: Cleaning) -> Manifest:
    """The corpus's manifest says which repositories are not in it any more."""
    takedowns = [takedown.plain() for takedown in cleaning.takedowns]
    return replace(manifest, facts={**manifest.facts, TAKEDOWNS: takedowns})


def _complete(cleaning: Cleaning, summary: CleanSummary) -> None:
    """Fill in what came out, and say what a newcomer would stumble over."""
    manifest = read_manifest(cleaning.folder.clean, write.MANIFEST_STAGE)
    summary.counts = manifest.counts
    summary.splits = manifest.facts["splits"]
    wanted = {"train": 1.0, "validation": cleaning.recipe.split.validation_share}
    for name, share in {**wanted, "test": cleaning.recipe.split.test_share}.items():
        if share and not summary.splits[name]["documents"]:
            text = f"the {name} split is empty: too few repositories were kept"
            cleaning.report(Notice(text, warning=True))
