"""Write the cleaned corpus: shards of rewritten documents, split and shuffled, and the manifest.

Everything is made in a folder of its own, `clean.next`, and takes the place of `clean` only when
it is complete: the old corpus stays readable until then, and a killed run is taken up where it
was. It takes about twice the room of the cleaned corpus for a while: parts, then shards.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clean.ask.funnel import outcomes
from clean.recipe import CleanRecipe
from clean.selection import Selection
from clean.write.parts import RewriteWork, make_part, read_bucket, rewritten_shards, write_part
from clean.write.split import Cuts, bucket_of, cuts_for, order_keys, split_of
from corpus.engine import Engine
from corpus.errors import FileError, ManifestError
from corpus.events import Notice, Progress, Report, silent
from corpus.files import named_errors, remove_leftovers, write_text
from corpus.layout import SPLITS
from corpus.manifest import read_manifest, write_manifest
from corpus.schema import CLEANED
from corpus.shards import Shard, read_rows, write_shard

STAGE = "write"
VERSION = 2
MANIFEST_STAGE = "clean"
_STAMP_FILE = "stamp"
_WRITE_ROWS = 4096
_REPOSITORIES = pa.schema(
    [("repo_id", pa.int64()), ("bytes", pa.int64()), ("documents", pa.int64())]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteJob:
    """What the stage works on and what it may use."""

    shards: Sequence[Shard]
    sidecars: Path  # signals
    target: Path  # the cleaned corpus's folder
    recipe: CleanRecipe
    seed: int
    engine: Engine
    stamp: str  # digest of all that the corpus depends on
    decisions: Path | None = None  # verdicts and duplicates; off: beside the signals

    @property
    def decided(self) -> Path:
        """The folder of verdicts and duplicates."""
        return self.decisions or self.sidecars


@dataclass(frozen=True, slots=True)
class Plan:
    """Where repositories are cut into splits, and how many shards each split gets.

    A bucket is the number of a shard over all splits.
    """

    cuts: Cuts
    shards: tuple[int, ...]

    def buckets(self, repo_ids: np.ndarray, keys: np.ndarray, seed: int) -> np.ndarray:
        """The bucket of each document, by its repository and order key, (documents,) int64."""
        split = split_of(repo_ids, self.cuts, seed)
        first = np.cumsum([0, *self.shards[:-1]])
        buckets = np.empty(len(split), np.int64)
        for index, count in enumerate(self.shards):
            mine = split == index
            buckets[mine] = first[index] + bucket_of(keys[mine], max(1, count))
        return buckets

    def files(self) -> list[str]:
        """The path of each bucket's shard, by bucket."""
        return [
            f"{name}/shard-{number:05}.parquet"
            for name, count in zip(SPLITS, self.shards, strict=True)
            for number in range(count)
        ]


def next_folder(target: Path) -> Path:
    """Where the corpus is made before it takes its place."""
    return target.with_name(f"{target.name}.next")


def old_folder(target: Path) -> Path:
    """Where the corpus before it goes, for a moment."""
    return target.with_name(f"{target.name}.old")


def is_written(target: Path, stamp: str) -> bool:
    """Whether the corpus in `target` is complete and made from what `stamp` says."""
    try:
        manifest = read_manifest(target, MANIFEST_STAGE)
    except ManifestError:
        return False
    return manifest.facts.get("stamp") == stamp and all(
        (target / entry.path).is_file() and (target / entry.path).stat().st_size == entry.bytes
        for entry in manifest.outputs
    )


def restore(target: Path) -> None:
    """Undo or finish a change of folders that was cut short.

    Raises FileError where something that is no folder stands in a folder's place.
    """
    old = old_folder(target)
    for folder in (target, next_folder(target), old):
        if folder.exists() and not folder.is_dir():
            problem = "a file stands where the cleaned corpus has a folder; move it away"
            raise FileError(folder, f"{problem} and run again")
    if not old.is_dir():
        return
    with named_errors(old):
        if target.exists():
            shutil.rmtree(old)
        else:
            old.rename(target)


def run_write(job: WriteJob, report: Report = silent) -> Cuts:
    """Make the shards in `clean.next`; a manifest and `swap` make them the corpus.

    Returns where the repositories were cut into splits.

    Raises ShardError or SidecarError for what can't be read, DiskFullError or FileError for what
    can't be written.
    """
    folder = next_folder(job.target)
    with named_errors(folder):
        _take_up(folder, job.stamp)
        plan = _plan(job, folder, report)
        _write_parts(job, folder, plan, report)
        _write_shards(job, folder, plan, report)
    return plan.cuts


def _take_up(folder: Path, stamp: str) -> None:
    """Go on with what a killed run left if it was to be the same corpus; else begin anew."""
    stamp_file = folder / _STAMP_FILE
    if not stamp_file.is_file() or stamp_file.read_text() != stamp:
        if folder.exists():
            shutil.rmtree(folder)
        write_text(stamp_file, stamp)
    remove_leftovers(folder)


def _selection(folder: Path) -> Selection:
    return Selection(folder / "selected")


