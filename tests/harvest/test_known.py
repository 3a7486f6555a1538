from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harvest.known
from harvest.known import NOWHERE, KnownBlobs

# Few heads, so that different ids share their first eight bytes.
IDS = st.builds(
    lambda head, tail: bytes([head] * 8) + bytes([tail] * 12), st.integers(0, 3), st.integers(0, 3)
) | st.integers(0, 200).map(lambda n: hashlib.sha1(b"%d" % n).digest())
SHARDS = st.lists(st.lists(st.tuples(IDS, st.integers(0, 1 << 33)), max_size=30), max_size=30)


def told(known: KnownBlobs, ids: list[bytes]) -> list[tuple[int, int] | None]:
    where = known.find(ids)
    found = zip(where.shard.tolist(), where.size.tolist(), strict=True)
    return [None if shard == NOWHERE else (shard, size) for shard, size in found]


def blob(number: int) -> bytes:
    return hashlib.sha1(str(number).encode()).digest()


@settings(max_examples=60)
@given(SHARDS, st.lists(IDS, max_size=40), st.booleans())
def test_it_is_a_map_from_ids_to_their_first_shard(
    tmp_path_factory: pytest.TempPathFactory, shards: Any, asked: list[bytes], again: bool
) -> None:
    folder = tmp_path_factory.mktemp("known")
    known, model = KnownBlobs.open(folder), {}
    for number, rows in enumerate(shards):
        # One blob has one size, and stands once in a shard.
        sizes = {key: len(key) + key[19] for key, _ in rows}
        known.add(number, f"digest{number}", list(sizes), list(sizes.values()))
        for key, size in sizes.items():
            model.setdefault(key, (number, size))
    if again:
        known = KnownBlobs.open(folder)
    everything = [*asked, *model]
    assert told(known, everything) == [model.get(key) for key in everything]
    assert known.shards == {number: f"digest{number}" for number in range(len(shards))}


def test_many_shards_become_few_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harvest.known, "_MERGE_ROWS", 50)  # many pieces a merge
    known = KnownBlobs.open(tmp_path)
    for shard in range(200):
        ids = [blob(n) for n in range(shard * 10, shard * 10 + 20)]  # half of them known
        known.add(shard, str(shard), ids, [shard] * 20)
    assert len(list(tmp_path.glob("*.run"))) < 30
    assert told(known, [blob(n) for n in range(2010)]) == [
        (max(0, n // 10 - 1), max(0, n // 10 - 1)) for n in range(2010)
    ]
    assert told(known, [blob(-1)]) == [None]
    assert known.disk_bytes <= 28 * 4_000
    assert KnownBlobs.open(tmp_path).shards == known.shards


def test_a_shard_without_blobs_is_known_too(tmp_path: Path) -> None:
    known = KnownBlobs.open(tmp_path)
    known.add(0, "a", [], [])
    assert KnownBlobs.open(tmp_path).shards == {0: "a"}
    assert told(known, []) == []


def test_killed_at_any_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each write may be the last: the set is as before the shard, or as after it."""
    write, replace = harvest.known.write_json, harvest.known.atomic_path
    steps = 0

    def counted(*arguments: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return (write if isinstance(arguments[-1], dict) else replace)(*arguments)

    monkeypatch.setattr(harvest.known, "write_json", counted)
    monkeypatch.setattr(harvest.known, "atomic_path", counted)
    while True:
        folder, left = tmp_path / str(steps), 1 << 30
        known = KnownBlobs.open(folder)
        for shard in range(7):
            known.add(shard, str(shard), [blob(shard)], [shard])
        left = steps
        try:
            known.add(7, "7", [blob(7)], [7])  # which makes one run of eight
        except KeyboardInterrupt:
            steps += 1
        else:
            break
        after = KnownBlobs.open(folder)
        present = 7 in after.shards
        assert told(after, [blob(n) for n in range(8)]) == [
            (n, n) if n < 7 or present else None for n in range(8)
        ]
        named = len(list(folder.glob("*.run")))
        assert named == len(after._runs)  # what was written and never counted is gone
    assert steps >= 3


@pytest.mark.parametrize("damage", ["index", "run", "missing run", "format"])
def test_a_damaged_set_is_an_empty_one(tmp_path: Path, damage: str) -> None:
    known = KnownBlobs.open(tmp_path)
    known.add(0, "a", [blob(1)], [1])
    [run], index = tmp_path.glob("*.run"), tmp_path / "known.json"
    if damage == "index":
        index.write_text(index.read_text()[:-9])
    elif damage == "format":
        index.write_text(index.read_text().replace('"format": 1', '"format": 99'))
    elif damage == "run":
        run.write_bytes(run.read_bytes()[:-1])
    else:
        run.unlink()
    known = KnownBlobs.open(tmp_path)
    assert (known.shards, len(known), told(known, [blob(1)])) == ({}, 0, [None])
    assert not list(tmp_path.glob("*.run"))
    known.add(0, "a", [blob(1)], [1])
    assert told(known, [blob(1)]) == [(0, 1)]


def test_clear_forgets_everything(tmp_path: Path) -> None:
    known = KnownBlobs.open(tmp_path)
    known.add(0, "a", [blob(1)], [1])
    known.clear()
    assert (len(known), known.shards) == (0, {})
    assert not list(tmp_path.glob("*.run"))
    assert KnownBlobs.open(tmp_path).shards == {}
