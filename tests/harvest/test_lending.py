from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import harvest.lending
from corpus.errors import ShardError
from corpus.schema import DOCUMENT, git_blob_id
from corpus.shards import write_shard
from harvest.known import KnownBlobs
from harvest.lending import Library
from harvest.resolve import Resolution
from harvest.spool import BlobWriter

CONTENTS = [b"one licence\n", b"another\n", b"a third\n"]
IDS = [bytes.fromhex(git_blob_id(content)) for content in CONTENTS]


def row(blob_id: bytes, content: bytes, path: str) -> dict[str, Any]:
    return {
        "repo_id": 1, "repo": "a/b", "commit": "c", "path": path, "blob_id": blob_id.hex(),
        "size": len(content), "content": content, "stars": 0, "fork": False, "license": None,
        "language_bytes": None, "pushed_at": None, "fetched_at": 0, "transport": "blobs",
    }  # fmt: skip


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Shard 0 holds the first two, one of them also as an emptied row."""

    rows = [row(IDS[0], CONTENTS[0], "LICENSE"), row(IDS[1], CONTENTS[1], "b/LICENSE"),
            row(IDS[1], b"", "taken/LICENSE")]  # fmt: skip
    with write_shard(tmp_path / "0.parquet") as writer:
        writer.write(pa.Table.from_pylist(rows, DOCUMENT))
    known = KnownBlobs.open(tmp_path / "known")
    known.add(0, "d", IDS[:2], [1, 1])
    return Library(tmp_path / "spools", lambda number: tmp_path / f"{number}.parquet", known)


def borrowing(*blobs: bytes, holder: int | None = None) -> dict[int, Resolution]:
    return {7: Resolution(borrowed=dict.fromkeys(blobs, holder))}


def test_from_a_shard_by_what_the_content_is(library: Library) -> None:
    assert library.lend(borrowing(*IDS[:2])) == dict(zip(IDS[:2], CONTENTS, strict=False))


def test_what_was_lent_stays_in_memory_and_within_bounds(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.lend(borrowing(IDS[0]))
    (tmp_path / "0.parquet").unlink()
    assert library.lend(borrowing(IDS[0])) == {IDS[0]: CONTENTS[0]}
    monkeypatch.setattr(harvest.lending, "MAX_KEPT_BYTES", 3)
    assert library.lend(borrowing(IDS[0])) == {IDS[0]: CONTENTS[0]}
    with pytest.raises(ShardError):  # it had to make room
        library.lend(borrowing(IDS[0]))


def test_from_a_repository_of_the_same_shard(library: Library, tmp_path: Path) -> None:
    with BlobWriter(tmp_path / "spools", 3) as writer:
        writer.add(CONTENTS[2])
        writer.commit()
    assert library.lend(borrowing(IDS[2], holder=3)) == {IDS[2]: CONTENTS[2]}
    assert library.lend({}) == {}


def test_what_no_shard_has(library: Library) -> None:
    with pytest.raises(ShardError, match=IDS[2].hex()):
        library.lend(borrowing(IDS[2]))