def part_file(folder: Path, shard: Shard) -> Path:
    """Where the documents of a raw shard wait for their places."""
    return folder / "parts" / shard.name


def _plan(job: WriteJob, folder: Path, report: Report) -> Plan:
    """Select the kept rows of each shard, and count the shards that they will fill."""
    repositories = _REPOSITORIES.empty_table()
    for done, shard in enumerate(job.shards, 1):
        rows = np.flatnonzero(outcomes(shard, job.decided).column("reason").is_null().to_numpy())
        _selection(folder).save(shard, rows)
        kept = read_rows(shard, columns=["repo_id", "size"]).take(pa.array(rows))
        counted = kept.append_column("documents", pa.array(np.ones(len(rows), np.int64)))
        counted = counted.rename_columns(_REPOSITORIES.names).cast(_REPOSITORIES)
        both = pa.concat_tables([repositories, counted])
        sums = both.group_by("repo_id").aggregate([("bytes", "sum"), ("documents", "sum")])
        repositories = sums.rename_columns(_REPOSITORIES.names)
        report(Progress("write: plan", done, len(job.shards), "shards"))
    return _planned(repositories, job)


def _planned(repositories: pa.Table, job: WriteJob) -> Plan:
    repo_ids, size, documents = (column.to_numpy() for column in repositories.columns)
    cuts = cuts_for(repo_ids, job.recipe.split, job.seed)
    split = split_of(repo_ids, cuts, job.seed)
    split_bytes = np.bincount(split, size, len(SPLITS))
    full = np.ceil(split_bytes / job.recipe.write.shard_bytes).astype(np.int64)
    # Even documents without a byte need a shard to be in.
    some = np.bincount(split, documents, len(SPLITS)) > 0
    return Plan(cuts, tuple(np.maximum(full, some).tolist()))


def _write_parts(job: WriteJob, folder: Path, plan: Plan, report: Report) -> None:
    selection = _selection(folder)
    total = sum(len(selection.of_shard(shard)) for shard in job.shards)
    missing = [shard for shard in job.shards if not part_file(folder, shard).exists()]
    done = total - sum(len(selection.of_shard(shard)) for shard in missing)
    work = RewriteWork(selection, job.recipe.write, job.recipe.guess_encoding)
    for shard, table, lost in rewritten_shards(missing, work, job.engine):
        part = make_part(shard, job.sidecars, table, lost)
        keys = order_keys(shard.name, part.table.column("source_row").to_numpy(), job.seed)
        buckets = plan.buckets(part.table.column("repo_id").to_numpy(), keys, job.seed)
        write_part(part_file(folder, shard), part, buckets, keys)
        for loss in lost:
            report(Notice(f"{loss.unit}: {loss.reason} while rewriting; dropped", warning=True))
        done += table.num_rows + len(lost)
        report(Progress("write: rewrite", done, total, "files"))


def _write_shards(job: WriteJob, folder: Path, plan: Plan, report: Report) -> None:
    parts = [part_file(folder, shard) for shard in sorted(job.shards, key=lambda shard: shard.name)]
    for split in SPLITS:
        (folder / split).mkdir(exist_ok=True)
    files = plan.files()
    for bucket, name in enumerate(files):
        if not (folder / name).exists():
            _write_shard(folder / name, parts, bucket)
        report(Progress("write: shuffle", bucket + 1, len(files), "shards"))


def _write_shard(path: Path, parts: Sequence[Path], bucket: int) -> None:
    """One bucket is in memory, and gone before the next one comes."""
    table = read_bucket(parts, bucket)
    with write_shard(path, CLEANED) as writer:
        for start in range(0, table.num_rows, _WRITE_ROWS):
            writer.write(table.slice(start, _WRITE_ROWS))
        writer.notes["text_bytes"] = _text_bytes(table)


def _text_bytes(table: pa.Table) -> int:
    return int(pc.sum(pc.binary_length(table.column("text").cast(pa.binary()))).as_py() or 0)


def discard_unfinished(target: Path) -> None:
    """Remove what a killed run left of a corpus that nobody wants any more."""
    folder = next_folder(target)
    with named_errors(folder):
        if folder.exists():
            shutil.rmtree(folder)


def forget(target: Path) -> None:
    """Let the corpus in `target`, which stays readable, no longer pass for current.

    Raises FileError naming the folder that can't be changed.
    """
    discard_unfinished(target)
    try:
        manifest = read_manifest(target, MANIFEST_STAGE)
    except ManifestError:
        return
    write_manifest(target, replace(manifest, facts={**manifest.facts, "stamp": ""}))


def swap(target: Path) -> None:
    """Put `clean.next` in the place of `clean`; killed in between, `restore` undoes it."""
    folder, old = next_folder(target), old_folder(target)
    with named_errors(target):
        for leftover in ("parts", "selected"):
            shutil.rmtree(folder / leftover, ignore_errors=True)
        (folder / _STAMP_FILE).unlink(missing_ok=True)
        if target.exists():
            target.rename(old)
        folder.rename(target)
        shutil.rmtree(old, ignore_errors=True)
