"""Deduplication among the documents that passed the rules: exact, then near.

Its result is a sidecar a shard (why a document is dropped, for which survivor, how similar) and
the list of all pairs that were compared. One document of every group stays, chosen by the
recipe's order; the result depends neither on workers nor on the order of the shards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from clean.dedup import candidates, exact
from clean.dedup.candidates import CandidateStore, ShingleWork
from clean.dedup.near import Election, band_shape, components, elect
from clean.dedup.scratch import Scratch, open_scratch
from clean.recipe import DedupRecipe
from clean.rules.verdicts import STAGE as VERDICT
from clean.selection import Selection
from clean.signals.fingerprint import band_keys
from corpus.engine import Engine
from corpus.errors import ShardError, SidecarError
from corpus.events import Progress, Report, silent
from corpus.files import named_errors
from corpus.recipe import as_plain, digest
from corpus.shards import Shard, open_shard, write_shard
from corpus.sidecars import Stamp, is_current, read_stamp, sidecar_path, write_sidecar

STAGE = "dedup"
VERSION = 1
EDGES = "edges"  # the folder, beside the stages, of the compared pairs
SCHEMA = pa.schema(
    [
        pa.field("reason", pa.string()),  # exact_duplicate, near_duplicate; null: stays
        pa.field("survivor_shard", pa.string()),  # what stays in its place
        pa.field("survivor_row", pa.int64()),
        pa.field("similarity", pa.float32()),  # to the survivor: Jaccard, 1 for equal content
    ]
)
EDGES_SCHEMA = pa.schema(
    [
        pa.field("kept_shard", pa.string(), nullable=False),
        pa.field("kept_row", pa.int64(), nullable=False),
        pa.field("other_shard", pa.string(), nullable=False),
        pa.field("other_row", pa.int64(), nullable=False),
        pa.field("estimate", pa.float32(), nullable=False),  # from the signatures
        pa.field("jaccard", pa.float32(), nullable=False),  # from the shingles
    ]
)
_PAIR_ROWS = 100_000
_DECISIONS = pa.schema(
    [("rank", pa.int64()), ("survivor", pa.int64()), ("similarity", pa.float64())]
)
_PAIRS = pa.schema(
    [
        ("kept", pa.int64()),
        ("other", pa.int64()),
        ("estimate", pa.float64()),
        ("similarity", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupJob:
    """What the stage works on and what it may use."""

    shards: Sequence[Shard]
    sidecars: Path
    recipe: DedupRecipe
    guess_encoding: bool
    engine: Engine
    max_memory_bytes: int
    threads: int


def edges_path(sidecars: Path) -> Path:
    """Where the compared pairs are."""
    return sidecars / EDGES / "edges.parquet"


def scratch_folder(sidecars: Path) -> Path:
    """Where the stage's database is while it runs."""
    return sidecars / f"{STAGE}.scratch"


def dedup_stamps(
    shards: Sequence[Shard], sidecars: Path, recipe: DedupRecipe, *, guess_encoding: bool
) -> list[Stamp]:
    """The stamp of each shard's result, which depends on every shard."""
    inputs = []
    for shard in shards:
        for stage in (VERDICT, "fingerprint"):
            stamp = read_stamp(sidecar_path(sidecars, stage, shard))
            if stamp is None:
                path = sidecar_path(sidecars, stage, shard)
                raise SidecarError(path, "no such sidecar; run the stage that makes it")
            inputs.append((shard.name, stamp.digest))
    everything = digest(sorted(inputs))
    parameters = digest({**as_plain(recipe), "guess_encoding": guess_encoding})
    return [Stamp(STAGE, VERSION, parameters, shard.digest, (everything,)) for shard in shards]


def dedup_is_current(shards: Sequence[Shard], sidecars: Path, stamps: Sequence[Stamp]) -> bool:
    """Whether every shard's result and the pairs are what a run would make."""
    pairs = zip(shards, stamps, strict=True)
    if not all(is_current(sidecar_path(sidecars, STAGE, shard), stamp) for shard, stamp in pairs):
        return False
    try:
        return open_shard(edges_path(sidecars)).notes == _edge_notes(stamps)
    except ShardError:
        return False


def _edge_notes(stamps: Sequence[Stamp]) -> dict[str, str]:
    return {"made_from": digest(sorted(stamp.digest for stamp in stamps))}


def duplicate_stamps(
    shards: Sequence[Shard], sidecars: Path, decisions: Path, recipe: DedupRecipe
) -> list[Stamp]:
    """The stamp of each shard's result, which depends on every shard.

    Raises SidecarError if a shard has no fingerprints or no verdicts, StaleInputError if near
    duplicates are wanted and the near index is missing or of other shards or another banding.
    """
    return dedup_stamps(shards, sidecars, recipe, guess_encoding=False)


