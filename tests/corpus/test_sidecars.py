from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from corpus.errors import SidecarError
from corpus.shards import Shard, open_shard, write_shard
from corpus.sidecars import (
    Stamp,
    is_current,
    read_sidecar,
    read_stamp,
    sidecar_path,
    write_sidecar,
)

SCHEMA = pa.schema([("path", pa.string())])


def make_shard(path: Path, paths: list[str]) -> Shard:
    with write_shard(path, SCHEMA) as writer:
        writer.write(pa.table({"path": paths}))
    return open_shard(path)


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    return make_shard(tmp_path / "s.parquet", ["a", "b", "c"])


def stamp_for(shard: Shard) -> Stamp:
    return Stamp("text", 1, "p", shard.digest, ("x", "y"))


def test_write_then_read_is_the_identity(tmp_path: Path, shard: Shard) -> None:
    path = sidecar_path(tmp_path / "sidecars", "text", shard)
    table = pa.table({"lines": [1, 2, 3], "chars": [4, 5, 6]})
    write_sidecar(path, table, stamp_for(shard), shard.rows)
    assert read_sidecar(path, shard).to_pydict() == table.to_pydict()
    assert read_sidecar(path, shard, ["chars"]).column_names == ["chars"]
    assert read_stamp(path) == stamp_for(shard)


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "syntax"},
        {"version": 2},
        {"parameters": "q"},
        {"shard": "other"},
        {"inputs": ("x",)},
    ],
)
def test_any_change_makes_a_sidecar_out_of_date(
    tmp_path: Path, shard: Shard, change: dict[str, object]
) -> None:
    path, stamp = tmp_path / "t.parquet", stamp_for(shard)
    assert not is_current(path, stamp)
    write_sidecar(path, pa.table({"a": [1, 2, 3]}), stamp, 3)
    assert is_current(path, stamp)
    changed = replace(stamp, **change)  # type: ignore[arg-type]
    assert not is_current(path, changed)
    assert changed.digest != stamp.digest


def test_a_sidecar_of_another_shard_is_refused_by_name(tmp_path: Path, shard: Shard) -> None:
    path = tmp_path / "t.parquet"
    write_sidecar(path, pa.table({"a": [1, 2, 3]}), stamp_for(shard), 3)
    other = make_shard(tmp_path / "other.parquet", ["x", "y", "z"])
    with pytest.raises(SidecarError, match=r"t\.parquet: speaks of another shard than .*other"):
        read_sidecar(path, other)


def test_a_damaged_or_missing_sidecar_is_named(tmp_path: Path, shard: Shard) -> None:
    path = tmp_path / "t.parquet"
    with pytest.raises(SidecarError, match="no such sidecar"):
        read_sidecar(path, shard)
    write_sidecar(path, pa.table({"a": [1, 2, 3]}), stamp_for(shard), 3)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SidecarError, match=r"t\.parquet: damaged"):
        read_sidecar(path, shard)
    assert not is_current(path, stamp_for(shard))
