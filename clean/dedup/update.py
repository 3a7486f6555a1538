"""Bring the near index up to date: group band keys, read the candidates, verify the star edges.

New raw shards cost the grouping of all band keys, and the reading of those contents alone that
became candidates with them. Killed at any point, the next update goes on: band keys and parts of
the store are complete or absent, and the rest takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clean.compiled.warm import compile_missing
from clean.dedup import bands, preflight
from clean.dedup.batches import (
    CONTENTS_SHARE,
    Following,
    batches,
    positions,
)
from clean.dedup.extract import Extractor, Workspace
from clean.dedup.grouping import find_candidates
from clean.dedup.index import (
    CANDIDATES_SCHEMA,
    EDGES_SCHEMA,
    STAGE,
    candidates_path,
    made_from,
    near_index_is_current,
    star_edges_path,
    store_of,
)
from clean.dedup.near import Contents, compare
from clean.dedup.ranking import by_shard
from clean.dedup.scratch import Scratch, open_scratch, quoted, reading, remove_scratch
from clean.dedup.shingling import ShingleWork, fill_store
from clean.recipe import DedupRecipe
from clean.selection import Selection
from corpus.engine import Engine
from corpus.errors import ShardError, SidecarError
from corpus.events import Notice, Progress, Report, silent
from corpus.files import named_errors, remove_leftovers
from corpus.shards import Shard, open_shard, write_shard
from corpus.sidecars import read_sidecar, sidecar_path

_COMPARED = pa.schema(
    [
        ("hub", pa.int64()),
        ("member", pa.int64()),
        ("estimate", pa.float64()),
        ("jaccard", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NearJob:
    """What the index is made from and what may be used."""

    shards: Sequence[Shard]
    sidecars: Path
    recipe: DedupRecipe
    guess_encoding: bool
    engine: Engine
    memory_bytes: int  # for the database, while no worker runs
    threads: int


def scratch_folder(sidecars: Path) -> Path:
    """Where the update's database is while it runs."""
    return sidecars / f"{STAGE}.scratch"


def update_near_index(job: NearJob, report: Report = silent) -> int:
    """Bring the index up to date; how many shards were keyed anew, or all if others went.

    0 says that it was current. Call it only where `recipe.near` is on. Raises SidecarError if a
    shard has no fingerprints, ShardError for a damaged shard, DiskFullError or FileError for what
    can't be written or finds no room.
    """
    shards, sidecars, recipe = job.shards, job.sidecars, job.recipe
    folder = scratch_folder(sidecars)
    remove_scratch(folder)
    if near_index_is_current(shards, sidecars, recipe):
        return 0
    remove_leftovers(sidecars / bands.STAGE)
    remove_leftovers(sidecars / STAGE)
    rows = sum(shard.rows for shard in shards)
    preflight.check_room(sidecars, preflight.grouping_bytes(rows, bands.banding(recipe)[0]), report)
    keyed = bands.update_bands(shards, sidecars, recipe, report)
    database_bytes = job.memory_bytes - job.memory_bytes // CONTENTS_SHARE
    with (
        named_errors(folder),
        open_scratch(folder, max_memory_bytes=database_bytes, threads=job.threads) as scratch,
    ):
        compile_missing(report)
        _Update(job, scratch, report).run()
    return keyed or len(shards)