def duplicates_are_current(
    shards: Sequence[Shard], decisions: Path, stamps: Sequence[Stamp]
) -> bool:
    """Whether every shard's result and the pairs are what a decision would make."""
    return dedup_is_current(shards, decisions, stamps)


def decide_duplicates(
    shards: Sequence[Shard],
    sidecars: Path,
    decisions: Path,
    recipe: DedupRecipe,
    *,
    memory_bytes: int,
    threads: int,
    report: Report = silent,
) -> int:
    """Decide who stays among the documents that passed; how many files were made, 0 if current.

    Reads fingerprints and the near index in `sidecars` and the verdicts in `decisions`, writes
    `dedup/` and `edges/` there. Reads no content. Raises what `duplicate_stamps` raises, and
    DiskFullError or FileError for what can't be written.
    """
    from corpus.engine import Done

    class Inline:  # until the index is there
        def enter(self, row: int) -> None: ...

        def run(self, work, units):  # type: ignore[no-untyped-def]
            return (Done(unit, work(unit, self)) for unit in units)

    stamps = duplicate_stamps(shards, sidecars, decisions, recipe)
    if duplicates_are_current(shards, decisions, stamps):
        return 0
    job = DedupJob(
        shards=shards, sidecars=sidecars, recipe=recipe, guess_encoding=False, engine=Inline(),
        max_memory_bytes=memory_bytes, threads=threads,
    )  # fmt: skip
    run_dedup(job, stamps, report)
    return len(shards)


def run_dedup(job: DedupJob, stamps: Sequence[Stamp], report: Report = silent) -> None:
    """Find the duplicates among all survivors of the rules, and write who stays.

    Raises SidecarError or ShardError for what can't be read, DiskFullError or FileError for what
    can't be written.
    """
    folder = scratch_folder(job.sidecars)
    with (
        named_errors(folder),
        open_scratch(folder, max_memory_bytes=job.max_memory_bytes, threads=job.threads) as scratch,
    ):
        _rank(job, scratch, report)
        scratch.add("pairs", _PAIRS.empty_table())
        scratch.add("near", _DECISIONS.empty_table())
        if job.recipe.near:
            _find_near(job, scratch, report)
        _write_edges(job, scratch, stamps)
        _write_sidecars(job, scratch, stamps, report)


def _rank(job: DedupJob, scratch: Scratch, report: Report) -> None:
    lists = scratch.folder / "lists"
    for index, shard in enumerate(job.shards):
        exact.write_document_list(shard, index, job.sidecars, lists)
        report(Progress("dedup: list survivors", index + 1, len(job.shards), "shards"))
    exact.rank(scratch, lists, job.recipe.survivor_order, exact=job.recipe.exact)


def _find_near(job: DedupJob, scratch: Scratch, report: Report) -> None:
    bands, rows = banding(job.recipe)
    keys = scratch.folder / "keys"
    for index, of_shard, ranks in exact.leaders_by_shard(scratch):
        positions, signatures = candidates.read_signatures(
            job.shards[index], job.sidecars, of_shard
        )
        candidates.write_band_keys(
            keys / f"{index:06}.parquet", ranks[positions], band_keys(signatures, bands, rows)
        )
        report(Progress("dedup: key bands", index + 1, len(job.shards), "shards"))
    if not keys.is_dir():
        return  # nothing passed the rules
    hubs, members = candidates.star_edges(scratch, keys, bands, report)
    if len(hubs):
        _elect_all(job, scratch, *components(hubs, members), report)


def banding(recipe: DedupRecipe) -> tuple[int, int]:
    """(bands, rows a band), stated by the recipe or derived from its recall."""
    if recipe.bands is not None and recipe.band_rows is not None:
        return recipe.bands, recipe.band_rows
    return band_shape(recipe.min_jaccard, recipe.permutations, recipe.min_recall)


def _elect_all(
    job: DedupJob, scratch: Scratch, ranks: np.ndarray, starts: np.ndarray, report: Report
) -> None:
    """Elect in each component: candidates [starts[i], starts[i + 1]) of `ranks`."""
    bands, rows = banding(job.recipe)
    store = _fetch(job, scratch, ranks, report)
    decisions = _Pending(scratch, ranks)
    done = 0
    for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        signatures = store.signatures(start, stop)
        shingles = [store.shingles(position) for position in range(start, stop)]
        keys = band_keys(signatures, bands, rows)
        decisions.add(start, elect(keys, signatures, shingles, job.recipe.min_jaccard))
        if stop - done >= 1000 or stop == len(ranks):
            done = stop
            report(Progress("dedup: elect survivors", done, len(ranks), "files"))
    decisions.flush()


