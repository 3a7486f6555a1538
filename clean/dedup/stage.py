"""Deduplication among the documents that passed the rules: exact, then near.

Its result is a sidecar a shard (why a document is dropped, for which survivor, how similar) and
the list of all pairs that were compared. One document of every group stays, chosen by the
recipe's order; the result depends neither on workers nor on the order of the shards. No content
is read: whatever deciding needs lies in the fingerprints and in the near index.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from clean.compiled.warm import compile_missing
from clean.dedup import index, preflight, ranking
from clean.dedup.bands import FINGERPRINT, stamp_of
from clean.dedup.batches import CONTENTS_SHARE
from clean.dedup.election import ElectionJob, elect_all
from clean.dedup.extract import Extractor, Workspace
from clean.dedup.scratch import Scratch, open_scratch, remove_scratch
from clean.recipe import DedupRecipe
from clean.rules.verdicts import STAGE as VERDICT
from corpus.errors import ShardError, StaleInputError
from corpus.events import Progress, Report, silent
from corpus.files import named_errors, remove_leftovers
from corpus.recipe import digest
from corpus.shards import Shard, open_shard, write_shard
from corpus.sidecars import Stamp, is_current, sidecar_path, write_sidecar

STAGE = "dedup"
VERSION = 2
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
        pa.field("estimate", pa.float64(), nullable=False),  # from the signatures
        pa.field("jaccard", pa.float64(), nullable=False),  # from the shingles
        pa.field("kept_content", pa.uuid(), nullable=False),  # the digests, whatever the shards
        pa.field("other_content", pa.uuid(), nullable=False),
    ]
)


def edges_path(decisions: Path) -> Path:
    """Where the compared pairs are."""
    return decisions / EDGES / "edges.parquet"


def scratch_folder(decisions: Path) -> Path:
    """Where the stage's database is while it runs."""
    return decisions / f"{STAGE}.scratch"


def stages_read(recipe: DedupRecipe) -> tuple[str, ...]:
    """The signal stages that the decision reads; none if nothing is looked for."""
    if not (recipe.exact or recipe.near):
        return ()
    return (FINGERPRINT, *ranking.stages_ranked_by(recipe.survivor_order))


def duplicate_stamps(
    shards: Sequence[Shard], sidecars: Path, decisions: Path, recipe: DedupRecipe
) -> list[Stamp]:
    """The stamp of each shard's result, which depends on every shard.

    Raises SidecarError if a shard has no fingerprints, no verdicts or not what the survivor order
    reads, StaleInputError if near duplicates are wanted and the near index is missing or of other
    shards or another banding.
    """
    read = ((VERDICT, decisions), *((signal, sidecars) for signal in stages_read(recipe)))
    inputs = [
        (shard.name, stamp_of(shard, folder, stage).digest)
        for shard in shards
        for stage, folder in read
    ]
    near = _index_stamp(shards, sidecars, recipe) if recipe.near else None
    everything = digest([sorted(inputs), near])
    parameters = digest(recipe)
    return [Stamp(STAGE, VERSION, parameters, shard.digest, (everything,)) for shard in shards]


def _index_stamp(shards: Sequence[Shard], sidecars: Path, recipe: DedupRecipe) -> str:
    found = index.current_index(shards, sidecars, recipe)
    if found is None:
        raise StaleInputError(
            f"{sidecars / index.STAGE}: no near index of these shards and this banding; "
            "`clean run` with this recipe makes it"
        )
    return found


def duplicates_are_current(
    shards: Sequence[Shard], decisions: Path, stamps: Sequence[Stamp]
) -> bool:
    """Whether every shard's result and the pairs are what a decision would make."""
    pairs = zip(shards, stamps, strict=True)
    if not all(is_current(sidecar_path(decisions, STAGE, shard), stamp) for shard, stamp in pairs):
        return False
    try:
        return open_shard(edges_path(decisions)).notes.get("made_from") == _made_from(stamps)
    except ShardError:
        return False


