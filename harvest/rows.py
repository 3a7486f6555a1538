"""Rows of raw shards and of lists of copies, from a repository's facts and its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from corpus.schema import COPY, DOCUMENT
from harvest.frontier import Repository
from harvest.listing import ListedFile, Listing

_BATCH_BYTES = 4 << 20
_BATCH_ROWS = 512


def documents(
    repository: Repository,
    listing: Listing,
    files: Sequence[ListedFile],
    read: Callable[[bytes], bytes],
) -> Iterator[pa.Table]:
    """The files as rows, a few megabytes at a time. `read` gives the content of a blob."""
    batch: list[tuple[ListedFile, bytes]] = []
    size = 0
    for file in files:
        content = read(file.blob_id)
        batch.append((file, content))
        size += len(content)
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_ROWS:
            yield _documents(repository, listing, batch)
            batch, size = [], 0
    if batch:
        yield _documents(repository, listing, batch)


def _documents(
    repository: Repository, listing: Listing, batch: Sequence[tuple[ListedFile, bytes]]
) -> pa.Table:
    languages, pushed_at = repository.languages, repository.pushed_at
    same: dict[str, Any] = {
        "repo_id": repository.id,
        "repo": repository.name,
        "commit": repository.commit,
        "stars": repository.stars,
        "fork": repository.fork,
        "license": repository.license,
        "language_bytes": None if languages is None else list(languages.items()),
        "pushed_at": datetime.fromisoformat(pushed_at) if pushed_at else None,
        "fetched_at": datetime.fromtimestamp(listing.fetched_at, UTC),
        "transport": listing.transport,
    }
    own: dict[str, Any] = {
        "path": [file.path for file, _ in batch],
        "blob_id": [file.blob_id.hex() for file, _ in batch],
        "size": [len(content) for _, content in batch],
        "content": [content for _, content in batch],
    }
    return _table(DOCUMENT, {name: [value] * len(batch) for name, value in same.items()} | own)


def copies(repository: Repository, files: Sequence[ListedFile]) -> pa.Table:
    """The files whose contents are rows elsewhere, a line each."""
    same: dict[str, Any] = {
        "repo_id": repository.id,
        "repo": repository.name,
        "commit": repository.commit,
        "stars": repository.stars,
        "fork": repository.fork,
        "license": repository.license,
    }
    own: dict[str, Any] = {
        "path": [file.path for file in files],
        "blob_id": [file.blob_id.hex() for file in files],
    }
    return _table(COPY, {name: [value] * len(files) for name, value in same.items()} | own)


def _table(schema: pa.Schema, columns: dict[str, list[Any]]) -> pa.Table:
    arrays = [pa.array(columns[field.name], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)