def _fetch(job: DedupJob, scratch: Scratch, ranks: np.ndarray, report: Report) -> CandidateStore:
    """Read the signatures and shingles of the candidates, and of no other document."""
    store = CandidateStore(scratch.folder, ranks, job.recipe.permutations)
    wanted = []
    for index, rows, of_shard in exact.leaders_by_shard(scratch):
        found, positions = store.positions(of_shard)
        if len(positions):
            wanted.append((job.shards[index], rows[found], positions))
    store.fill_signatures(
        (positions, candidates.read_signatures(shard, job.sidecars, rows)[1])
        for shard, rows, positions in wanted
    )
    selection = Selection(scratch.folder / "wanted")
    work = ShingleWork(selection, job.recipe.shingle_tokens, job.guess_encoding)
    store.fill_shingles(candidates.shingle_candidates(wanted, work, job.engine, report))
    return store


class _Pending:
    """Pairs and decisions on their way into the database, in ranks."""

    def __init__(self, scratch: Scratch, ranks: np.ndarray) -> None:
        self._scratch, self._ranks = scratch, ranks
        self._pairs: list[tuple[int, int, float, float]] = []
        self._near: list[tuple[int, int, float]] = []

    def add(self, start: int, election: Election) -> None:
        """Take the outcome of the component whose candidates begin at `start`."""
        for pair in election.pairs:
            kept, other = self._ranks[start + pair.kept], self._ranks[start + pair.other]
            self._pairs.append((kept, other, pair.estimate, pair.similarity))
        for pair in election.dropped:
            kept, other = self._ranks[start + pair.kept], self._ranks[start + pair.other]
            self._near.append((other, kept, pair.similarity))
        if len(self._pairs) >= _PAIR_ROWS:
            self.flush()

    def flush(self) -> None:
        """Hand over what has gathered."""
        self._scratch.append("pairs", _table(self._pairs, _PAIRS))
        self._scratch.append("near", _table(self._near, _DECISIONS))
        self._pairs, self._near = [], []


def _table(rows: Sequence[tuple[float, ...]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
    return pa.table(arrays, schema=schema)


def _write_edges(job: DedupJob, scratch: Scratch, stamps: Sequence[Stamp]) -> None:
    sql = """
        SELECT k.shard AS kept_shard, k.row AS kept_row, o.shard AS other_shard,
            o.row AS other_row, p.estimate::FLOAT AS estimate, p.similarity::FLOAT AS jaccard
        FROM pairs p JOIN ranked k ON k.rank = p.kept JOIN ranked o ON o.rank = p.other
        ORDER BY p.other, p.kept
    """
    with write_shard(edges_path(job.sidecars), EDGES_SCHEMA) as writer:
        for batch in scratch.batches(sql):
            table = pa.Table.from_batches([batch])
            for column in ("kept_shard", "other_shard"):
                table = _name_shards(table, column, job.shards)
            writer.write(table)
        writer.notes.update(_edge_notes(stamps))


def _name_shards(table: pa.Table, column: str, shards: Sequence[Shard]) -> pa.Table:
    """Shard names in place of shard indexes."""
    names = pa.array([shard.name for shard in shards], pa.string())
    place = table.column_names.index(column)
    return table.set_column(place, column, names.take(table.column(column).combine_chunks()))


def _write_sidecars(
    job: DedupJob, scratch: Scratch, stamps: Sequence[Stamp], report: Report
) -> None:
    # One cursor gives the dropped rows in the order of the shards; a shard may have none.
    dropped = exact.outcomes(scratch)
    waiting = next(dropped, None)
    for index, (shard, stamp) in enumerate(zip(job.shards, stamps, strict=True)):
        table = None
        if waiting is not None and waiting[0] == index:
            table, waiting = waiting[1], next(dropped, None)
        path = sidecar_path(job.sidecars, STAGE, shard)
        write_sidecar(path, _row_aligned(table, shard, job.shards), stamp, shard.rows)
        report(Progress("dedup: write", index + 1, len(job.shards), "shards"))


def _row_aligned(dropped: pa.Table | None, shard: Shard, shards: Sequence[Shard]) -> pa.Table:
    """Spread the dropped rows over the rows of their shard."""
    if dropped is None or not dropped.num_rows:
        return pa.table([pa.nulls(shard.rows, kind) for kind in SCHEMA.types], schema=SCHEMA)
    places = np.full(shard.rows, -1, np.int64)
    places[dropped.column("row").to_numpy()] = np.arange(dropped.num_rows)
    named = _name_shards(dropped, "survivor_shard", shards).select(SCHEMA.names)
    return named.take(pa.array(places, mask=places < 0)).cast(SCHEMA)
