import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import DiskFullError, FileError, ShardError
from corpus.schema import DOCUMENT, git_blob_id
from corpus.shards import iter_row_groups, list_shards, open_shard, read_rows, write_shard


def row(content: bytes, path: str = "a.py", repo_id: int = 1) -> dict[str, Any]:
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return {
        "repo_id": repo_id,
        "repo": "o/r",
        "commit": "0" * 40,
        "path": path,
        "blob_id": git_blob_id(content),
        "size": len(content),
        "content": content,
        "stars": 7,
        "fork": False,
        "license": None,
        "language_bytes": [("Python", len(content))],
        "pushed_at": None,
        "fetched_at": when,
        "transport": "archive",
    }


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, DOCUMENT)


def write(path: Path, contents: list[bytes]) -> None:
    with write_shard(path) as writer:
        writer.notes["repositories"] = ["o/r"]
        for index, content in enumerate(contents):
            writer.write(table([row(content, f"{index}.py")]))


@given(st.lists(st.binary(max_size=50), max_size=200))
def test_write_then_read_is_the_identity(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("shard") / "shard-00000.parquet"
    write(path, contents)
    shard = open_shard(path)
    expected = [row(content, f"{index}.py") for index, content in enumerate(contents)]
    assert shard.rows == len(contents) == sum(shard.row_groups)
    assert read_rows(shard).to_pylist() == expected
    assert shard.notes == {"repositories": ["o/r"]}


def test_any_range_of_rows_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    contents = [b"x" * (1 << 20) + str(i).encode() for i in range(40)]  # several row groups
    write(path, contents)
    shard = open_shard(path)
    assert len(shard.row_groups) > 1
    for start, stop in [(0, 40), (0, 1), (15, 33), (39, 40), (7, 7), (20, 99)]:
        got = read_rows(shard, start, stop, ["content"])["content"].to_pylist()
        assert got == contents[start:stop]
    groups = [group.num_rows for group in iter_row_groups(shard, ["path"])]
    assert tuple(groups) == shard.row_groups


def test_the_digest_speaks_of_documents_and_not_of_when_they_came(tmp_path: Path) -> None:
    rows = [row(b"a"), row(b"b", "b.py")]
    later = [{**r, "fetched_at": datetime(2030, 1, 1, tzinfo=UTC), "stars": 9} for r in rows]
    digests = []
    for index, content in enumerate([rows, later, rows[::-1], [*rows, row(b"c", "c.py")]]):
        with write_shard(tmp_path / f"{index}.parquet") as writer:
            writer.write(table(content))
        digests.append(open_shard(tmp_path / f"{index}.parquet").digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_an_interrupted_shard_is_absent(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), write_shard(tmp_path / "s.parquet") as writer:
        writer.write(table([row(b"a")]))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_shard_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    write(path, [b"a" * 1000] * 10)
    whole = path.read_bytes()
    for size in (0, 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ShardError, match=r"s\.parquet: truncated or damaged"):
            list_shards(tmp_path)


def test_damaged_pages_are_named(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    write(path, [bytes(range(256)) * 40] * 3)
    shard = open_shard(path)
    whole = bytearray(path.read_bytes())
    whole[4:400] = b"\xff" * 396
    path.write_bytes(whole)
    with pytest.raises(ShardError, match=r"s\.parquet"):
        read_rows(shard)


def test_a_missing_shard_and_a_foreign_parquet_file_are_named(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    with pytest.raises(ShardError, match="no such shard"):
        open_shard(tmp_path / "none.parquet")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(ShardError, match="not a shard"):
        open_shard(tmp_path / "other.parquet")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="raw: No such file"):
        list_shards(tmp_path / "raw")


def test_a_full_disk_leaves_no_shard(tmp_path: Path) -> None:
    # The aside file is a link to the device that is always full.
    (tmp_path / f"s.parquet.{os.getpid()}.aside").symlink_to("/dev/full")
    with (
        pytest.raises(DiskFullError, match=r"s\.parquet: no space left"),
        write_shard(tmp_path / "s.parquet") as writer,
    ):
        writer.write(table([row(os.urandom(1 << 20))] * 20))
    assert list(tmp_path.iterdir()) == []