class _Update:
    """One update of the index, in its scratch database."""

    def __init__(self, job: NearJob, scratch: Scratch, report: Report) -> None:
        self._job, self._scratch, self._report = job, scratch, report
        self._store = store_of(job.sidecars, job.recipe)
        self._notes: dict[str, Any] = {
            "made_from": made_from(job.shards, job.sidecars, job.recipe),
            "shingles": self._store.told,
        }

    def run(self) -> None:
        job = self._job
        files = [sidecar_path(job.sidecars, bands.STAGE, shard) for shard in job.shards]
        with reading(files):
            find_candidates(self._scratch, files, bands.banding(job.recipe)[0], self._report)
        self._forget_useless_parts()
        self._list_stored()
        self._forget_gone()
        self._fill()
        self._list_stored()
        self._compare_stars()
        self._write()

    def _forget_useless_parts(self) -> None:
        for name in self._store.parts():
            try:
                self._store.open(name)
            except SidecarError as error:
                self._report(Notice(f"{error.path}: {error.problem.split(';')[0]}; made anew"))
                self._store.delete(name)

    def _list_stored(self) -> None:
        """Make the table `stored`: content, shingles, part and entry of all that is kept."""
        self._scratch.run("DROP TABLE IF EXISTS stored")
        self._scratch.run(
            "CREATE TABLE stored (content UUID, shingles INTEGER, part INTEGER, entry INTEGER)"
        )
        for number, name in enumerate(self._store.parts()):
            part = self._store.open(name)
            counts = part.counts()
            columns = {
                "content": part.batch.column("content"),
                "shingles": counts.astype(np.int32),
                "part": np.full(len(counts), number, np.int32),
                "entry": np.arange(len(counts), dtype=np.int32),
            }
            self._scratch.append("stored", pa.table(columns))

    def _forget_gone(self) -> None:
        """Rewrite the parts that hold contents of which no document is left."""
        gone = "SELECT DISTINCT part FROM stored ANTI JOIN keys USING (content)"
        names = self._store.parts()
        numbers = self._scratch.table(gone).column("part").to_pylist()
        for number in sorted(numbers, reverse=True):
            left = self._scratch.table(
                f"SELECT entry FROM stored SEMI JOIN keys USING (content) WHERE part = {number} "
                "ORDER BY entry"
            )
            self._store.keep(names[number], left.column("entry").to_numpy())
        if numbers:
            self._list_stored()

    def _fill(self) -> None:
        """Read the candidates that the store does not have."""
        job, recipe = self._job, self._job.recipe
        selection = Selection(self._scratch.folder / "wanted")
        wanted = []
        documents = shingles = 0
        for shard, rows in self._wanted():
            selection.save(shard, rows)
            wanted.append((shard, len(rows)))
            documents, shingles = documents + len(rows), shingles + self._shingles(shard, rows)
        if not wanted:
            return
        needed = preflight.store_bytes(documents, shingles, recipe.permutations)
        preflight.check_room(job.sidecars, needed, self._report)
        work = ShingleWork(
            selection, recipe.shingle_tokens, recipe.permutations, job.guess_encoding
        )
        # The workers' memory is the database's.
        with self._scratch.closed():
            fill_store(wanted, self._store, work, job.engine, self._report)

    def _wanted(self) -> Iterator[tuple[Shard, np.ndarray]]:
        """One document of each candidate that is not stored: each shard with its rows."""
        first = "min((shard::BIGINT << 40) | row)"
        sql = (
            "SELECT (place >> 40)::INTEGER AS shard, place & ((1::BIGINT << 40) - 1) AS row "
            f"FROM (SELECT {first} AS place FROM keys JOIN (SELECT content FROM candidates "
            "ANTI JOIN stored USING (content)) USING (content) GROUP BY content) "
            "ORDER BY shard, row"
        )
        for number, table in by_shard(self._scratch.batches(sql)):
            yield self._job.shards[number], table.column("row").to_numpy()

    def _shingles(self, shard: Shard, rows: np.ndarray) -> int:
        path = sidecar_path(self._job.sidecars, bands.FINGERPRINT, shard)
        counts = read_sidecar(path, shard, ["shingles"]).column(0).take(pa.array(rows))
        return int(pc.sum(counts).as_py())

    def _compare_stars(self) -> None:
        """Make the table `compared` of the stars' similarities, those known before included."""
        scratch = self._scratch
        scratch.add("compared", _COMPARED.empty_table())
        scratch.run(
            "CREATE TABLE open_stars AS SELECT hub, member, component FROM stars "
            "JOIN candidates ON candidate = hub"
        )
        self._take_known()
        ends = (
            "SELECT component, candidate AS id, shingles, part, entry "
            "FROM (SELECT hub AS candidate FROM open_stars UNION SELECT member FROM open_stars) "
            "JOIN candidates USING (candidate) JOIN stored USING (content)"
        )
        share = self._job.memory_bytes // CONTENTS_SHARE
        workspace = Workspace(scratch.folder / "mapped", share)
        extractor = Extractor(scratch, self._store, self._store.parts(), workspace, self._report)
        extract = extractor.extract(ends, shingles=True)
        stars = Following(scratch, "SELECT component, hub, member FROM open_stars")
        total = int(scratch.table("SELECT count(*) AS n FROM open_stars").column(0)[0].as_py())
        done = 0
        each = 4 * self._store.permutations
        for table in batches(scratch, ends, max_bytes=share, bytes_each=each):
            found = stars.up_to(table.column("component")[-1].as_py())
            contents = extract.read(table)
            if found is not None:
                scratch.append("compared", _compared(contents, table, found))
                done += found.num_rows
            self._report(Progress("near: verify edges", done, total, "edges"))

    def _take_known(self) -> None:
        path, scratch = star_edges_path(self._job.sidecars), self._scratch
        try:
            if open_shard(path).notes.get("shingles") != self._store.told:
                return
        except ShardError:
            return
        with suppress(SidecarError), reading([path]):
            scratch.run(
                "INSERT INTO compared SELECT s.hub, s.member, e.estimate, e.jaccard "
                "FROM open_stars s JOIN candidates h ON h.candidate = s.hub "
                "JOIN candidates m ON m.candidate = s.member "
                f"JOIN read_parquet({quoted(path)}) e "
                "ON e.hub = h.content AND e.member = m.content WHERE e.jaccard IS NOT NULL"
            )
        scratch.run(
            "CREATE OR REPLACE TABLE open_stars AS "
            "SELECT * FROM open_stars ANTI JOIN compared USING (hub, member)"
        )

    def _write(self) -> None:
        """Write the edges, then the candidates, which says that the index is complete."""
        edges = (
            "SELECT h.content AS hub, m.content AS member, bands, estimate, jaccard FROM stars s "
            "LEFT JOIN compared c USING (hub, member) JOIN candidates h ON h.candidate = s.hub "
            "JOIN candidates m ON m.candidate = s.member ORDER BY s.hub, s.member"
        )
        self._write_table(star_edges_path(self._job.sidecars), EDGES_SCHEMA, edges)
        candidates = (
            "SELECT component, content, shingles, part, entry FROM candidates "
            "LEFT JOIN stored USING (content) ORDER BY component, candidate"
        )
        self._notes["parts"] = self._store.sizes()
        self._write_table(candidates_path(self._job.sidecars), CANDIDATES_SCHEMA, candidates)

    def _write_table(self, path: Path, schema: pa.Schema, sql: str) -> None:
        with write_shard(path, schema) as writer:
            for batch in self._scratch.batches(sql):
                writer.write(pa.Table.from_batches([batch]))
            writer.notes.update(self._notes)


def _compared(contents: Contents, table: pa.Table, stars: pa.Table) -> pa.Table:
    """The similarities of the stars among the contents of a batch."""
    ids = table.column("id").to_numpy()
    hubs, members = (stars.column(name).to_numpy() for name in ("hub", "member"))
    ones, others = positions(ids, hubs), positions(ids, members)
    there = (ones >= 0) & (others >= 0)  # else one of them was lost
    estimates, jaccards = compare(contents, ones[there], others[there])
    columns = [hubs[there], members[there], estimates, jaccards]
    return pa.table([pa.array(column) for column in columns], schema=_COMPARED)
