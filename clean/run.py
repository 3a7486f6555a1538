"""Run the cleaning stages in order, each only if what it depends on has changed.

Signals (text, syntax, license, fingerprint) -> verdict -> dedup -> write. What is current is
known from the stamps in the files. A stage that is asked for by name is made again with whatever
depends on it, and with nothing else that is current.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from clean.ask.funnel import FunnelStep, funnel, tally
from clean.dedup import stage as dedup
from clean.recipe import CleanRecipe
from clean.rules import verdicts
from clean.rules.rule import Rule, active_rules
from clean.signals.measure import run_signals
from clean.signals.parameters import SignalParameters
from clean.signals.stages import signal_stages
from clean.write import stage as write
from clean.write.account import describe
from corpus.engine import Engine
from corpus.engine.pool import Limits, LocalPool
from corpus.errors import ManifestError, ShardError, SidecarError, StaleInputError, UsageError
from corpus.events import Notice, Progress, Report, silent
from corpus.files import named_errors, remove_leftovers
from corpus.layout import RunFolder
from corpus.manifest import FileEntry, read_manifest, write_manifest
from corpus.recipe import as_plain, digest, nearest
from corpus.shards import Shard, open_shard
from corpus.sidecars import is_current, sidecar_path

SIGNALS = ("text", "syntax", "license", "fingerprint")
STAGES = (*SIGNALS, verdicts.STAGE, dedup.STAGE, write.STAGE)


@dataclass(slots=True)
class CleanSummary:
    """What a run did."""

    shards: int
    made: dict[str, int] = field(default_factory=dict)  # by stage: files written, 0 if current
    seconds: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)  # documents by outcome
    splits: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """One run's recipe, inputs and means."""

    folder: RunFolder
    recipe: CleanRecipe
    seed: int
    shards: Sequence[Shard]
    rules: tuple[Rule, ...]
    engine: Engine
    report: Report = silent

    @property
    def sidecars(self) -> Path:
        """Where the stages keep what they found out."""
        return self.folder.sidecars


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

    Raises UsageError for an unknown stage, StaleInputError if the harvest has not finished,
    ShardError or SidecarError for a damaged file, DiskFullError or FileError for what can't be
    written. Whatever was finished stays, and the next run goes on from there.
    """
    rules = active_rules(recipe.rules)
    forced = dependents(stage, rules) if stage is not None else ()
    cleaning = Cleaning(
        folder=folder,
        recipe=recipe,
        seed=seed,
        shards=input_shards(folder.raw, report),
        rules=rules,
        engine=engine or local_engine(recipe),
        report=report,
    )
    summary = CleanSummary(len(cleaning.shards))
    with _only_run(folder):
        write.restore(folder.clean)
        remove_leftovers(folder.sidecars)
        shutil.rmtree(dedup.scratch_folder(folder.sidecars), ignore_errors=True)
        _forget(cleaning, forced)
        for name, run in (
            ("signals", _signals),
            (verdicts.STAGE, _verdicts),
            (dedup.STAGE, _dedup),
            (write.STAGE, _write),
        ):
            started = time.monotonic()
            run(cleaning, summary)
            summary.seconds[name] = round(time.monotonic() - started, 3)
        _complete(cleaning, summary)
    return summary


def dependents(stage: str, rules: Sequence[Rule]) -> tuple[str, ...]:
    """`stage` and all stages that are made from it. Raises UsageError for an unknown one."""
    if stage not in STAGES:
        raise UsageError(f"no stage {stage!r}; {nearest(stage, list(STAGES))}")
    used = {stage}
    # Verdicts read the signals of the rules that are on, and no others.
    if used & set(verdicts.stages_of(rules)):
        used.add(verdicts.STAGE)
    if used & {verdicts.STAGE, "fingerprint"}:
        used.add(dedup.STAGE)
    if dedup.STAGE in used:
        used.add(write.STAGE)
    return tuple(name for name in STAGES if name in used)


def local_engine(recipe: CleanRecipe) -> Engine:
    """The process pool that the recipe's limits describe."""
    limits = Limits(row_cpu_s=recipe.limits.row_cpu_s, worker_bytes=recipe.limits.worker_bytes)
    return LocalPool(recipe.limits.workers, limits)


def input_shards(raw: Path, report: Report = silent) -> list[Shard]:
    """The shards that the harvest's manifest names.

    Raises StaleInputError if the harvest has not finished, ShardError for a shard that is
    missing, damaged or has other rows than the manifest says.
    """
    try:
        manifest = read_manifest(raw, "harvest")
    except ManifestError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise StaleInputError(_not_harvested(raw)) from error
        raise
    entries = [entry for entry in manifest.outputs if entry.path.endswith(".parquet")]
    if not entries:
        raise StaleInputError(f"{raw}: the harvest found no files; nothing to clean")
    shards = [_input_shard(raw, entry) for entry in entries]
    named = {entry.path for entry in entries}
    strangers = sorted(path.name for path in raw.glob("*.parquet") if path.name not in named)
    if strangers:
        text = f"{raw}: {len(strangers)} shards are not in the harvest's manifest, left out"
        report(Notice(f"{text} ({strangers[0]} ...)", warning=True))
    return sorted(shards, key=lambda shard: shard.name)


def _not_harvested(raw: Path) -> str:
    if not raw.is_dir():
        return f"{raw}: no raw shards; run the harvest first"
    return f"{raw}: the harvest has not finished there; run it again, it goes on where it was"


def _input_shard(raw: Path, entry: FileEntry) -> Shard:
    path = raw / entry.path
    if not path.exists():
        raise ShardError(path, "missing, though the harvest's manifest names it; harvest again")
    shard = open_shard(path)
    if entry.rows is not None and shard.rows != entry.rows:
        problem = f"{shard.rows} rows, not {entry.rows} as the harvest's manifest says"
        raise ShardError(path, f"{problem}; harvest again")
    return shard


