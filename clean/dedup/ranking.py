"""Rank the documents that passed the rules, and find which of them are equal.

A document's rank is its place in the order in which survivors are chosen: 0 is the first that
stays. Everything after works with ranks, so that no result depends on how shards are cut, named
or ordered, except between documents that are alike in everything. Only documents that may be a
duplicate are ranked: those of a content that several have, or that is a candidate of the near
index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clean.dedup.scratch import Scratch, quoted, reading
from clean.rules.verdicts import read_verdicts
from corpus.shards import Shard, read_rows
from corpus.sidecars import read_sidecar, sidecar_path

LICENSE = "license"  # the signal stage, which costs too much to import for its name
_ORDER_COLUMNS = ("repo_id", "path", "commit", "blob_id", "stars", "size", "pushed_at")
# The key `license`: a permissive licence, then no licence at all, then everything else.
_LICENSE_ORDER = pa.array(["permissive", "none"])
# What ends every tie; the last two only between documents that are alike in all that they are.
_TIES = ("repo_id", "path", "commit", "blob_id", "shard", "row")


def stages_ranked_by(survivor_order: Sequence[str]) -> tuple[str, ...]:
    """The signal stages that the order reads; its other keys are the raw shards' own columns."""
    return (LICENSE,) if "license" in map(_key, survivor_order) else ()


def write_document_list(
    shard: Shard,
    index: int,
    sidecars: Path,
    decisions: Path,
    folder: Path,
    survivor_order: Sequence[str],
) -> None:
    """Write what ranking needs of the shard's documents that passed the rules to `folder`."""
    passed = read_verdicts(shard, decisions, ["reason"]).column("reason").is_null()
    path = sidecar_path(sidecars, "fingerprint", shard)
    fingerprints = read_sidecar(path, shard, ["content_digest", "shingles"])
    digests = fingerprints.column("content_digest")
    # What is no text, or was lost, is nobody's copy.
    chosen = passed.to_numpy() & digests.is_valid().to_numpy()
    rows = pa.array(np.flatnonzero(chosen))
    contents = pa.concat_arrays(digests.take(rows).chunks)
    table = (
        read_rows(shard, columns=_ORDER_COLUMNS)
        .take(rows)
        .append_column("content", pa.ExtensionArray.from_storage(pa.uuid(), contents))
        .append_column("measurable", pc.greater(fingerprints["shingles"], 0).take(rows))
        .append_column("shard", pa.array(np.full(len(rows), index, np.int32)))
        .append_column("row", rows.cast(pa.int64()))
    )
    if stages_ranked_by(survivor_order):
        table = table.append_column("license", _license_places(shard, sidecars).take(rows))
    folder.mkdir(exist_ok=True)
    pq.write_table(table, folder / f"{index:06}.parquet", compression="zstd")


def _license_places(shard: Shard, sidecars: Path) -> pa.ChunkedArray:
    """Each document's place by the category of its repository's licence, as GitHub states it."""
    found = read_sidecar(sidecar_path(sidecars, LICENSE, shard), shard, ["repo_category"])
    places = pc.index_in(found.column("repo_category"), value_set=_LICENSE_ORDER)
    return pc.fill_null(places, len(_LICENSE_ORDER))


def rank(
    scratch: Scratch,
    lists: Path,
    candidates: Path | None,
    survivor_order: Sequence[str],
    *,
    exact: bool,
) -> None:
    """Make the table `ranked` of all documents that may be a duplicate.

    It has rank, shard, row, content and `leader` (the best rank of that content). Without
    `exact` only what is measurable has copies, and they are near ones. The table `candidates`
    holds the index's file of that name, or nothing if that is None.
    """
    scratch.run(f"CREATE VIEW documents AS FROM read_parquet({quoted(lists / '*.parquet')})")
    _list_candidates(scratch, candidates)
    copies = "true" if exact else "measurable" if candidates is not None else "false"
    scratch.run(
        f"CREATE TABLE shared AS SELECT content FROM documents WHERE {copies} GROUP BY content "
        "HAVING count(*) > 1 UNION SELECT content FROM candidates"
    )
    order = ", ".join([*map(_order_term, survivor_order), *_TIES])
    scratch.run(
        f"CREATE TABLE numbered AS SELECT row_number() OVER (ORDER BY {order}) - 1 AS rank, "
        "shard, row, content FROM documents SEMI JOIN shared USING (content)"
    )
    scratch.run(
        "CREATE TABLE ranked AS SELECT rank, shard, row, content, leader FROM numbered "
        "JOIN (SELECT content, min(rank) AS leader FROM numbered GROUP BY content) USING (content)"
    )
    scratch.run("DROP TABLE numbered")
    scratch.run("DROP TABLE shared")


def _list_candidates(scratch: Scratch, path: Path | None) -> None:
    scratch.run(
        "CREATE TABLE candidates "
        "(component BIGINT, content UUID, shingles INTEGER, part INTEGER, entry INTEGER)"
    )
    if path is not None:
        with reading([path]):
            scratch.run(f"INSERT INTO candidates FROM read_parquet({quoted(path)})")


def _order_term(key: str) -> str:
    """A key of the recipe as SQL; its parts were checked when the recipe was read."""
    direction = key.partition(" ")[2]
    return f"{_key(key)} {direction or 'asc'} NULLS LAST"


def _key(key: str) -> str:
    """A key of the recipe without its direction."""
    return key.partition(" ")[0]


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


def outcomes(scratch: Scratch, *, exact: bool) -> Iterator[tuple[int, pa.Table]]:
    """What is dropped, a shard at a time: row, reason, survivor_shard, survivor_row, similarity.

    The table `pairs` says who goes for whom (see `clean.dedup.election`).
    A copy of a document that is itself dropped is a near duplicate of that document's survivor,
    so that whatever explains a drop is still there.
    """
    copy = "exact_duplicate" if exact else "near_duplicate"
    sql = f"""
        SELECT d.shard, d.row, s.shard AS survivor_shard, s.row AS survivor_row,
            CASE WHEN n.other IS NULL THEN '{copy}' ELSE 'near_duplicate' END AS reason,
            coalesce(n.jaccard, 1.0)::FLOAT AS similarity
        FROM ranked d LEFT JOIN (FROM pairs WHERE goes) n ON n.other = d.leader
            JOIN ranked s ON s.rank = coalesce(n.kept, d.leader)
        WHERE d.rank <> d.leader OR n.other IS NOT NULL
        ORDER BY d.shard, d.row
    """
    return by_shard(scratch.batches(sql))
