"""What a cleaning command works on: the raw shards, the rules, and the folder to itself."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clean.budget import Shares, budget_of, share_memory
from clean.recipe import CleanRecipe
from clean.rules.catalog import active_rules
from clean.rules.rule import Rule
from clean.superseded import buried_in, superseded_in
from clean.takedown.register import Takedown, read_takedowns
from corpus.engine import Engine
from corpus.engine.pool import Limits, LocalPool
from corpus.errors import ManifestError, ShardError, StaleInputError, UsageError
from corpus.events import Notice, Report, silent
from corpus.files import named_errors
from corpus.layout import RunFolder
from corpus.manifest import FileEntry, read_manifest
from corpus.shards import Shard, open_shard

# What every worker needs, machine code included.
WORKER_MODULES = ("clean.signals.measure", "clean.signals.stages", "clean.compiled.loaded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """One command's recipe, inputs and means."""

    folder: RunFolder
    recipe: CleanRecipe
    seed: int
    shards: Sequence[Shard]
    rules: tuple[Rule, ...]
    takedowns: tuple[Takedown, ...]
    shares: Shares
    engine: Engine
    sidecars: Path  # where the stages keep what they found out
    report: Report = silent


def open_cleaning(
    folder: RunFolder,
    recipe: CleanRecipe,
    *,
    seed: int,
    engine: Engine | None = None,
    report: Report = silent,
    measures: bool = True,
) -> Cleaning:
    """Look at everything that a command needs before it changes anything.

    `measures` says whether content will be read, which takes workers. Raises UsageError for too
    small a memory budget, StaleInputError if the harvest has not finished, ShardError for a
    damaged shard, FileError for a list of takedowns that can't be read.
    """
    shares = _shares(recipe, measures=measures)
    takedowns = read_takedowns(folder.takedowns)
    taken_down = frozenset(takedown.id for takedown in takedowns)
    if shares.short:
        megabytes = shares.worker_bytes // 1_000_000
        text = f"the memory budget leaves {megabytes}MB for the one worker: a file that needs more "
        report(Notice(f"{text}is dropped as 'memory'", warning=True))
    return Cleaning(
        folder=folder,
        recipe=recipe,
        seed=seed,
        shards=input_shards(folder.raw, report),
        rules=active_rules(
            recipe.rules,
            seed=seed,
            taken_down=taken_down,
            buried=buried_in(folder.raw),
            refreshed=bool(superseded_in(folder.raw)),
        ),
        takedowns=takedowns,
        shares=shares,
        engine=engine or _local_engine(folder, recipe, shares),
        sidecars=folder.sidecars,
        report=report,
    )


def _shares(recipe: CleanRecipe, *, measures: bool) -> Shares:
    limits = recipe.limits
    return share_memory(
        budget_of(limits),
        workers=limits.workers or os.cpu_count() or 1,
        worker_bytes=limits.worker_bytes,
        shard_bytes=recipe.write.shard_bytes,
        measures=measures,
    )


def _local_engine(folder: RunFolder, recipe: CleanRecipe, shares: Shares) -> Engine:
    limits = Limits(row_cpu_s=recipe.limits.row_cpu_s, worker_bytes=shares.worker_bytes)
    return LocalPool(shares.workers, limits, scratch=folder.scratch, preload=WORKER_MODULES)


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
def only_run(folder: RunFolder) -> Iterator[None]:
    """Keep a second run out of the same folder; the kernel lets go when the process ends.

    What killed runs left in the scratch folder is removed, before and after.
    """
    path = folder.root / "clean.lock"
    with named_errors(path), path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"{folder.root}: another cleaning run is at work there") from error
        _remove(folder.scratch)
        try:
            yield
        finally:
            _remove(folder.scratch)


def _remove(folder: Path) -> None:
    with named_errors(folder):
        if folder.exists():
            shutil.rmtree(folder)
