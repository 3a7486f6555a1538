"""Documents by their names: where a row lies, and which rows a query means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.errors import UsageError
from corpus.shards import Shard, read_rows

NAMES = ("repo", "commit", "path", "blob_id")
_MIN_BLOB_DIGITS = 6
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A document, by where it lies and what it is called."""

    shard: str
    row: int
    name: str  # repo@commit:path
    blob_id: str


def find(shards: Sequence[Shard], query: str, *, most: int = 20) -> tuple[list[Place], int]:
    """The documents that a query means, at most `most` of them, and how many there are.

    A query is `path`, `repo:path`, `repo@commit:path`, a git blob id or its beginning; if that
    finds nothing, any part of `repo@commit:path`. Raises UsageError if nothing matches.
    """
    for match in (_exactly, _partly):
        found: list[Place] = []
        count = 0
        for shard in shards:
            names = read_rows(shard, columns=NAMES)
            rows = np.flatnonzero(pc.fill_null(match(names, query), False).to_numpy())
            count += len(rows)
            found.extend(_places(shard, names, rows[: most - len(found)]))
        if found:
            return found, count
    documents = sum(shard.rows for shard in shards)
    raise UsageError(f"no document matches {query!r}, of {documents} in {shards[0].path.parent}")


def place_of(shard: Shard, row: int) -> Place:
    """What a row is called."""
    names = read_rows(shard, row, row + 1, NAMES)
    (name,), (blob_id,) = full_names(names).to_pylist(), names["blob_id"].to_pylist()
    return Place(shard.name, row, name, blob_id)


def full_names(names: pa.Table) -> pa.ChunkedArray:
    """`repo@commit:path` of each row."""
    left = pc.binary_join_element_wise(names["repo"], names["commit"], "@")
    return pc.binary_join_element_wise(left, names["path"], ":")


def _exactly(names: pa.Table, query: str) -> pa.ChunkedArray:
    """Which rows have the query as their path, full name or blob id."""
    left, colon, path = query.partition(":")
    repo, _, commit = left.partition("@")
    if colon:
        named = pc.and_(pc.equal(names["repo"], repo), pc.equal(names["path"], path))
        return pc.and_(named, pc.starts_with(names["commit"], commit))
    is_path = pc.equal(names["path"], query)
    if len(query) >= _MIN_BLOB_DIGITS and _HEX.fullmatch(query):
        return pc.or_(is_path, pc.starts_with(names["blob_id"], query))
    return is_path


def _partly(names: pa.Table, query: str) -> pa.ChunkedArray:
    return pc.match_substring(full_names(names), query)


def _places(shard: Shard, names: pa.Table, rows: np.ndarray) -> Iterator[Place]:
    chosen = names.take(pa.array(rows))
    pairs = zip(full_names(chosen).to_pylist(), chosen["blob_id"].to_pylist(), strict=True)
    for row, (name, blob_id) in zip(rows.tolist(), pairs, strict=True):
        yield Place(shard.name, row, name, blob_id)
