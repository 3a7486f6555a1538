"""Elect the survivors among near duplicates, from the near index and what was compared before.

All components are first elected with the similarities that are known: the index's star edges
and the last decision's pairs. Only components that need a pair nobody has compared yet have their
shingles fetched, in a second pass, so that a changed rule costs little more than what it changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from clean.dedup.bands import banding
from clean.dedup.batches import Following, batches, positions
from clean.dedup.extract import Extractor
from clean.dedup.near import NOTHING_KNOWN, Contents, Election, Ints, Known, elect, number_buckets
from clean.dedup.scratch import Scratch, quoted, reading
from clean.recipe import DedupRecipe
from clean.signals.fingerprint import band_keys
from corpus.errors import ShardError, SidecarError
from corpus.events import Progress, Report
from corpus.shards import open_shard

_KEYED_AT_ONCE = 4096  # contents
_COMPARED = pa.schema(
    [
        ("kept", pa.int64()),
        ("other", pa.int64()),
        ("estimate", pa.float64()),
        ("jaccard", pa.float64()),
        ("goes", pa.bool_()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectionJob:
    """What electing works on, beside the table `ranked`."""

    recipe: DedupRecipe
    star_edges: Path
    earlier: Sequence[Path]  # pairs of earlier decisions; those that can't be used are left out
    extractor: Extractor
    max_bytes: int  # of the contents that are compared at a time


def elect_all(job: ElectionJob, scratch: Scratch, report: Report) -> None:
    """Make the table `pairs`, in ranks: all that were compared, and whether `other` goes.

    Raises SidecarError for a part of the index that is damaged.
    """
    scratch.add("pairs", _COMPARED.empty_table())
    scratch.run(
        "CREATE TABLE electable AS SELECT component, rank AS id, shingles, part, entry, content "
        "FROM ranked JOIN candidates USING (content) WHERE rank = leader AND part IS NOT NULL"
    )
    scratch.run(
        "CREATE OR REPLACE TABLE electable AS SELECT * FROM electable SEMI JOIN "
        "(SELECT component FROM electable GROUP BY component HAVING count(*) > 1) USING (component)"
    )
    _list_known(job, scratch)
    total = int(scratch.table("SELECT count(*) AS n FROM electable").column(0)[0].as_py())
    done = _pass(job, scratch, "electable", report, total=total, shingles=False)
    scratch.run(
        "CREATE TABLE undecided AS SELECT electable.* FROM electable JOIN stuck USING (component)"
    )
    # What is known saves little once the shingles are there.
    scratch.run("DELETE FROM known")
    _pass(job, scratch, "undecided", report, done=done, total=total, shingles=True)


def _pass(
    job: ElectionJob,
    scratch: Scratch,
    documents: str,
    report: Report,
    *,
    shingles: bool,
    total: int,
    done: int = 0,
) -> int:
    """Elect in the components of a table; how many documents are decided after it.

    Without `shingles`, components with a pair that is not known go to the table `stuck`.
    """
    sql = f"SELECT component, id, shingles, part, entry FROM {documents}"
    extract = job.extractor.extract(sql, shingles=shingles)
    scratch.run("CREATE TABLE IF NOT EXISTS stuck (component BIGINT)")
    known = Following(scratch, "SELECT component, a, b, jaccard FROM known")
    each = 4 * job.recipe.permutations + 16 * banding(job.recipe)[0]
    for table in batches(scratch, sql, max_bytes=job.max_bytes, bytes_each=each):
        found = known.up_to(table.column("component")[-1].as_py())
        election = _elect(job, table, extract.read(table), _positions(table, found))
        scratch.append("pairs", _in_ranks(table, election))
        stuck = table.filter(pa.array(election.stuck[_groups(table)]))
        assert not (shingles and stuck.num_rows), "shingles did not suffice to compare"
        scratch.append("stuck", pa.table({"component": pc.unique(stuck.column("component"))}))
        done += table.num_rows - stuck.num_rows
        report(Progress("dedup: elect survivors", done, total, "files"))
    return done


def _list_known(job: ElectionJob, scratch: Scratch) -> None:
    """Make the table `known`: similarities of pairs of electable documents, in ranks."""
    scratch.run("CREATE TABLE known (component BIGINT, a BIGINT, b BIGINT, jaccard DOUBLE)")
    sources = [("hub", "member", job.star_edges)]
    sources += [("kept_content", "other_content", path) for path in job.earlier]
    for one, other, path in sources:
        if not _usable(path, job.extractor.store.told):
            continue
        with suppress(SidecarError), reading([path]):
            # An earlier banding may have had in one component what is in two now.
            scratch.run(
                "INSERT INTO known SELECT a.component, least(a.id, b.id), greatest(a.id, b.id), "
                f"jaccard FROM read_parquet({quoted(path)}) e JOIN electable a "
                f"ON a.content = e.{one} JOIN electable b ON b.content = e.{other} "
                "WHERE a.component = b.component AND jaccard IS NOT NULL"
            )


def _usable(path: Path, told: str) -> bool:
    """Whether the similarities in a file are of shingles like ours."""
    try:
        return open_shard(path).notes.get("shingles") == told
    except ShardError:
        return False


def _elect(job: ElectionJob, table: pa.Table, contents: Contents, known: Known) -> Election:
    shape = banding(job.recipe)
    array = job.extractor.workspace.array
    keys: npt.NDArray[np.uint64] = array((len(contents), shape[0]), np.uint64)
    for start in range(0, len(contents), _KEYED_AT_ONCE):
        stop = start + _KEYED_AT_ONCE
        keys[start:stop] = band_keys(contents.signatures[start:stop], *shape)
    buckets = array(keys.shape, np.int32)
    number_buckets(keys, buckets)
    return elect(
        buckets,
        contents,
        _groups(table),
        job.recipe.min_jaccard,
        known,
        array=array,
    )


def _groups(table: pa.Table) -> npt.NDArray[np.int32]:
    """The number of each row's component within the batch."""
    changes = np.diff(table.column("component").to_numpy(), prepend=-1) != 0
    return (np.cumsum(changes) - 1).astype(np.int32)


def _positions(table: pa.Table, known: pa.Table | None) -> Known:
    """Known pairs, in positions of the batch's rows."""
    if known is None:
        return NOTHING_KNOWN
    ids: Ints = table.column("id").to_numpy()
    ends = [positions(ids, known.column(name).to_numpy()) for name in ("a", "b")]
    return Known(np.stack(ends, axis=1), known.column("jaccard").to_numpy())


def _in_ranks(table: pa.Table, election: Election) -> pa.Table:
    ids, pairs = table.column("id").to_numpy(), election.pairs
    columns = [ids[pairs.kept], ids[pairs.other], pairs.estimate, pairs.jaccard, election.goes]
    return pa.table([pa.array(column) for column in columns], schema=_COMPARED)