def _made_from(stamps: Sequence[Stamp]) -> str:
    return digest(sorted(stamp.digest for stamp in stamps))


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
    `dedup/` and `edges/` there. Reads no content. Raises what `duplicate_stamps` raises,
    SidecarError for a damaged part of the index, and DiskFullError or FileError for what can't
    be written or finds no room.
    """
    folder = scratch_folder(decisions)
    remove_scratch(folder)
    stamps = duplicate_stamps(shards, sidecars, decisions, recipe)
    if duplicates_are_current(shards, decisions, stamps):
        return 0
    for stage in (STAGE, EDGES):
        remove_leftovers(decisions / stage)
    if not stages_read(recipe):
        _write_nothing(shards, decisions, stamps)
        return len(shards)
    decision = _Decision(shards, sidecars, decisions, recipe, memory_bytes, report)
    preflight.check_room(decisions, preflight.decision_bytes(sum(s.rows for s in shards)), report)
    database_bytes = memory_bytes - decision.share
    with (
        named_errors(folder),
        open_scratch(folder, max_memory_bytes=database_bytes, threads=threads) as scratch,
    ):
        decision.rank(scratch)
        decision.elect(scratch)
        decision.write_edges(scratch, stamps)
        decision.write_sidecars(scratch, stamps)
    return len(shards)


def _write_nothing(shards: Sequence[Shard], decisions: Path, stamps: Sequence[Stamp]) -> None:
    """The result where no duplicates are looked for."""
    with write_shard(edges_path(decisions), EDGES_SCHEMA) as writer:
        writer.notes.update(made_from=_made_from(stamps))
    for shard, stamp in zip(shards, stamps, strict=True):
        path = sidecar_path(decisions, STAGE, shard)
        write_sidecar(path, _no_duplicates(shard), stamp, shard.rows)


def _no_duplicates(shard: Shard) -> pa.Table:
    return pa.table([pa.nulls(shard.rows, kind) for kind in SCHEMA.types], schema=SCHEMA)


class _Decision:
    """One decision: what it is made from, and its steps in order."""

    def __init__(
        self,
        shards: Sequence[Shard],
        sidecars: Path,
        decisions: Path,
        recipe: DedupRecipe,
        memory_bytes: int,
        report: Report,
    ) -> None:
        self._shards, self._sidecars, self._decisions = shards, sidecars, decisions
        self._recipe, self._report = recipe, report
        self._store = index.store_of(sidecars, recipe)
        self.share = memory_bytes // CONTENTS_SHARE if recipe.near else 0

    def rank(self, scratch: Scratch) -> None:
        lists, order = scratch.folder / "lists", self._recipe.survivor_order
        for number, shard in enumerate(self._shards):
            ranking.write_document_list(
                shard, number, self._sidecars, self._decisions, lists, order
            )
            self._report(Progress("dedup: list survivors", number + 1, len(self._shards), "shards"))
        candidates = index.candidates_path(self._sidecars) if self._recipe.near else None
        ranking.rank(scratch, lists, candidates, order, exact=self._recipe.exact)

    def elect(self, scratch: Scratch) -> None:
        if not self._recipe.near:
            scratch.run(
                "CREATE TABLE pairs "
                "(kept BIGINT, other BIGINT, estimate DOUBLE, jaccard DOUBLE, goes BOOLEAN)"
            )
            return
        compile_missing(self._report)
        workspace = Workspace(scratch.folder / "mapped", self.share)
        extractor = Extractor(scratch, self._store, self._store.parts(), workspace, self._report)
        earlier = {edges_path(folder) for folder in (self._decisions, self._sidecars)}
        job = ElectionJob(
            recipe=self._recipe,
            star_edges=index.star_edges_path(self._sidecars),
            earlier=sorted(earlier),
            extractor=extractor,
            max_bytes=self.share,
        )
        elect_all(job, scratch, self._report)

    def write_edges(self, scratch: Scratch, stamps: Sequence[Stamp]) -> None:
        sql = """
            SELECT k.shard AS kept_shard, k.row AS kept_row, o.shard AS other_shard,
                o.row AS other_row, estimate, jaccard, k.content AS kept_content,
                o.content AS other_content
            FROM pairs p JOIN ranked k ON k.rank = p.kept JOIN ranked o ON o.rank = p.other
            ORDER BY p.other, p.kept
        """
        with write_shard(edges_path(self._decisions), EDGES_SCHEMA) as writer:
            for batch in scratch.batches(sql):
                table = pa.Table.from_batches([batch])
                for column in ("kept_shard", "other_shard"):
                    table = self._name_shards(table, column)
                writer.write(table)
            writer.notes.update(made_from=_made_from(stamps), shingles=self._store.told)

    def _name_shards(self, table: pa.Table, column: str) -> pa.Table:
        """Shard names in place of shard numbers."""
        names = pa.array([shard.name for shard in self._shards], pa.string())
        place = table.column_names.index(column)
        named = names.take(table.column(column).combine_chunks())
        return table.set_column(place, column, named)

    def write_sidecars(self, scratch: Scratch, stamps: Sequence[Stamp]) -> None:
        # One cursor gives the dropped rows in the order of the shards; a shard may have none.
        dropped = ranking.outcomes(scratch, exact=self._recipe.exact)
        waiting = next(dropped, None)
        for number, (shard, stamp) in enumerate(zip(self._shards, stamps, strict=True)):
            table = None
            if waiting is not None and waiting[0] == number:
                table, waiting = waiting[1], next(dropped, None)
            path = sidecar_path(self._decisions, STAGE, shard)
            write_sidecar(path, self._row_aligned(table, shard), stamp, shard.rows)
            self._report(Progress("dedup: write", number + 1, len(self._shards), "shards"))

    def _row_aligned(self, dropped: pa.Table | None, shard: Shard) -> pa.Table:
        """Spread the dropped rows over the rows of their shard."""
        if dropped is None or not dropped.num_rows:
            return _no_duplicates(shard)
        places = np.full(shard.rows, -1, np.int64)
        places[dropped.column("row").to_numpy()] = np.arange(dropped.num_rows)
        named = self._name_shards(dropped, "survivor_shard").select(SCHEMA.names)
        return named.take(pa.array(places, mask=places < 0)).cast(SCHEMA)
