from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from corpus.errors import ShardError
from corpus.schema import git_blob_id
from harvest.git.pack import NOT_STORED
from harvest.listing import ListedFile, Listing
from harvest.spool import (
    BlobWriter,
    Contents,
    drop_spool,
    holds,
    read_listing,
    sizes_of,
    spool_path,
    write_listing,
)


def listing() -> Listing:
    files = tuple(ListedFile(f"päth/{n}.py", bytes([n]) * 20) for n in range(5))
    return Listing("c" * 40, "blobs", 123, files, Counter(link=2, not_python=9))


def test_a_listing_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = spool_path(tmp_path / "spool", 7)
    write_listing(path, listing())
    assert read_listing(path) == listing()
    assert holds(path, 5)
    assert not holds(path, 4)
    assert [each.name for each in path.parent.iterdir()] == ["7.list"]


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_a_damaged_listing(tmp_path: Path, keep: int) -> None:
    path = spool_path(tmp_path, 7)
    write_listing(path, listing())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ShardError):
        read_listing(path)
    assert not holds(path, 5)
    with pytest.raises(ShardError):
        read_listing(spool_path(tmp_path, 8))


def test_contents_of_several_fetches_are_one_map(tmp_path: Path) -> None:
    with BlobWriter(tmp_path, 7) as writer:
        first = writer.add(b"one")
        assert writer.add(b"one") == first
        writer.place(b"\7" * 20, NOT_STORED, 5_000_000)
        writer.commit()
    with BlobWriter(tmp_path, 7) as writer:
        second = writer.add(b"t" * 400_000)
        writer.commit()
    with BlobWriter(tmp_path, 77) as writer:
        writer.add(b"another repository's")
        writer.commit()
    assert first == bytes.fromhex(git_blob_id(b"one"))
    assert sizes_of(tmp_path, 7) == {first: 3, second: 400_000, b"\7" * 20: 5_000_000}
    with Contents(tmp_path, 7) as contents:
        assert contents.read(first) == b"one"
        assert contents.read(second) == b"t" * 400_000
    drop_spool(tmp_path, 7)
    assert [each.name for each in tmp_path.iterdir()] == ["77.0.blobs"]


def test_what_is_not_committed_is_gone(tmp_path: Path) -> None:
    with BlobWriter(tmp_path, 7) as writer:
        writer.add(b"one")
    assert not list(tmp_path.iterdir())
    assert sizes_of(tmp_path, 7) == {}


@pytest.mark.parametrize("keep", [0, 5, 30, 60])
def test_damaged_contents_are_no_contents(tmp_path: Path, keep: int) -> None:
    with BlobWriter(tmp_path, 7) as writer:
        writer.add(b"x" * 40)
        writer.commit()
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:keep])
    assert sizes_of(tmp_path, 7) == {}
