"""Rank the documents that passed the rules, and find which of them are equal.

A document's rank is its place in the order in which survivors are chosen: 0 is the first that
stays. Everything after works with ranks, so that no result depends on how shards are cut, named
or ordered, except between documents that are alike in everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clean.dedup.scratch import Scratch
from clean.rules.verdicts import read_verdicts
from corpus.shards import Shard, read_rows
from corpus.sidecars import read_sidecar, sidecar_path

_ORDER_COLUMNS = ("repo_id", "path", "commit", "blob_id", "stars", "size", "pushed_at")
# What ends every tie; the last two only between documents that are alike in all that they are.
_TIES = ("repo_id", "path", "commit", "blob_id", "shard", "row")


def kept_rows(shard: Shard, sidecars: Path) -> np.ndarray:
    """The rows that passed every rule, ascending."""
    reasons = read_verdicts(shard, sidecars, ["reason"]).column("reason")
    rows: np.ndarray = np.flatnonzero(reasons.is_null().to_numpy())
    return rows


def write_document_list(shard: Shard, index: int, sidecars: Path, folder: Path) -> int:
    """Write what ranking needs of the shard's surviving documents to `folder`; their number."""
    rows = kept_rows(shard, sidecars)
    documents = read_rows(shard, columns=_ORDER_COLUMNS).take(pa.array(rows))
    path = sidecar_path(sidecars, "fingerprint", shard)
    digests = read_sidecar(path, shard, ["content_digest"]).take(pa.array(rows))
    table = (
        documents.append_column("content_digest", digests.column(0))
        .append_column("shard", pa.array(np.full(len(rows), index, np.int32)))
        .append_column("row", pa.array(rows.astype(np.int64)))
    )
    folder.mkdir(exist_ok=True)
    pq.write_table(table, folder / f"{index:06}.parquet", compression="zstd")
    return len(rows)


def rank(scratch: Scratch, lists: Path, survivor_order: Sequence[str], *, exact: bool) -> None:
    """Make the table `ranked`: rank, shard, row, and `leader`, the best rank of equal content."""
    order = ", ".join([*map(_order_term, survivor_order), *_TIES])
    scratch.run(
        f"CREATE TABLE numbered AS SELECT row_number() OVER (ORDER BY {order}) - 1 AS rank, "
        f"shard, row, content_digest FROM read_parquet('{_quoted(lists)}/*.parquet')"
    )
    if exact:
        scratch.run(
            "CREATE TABLE ranked AS SELECT rank, shard, row, coalesce(leader, rank) AS leader "
            "FROM numbered LEFT JOIN (SELECT content_digest, min(rank) AS leader FROM numbered "
            "WHERE content_digest IS NOT NULL GROUP BY content_digest HAVING count(*) > 1) "
            "USING (content_digest)"
        )
    else:
        scratch.run("CREATE TABLE ranked AS SELECT rank, shard, row, rank AS leader FROM numbered")
    scratch.run("DROP TABLE numbered")


def _order_term(key: str) -> str:
    """A key of the recipe as SQL; its parts were checked when the recipe was read."""
    name, _, direction = key.partition(" ")
    return f"{name} {direction or 'asc'} NULLS LAST"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def leaders_by_shard(scratch: Scratch) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(shard index, rows, ranks) of the documents that lead their content, a shard at a time."""
    sql = "SELECT shard, row, rank FROM ranked WHERE rank = leader ORDER BY shard, row"
    for index, table in by_shard(scratch.batches(sql)):
        yield index, table.column("row").to_numpy(), table.column("rank").to_numpy()


def by_shard(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, pa.Table]]:
    """Cut batches that are ordered by `shard` into one table a shard."""
    pending: list[pa.RecordBatch] = []
    current = -1
    for batch in batches:
        if not batch.num_rows:
            continue
        shards = batch.column("shard").to_numpy()
        cuts = [0, *(np.flatnonzero(np.diff(shards)) + 1), len(shards)]
        for start, stop in pairwise(cuts):
            if pending and shards[start] != current:
                yield current, pa.Table.from_batches(pending)
                pending = []
            current = int(shards[start])
            pending.append(batch.slice(start, stop - start))
    if pending:
        yield current, pa.Table.from_batches(pending)


def outcomes(scratch: Scratch) -> Iterator[tuple[int, pa.Table]]:
    """What is dropped, a shard at a time: row, reason, survivor_shard, survivor_row, similarity.

    The table `near` holds rank, survivor and similarity of the documents that near-dedup drops.
    A copy of a document that is itself dropped is a near duplicate of that document's survivor,
    so that whatever explains a drop is still there.
    """
    sql = """
        SELECT d.shard, d.row, s.shard AS survivor_shard, s.row AS survivor_row,
            CASE WHEN n.rank IS NULL THEN 'exact_duplicate' ELSE 'near_duplicate' END AS reason,
            coalesce(n.similarity, 1.0)::FLOAT AS similarity
        FROM ranked d LEFT JOIN near n ON n.rank = d.leader
            JOIN ranked s ON s.rank = coalesce(n.survivor, d.leader)
        WHERE d.rank <> d.leader OR n.rank IS NOT NULL
        ORDER BY d.shard, d.row
    """
    return by_shard(scratch.batches(sql))