@contextmanager
def _only_run(folder: RunFolder) -> Iterator[None]:
    """Keep a second run out of the same folder; the kernel lets go when the process ends."""
    path = folder.root / "clean.lock"
    with named_errors(path), path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"{folder.root}: another cleaning run is at work there") from error
        yield


def _forget(cleaning: Cleaning, stages: Sequence[str]) -> None:
    """Make `stages` out of date, so that even a run that is killed makes them anew."""
    for name in stages:
        for shard in cleaning.shards:
            path = sidecar_path(cleaning.sidecars, name, shard)
            with named_errors(path):
                path.unlink(missing_ok=True)
    if write.STAGE in stages:
        write.forget(cleaning.folder.clean)


def _signals(cleaning: Cleaning, summary: CleanSummary) -> None:
    recipe = cleaning.recipe
    parameters = SignalParameters(
        guess_encoding=recipe.guess_encoding,
        shingle_tokens=recipe.dedup.shingle_tokens,
        permutations=recipe.dedup.permutations,
    )
    stages = signal_stages(parameters)
    assert tuple(stage.name for stage in stages) == SIGNALS, "a signal stage is not in SIGNALS"
    for stage in stages:
        paths = [(sidecar_path(cleaning.sidecars, stage.name, s), s) for s in cleaning.shards]
        stale = sum(not is_current(path, stage.stamp(shard)) for path, shard in paths)
        summary.made[stage.name] = stale
    run_signals(cleaning.shards, cleaning.sidecars, stages, cleaning.engine, cleaning.report)


def _verdicts(cleaning: Cleaning, summary: CleanSummary) -> None:
    stale = []
    for shard in cleaning.shards:
        stamp = verdicts.verdict_stamp(shard, cleaning.sidecars, cleaning.rules)
        if not is_current(sidecar_path(cleaning.sidecars, verdicts.STAGE, shard), stamp):
            stale.append(shard)
    for done, shard in enumerate(stale, 1):
        verdicts.write_verdicts(shard, cleaning.sidecars, cleaning.rules)
        cleaning.report(Progress("verdict", done, len(stale), "shards"))
    summary.made[verdicts.STAGE] = len(stale)


def _dedup(cleaning: Cleaning, summary: CleanSummary) -> None:
    recipe = cleaning.recipe
    stamps = dedup_stamps(cleaning)
    current = dedup.dedup_is_current(cleaning.shards, cleaning.sidecars, stamps)
    summary.made[dedup.STAGE] = 0 if current else len(cleaning.shards)
    if not current:
        job = dedup.DedupJob(
            shards=cleaning.shards,
            sidecars=cleaning.sidecars,
            recipe=recipe.dedup,
            guess_encoding=recipe.guess_encoding,
            engine=cleaning.engine,
            max_memory_bytes=recipe.limits.max_memory_bytes,
            threads=recipe.limits.workers or os.cpu_count() or 1,
        )
        dedup.run_dedup(job, stamps, cleaning.report)


def dedup_stamps(cleaning: Cleaning) -> list[dedup.Stamp]:
    """What the duplicates depend on, as things are on the disk."""
    return dedup.dedup_stamps(
        cleaning.shards,
        cleaning.sidecars,
        cleaning.recipe.dedup,
        guess_encoding=cleaning.recipe.guess_encoding,
    )


def write_stamp(cleaning: Cleaning) -> str:
    """The digest of all that the written corpus depends on."""
    recipe = cleaning.recipe
    # An edit is proven with the running interpreter's grammar.
    python = ".".join(platform.python_version_tuple()[:2])
    parameters = [recipe.write, recipe.split, recipe.guess_encoding, cleaning.seed, python]
    made_from = [stamp.digest for stamp in dedup_stamps(cleaning)]
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
        write_manifest(folder, describe(job, cleaning.rules, cuts, seconds))
    write.swap(target)
    summary.made[write.STAGE] = len(read_manifest(target, write.MANIFEST_STAGE).outputs)


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


def current_funnel(folder: RunFolder, recipe: CleanRecipe) -> list[FunnelStep]:
    """The funnel of what the stages last decided. Raises StaleInputError if that is outdated."""
    shards = input_shards(folder.raw)
    rules = active_rules(recipe.rules)
    for shard in shards:
        path = sidecar_path(folder.sidecars, verdicts.STAGE, shard)
        try:
            current = is_current(path, verdicts.verdict_stamp(shard, folder.sidecars, rules))
        except SidecarError as error:
            raise StaleInputError(f"{error.path}: {error.problem} (clean run)") from error
        if not current:
            raise StaleInputError(f"{path}: not made by this recipe's rules; clean run first")
    guess = recipe.guess_encoding
    stamps = dedup.dedup_stamps(shards, folder.sidecars, recipe.dedup, guess_encoding=guess)
    if not dedup.dedup_is_current(shards, folder.sidecars, stamps):
        raise StaleInputError(f"{folder.sidecars}: duplicates are outdated; clean run first")
    steps = funnel(tally(shards, folder.sidecars), rules)
    return [*steps, *_written_step(folder, steps[-1])]


def _written_step(folder: RunFolder, last: FunnelStep) -> list[FunnelStep]:
    """What the corpus's manifest says of the text that was written, if it is of this funnel."""
    try:
        written = FunnelStep(
            **read_manifest(folder.clean, write.MANIFEST_STAGE).facts["funnel"][-1]
        )
    except (ManifestError, KeyError, TypeError):
        return []
    return [written] if written.files + written.dropped_files == last.files else []
