"""Elect the survivors among near duplicates, from the near index and what was compared before.

A batch of components is first elected with the similarities that are known: the index's star
edges and the last decision's pairs. Only components that need a pair nobody has compared yet
have their shingles fetched, so that a changed rule costs little more than what it changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clean.dedup.bands import banding
from clean.dedup.batches import ContentReader, Following, batches, positions
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
    reader: ContentReader
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
    known = Following(scratch, "SELECT component, a, b, jaccard FROM known")
    documents = "SELECT component, id, shingles, part, entry FROM electable"
    total = int(scratch.table("SELECT count(*) AS n FROM electable").column(0)[0].as_py())
    bands = banding(job.recipe)[0]
    each = 4 * job.recipe.permutations + 16 * bands
    done = 0
    for table in batches(scratch, documents, max_bytes=job.max_bytes, bytes_each=each):
        found = known.up_to(table.column("component")[-1].as_py())
        for compared in _elect_batch(job, table, found):
            scratch.append("pairs", compared)
        done += table.num_rows
        report(Progress("dedup: elect survivors", done, total, "files"))


def _list_known(job: ElectionJob, scratch: Scratch) -> None:
    """Make the table `known`: similarities of pairs of electable documents, in ranks."""
    scratch.run("CREATE TABLE known (component BIGINT, a BIGINT, b BIGINT, jaccard DOUBLE)")
    sources = [("hub", "member", job.star_edges)]
    sources += [("kept_content", "other_content", path) for path in job.earlier]
    for one, other, path in sources:
        if not _usable(path, job.reader.store.told):
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


def _elect_batch(job: ElectionJob, table: pa.Table, known: pa.Table | None) -> list[pa.Table]:
    """What was compared in each component of a batch, in ranks."""
    contents = job.reader.read(table, shingles=False)
    first = _elect(job, table, contents, _positions(table, known))
    compared = [_in_ranks(table, first)]
    if first.stuck.any():
        groups = _groups(table)
        rest = table.take(pa.array(np.flatnonzero(first.stuck[groups])))
        # What is known saves little once the shingles are there.
        second = _elect(job, rest, job.reader.read(rest, shingles=True), NOTHING_KNOWN)
        assert not second.stuck.any(), "shingles did not suffice to compare"
        compared.append(_in_ranks(rest, second))
    return compared


def _elect(job: ElectionJob, table: pa.Table, contents: Contents, known: Known) -> Election:
    shape = banding(job.recipe)
    keys: npt.NDArray[np.uint64] = job.reader.workspace.array((len(contents), shape[0]), np.uint64)
    for start in range(0, len(contents), _KEYED_AT_ONCE):
        stop = start + _KEYED_AT_ONCE
        keys[start:stop] = band_keys(contents.signatures[start:stop], *shape)
    buckets = job.reader.workspace.array(keys.shape, np.int32)
    number_buckets(keys, buckets)
    return elect(
        buckets,
        contents,
        _groups(table),
        job.recipe.min_jaccard,
        known,
        array=job.reader.workspace.array,
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
