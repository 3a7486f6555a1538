"""Small raw folders, as a finished harvest leaves them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from corpus.manifest import Manifest, file_entry, write_manifest
from corpus.schema import DOCUMENT, git_blob_id
from corpus.shards import Shard, list_shards, write_shard

WriteRaw = Callable[..., list[Shard]]
GOOD = '''"""Sum numbers."""


def total(numbers):
    result = 0
    for number in numbers:
        if number > {limit}:
            result += number
    return result
'''


@dataclass(frozen=True, kw_only=True)
class Raw:
    """One file of a made-up repository."""

    content: bytes | str
    path: str = "package/module.py"
    repo_id: int = 1
    repo: str = ""
    stars: int = 0
    license: str | None = "MIT"


def write_raw(folder: Path, documents: Sequence[Raw], *, shards: int = 1) -> list[Shard]:
    """Write a raw folder: `documents` dealt in turn on `shards` shards, and the manifest."""
    for number in range(shards):
        with write_shard(folder / f"shard-{number:05}.parquet") as writer:
            writer.write(_table(documents[number::shards]))
    written = list_shards(folder)
    outputs = tuple(file_entry(shard.path, folder, rows=shard.rows) for shard in written)
    write_manifest(folder, Manifest(stage="harvest", parameters={}, outputs=outputs))
    return written


def _table(documents: Sequence[Raw]) -> pa.Table:
    when = datetime(2024, 1, 1, tzinfo=UTC)
    rows = []
    for document in documents:
        content = document.content
        content = content.encode() if isinstance(content, str) else content
        rows.append(
            {
                "repo_id": document.repo_id,
                "repo": document.repo or f"owner/repo{document.repo_id}",
                "commit": f"{document.repo_id:040x}",
                "path": document.path,
                "blob_id": git_blob_id(content),
                "size": len(content),
                "content": content,
                "stars": document.stars,
                "fork": False,
                "license": document.license,
                "language_bytes": None,
                "pushed_at": when,
                "fetched_at": when,
                "transport": "archive",
            }
        )
    return pa.Table.from_pylist(rows, schema=DOCUMENT)


@pytest.fixture(name="write_raw")
def _write_raw() -> WriteRaw:
    return write_raw
