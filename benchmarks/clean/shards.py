"""Raw shards as a finished harvest leaves them, from any stream of files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from corpus.manifest import Manifest, file_entry, write_manifest
from corpus.schema import DOCUMENT, git_blob_id
from corpus.shards import Shard, list_shards, write_shard

MAX_SHARD_ROWS = 20_000
MAX_SHARD_BYTES = 64 << 20
_BATCH_ROWS = 256
_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


class File(NamedTuple):
    """One file; its repository stands for whatever package it came from."""

    repo: str
    path: str
    content: bytes


def write_raw(
    folder: Path, files: Iterable[File], facts: dict[str, Any], *, max_rows: int = MAX_SHARD_ROWS
) -> list[Shard]:
    """Write `files` as raw shards, and last the manifest, whose presence says "complete"."""
    source = _Source(files, max_rows)
    number = 0
    while source.more():
        with write_shard(folder / f"shard-{number:05}.parquet") as writer:
            for batch in source.shard():
                writer.write(pa.Table.from_pylist(batch, schema=DOCUMENT))
        number += 1
    shards = list_shards(folder)
    outputs = tuple(file_entry(shard.path, folder, rows=shard.rows) for shard in shards)
    facts = {**facts, "documents": sum(s.rows for s in shards), "bytes": source.total_bytes}
    facts["digest"] = corpus_digest(shards)
    write_manifest(folder, Manifest(stage="harvest", parameters={}, outputs=outputs, facts=facts))
    return shards


def corpus_digest(shards: Iterable[Shard]) -> str:
    """16 hex digits of what the documents are, whatever the shards' files look like."""
    return hashlib.sha256("".join(s.digest for s in shards).encode()).hexdigest()[:16]


class _Source:
    """Rows on their way into shards of bounded size."""

    def __init__(self, files: Iterable[File], max_rows: int) -> None:
        self.total_bytes = 0
        self._max_rows = max_rows
        self._rows = map(row_of, files)
        self._next: list[dict[str, Any]] = []

    def more(self) -> bool:
        """Whether anything is left."""
        self._next = self._next or self._take()
        return bool(self._next)

    def shard(self) -> Iterator[list[dict[str, Any]]]:
        """Batches of rows, until the shard is full."""
        rows = size = 0
        while rows < self._max_rows and size < MAX_SHARD_BYTES and self.more():
            room = self._max_rows - rows
            batch, self._next = self._next[:room], self._next[room:]
            rows += len(batch)
            size += sum(row["size"] for row in batch)
            yield batch
        self.total_bytes += size

    def _take(self) -> list[dict[str, Any]]:
        return list(islice(self._rows, _BATCH_ROWS))


def row_of(file: File) -> dict[str, Any]:
    """A raw row, all of it a function of the file."""
    known = hashlib.sha256(file.repo.encode()).digest()
    return {
        "repo_id": int.from_bytes(known[:6], "big"),
        "repo": file.repo,
        "commit": known.hex()[:40],
        "path": file.path,
        "blob_id": git_blob_id(file.content),
        "size": len(file.content),
        "content": file.content,
        "stars": int.from_bytes(known[6:8], "big") % 5000,
        "fork": False,
        "license": "MIT",
        "fetched_at": _EPOCH,
        "transport": "archive",
    }
