"""Packs that git itself made, with deltas; and what must never come of damaged or hostile ones."""

from __future__ import annotations

import hashlib
import random
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest.git.delta import apply_delta, sizes
from harvest.git.pack import NOT_STORED, PackLimits, PackReader
from harvest.git.store import FileStore, MemoryStore, Store
from harvest.gunzip import DamagedError
from harvest.loopback.hostilepack import blob, header, pack, ref_delta

LIMITS = PackLimits(max_objects=10_000, max_bytes=64 << 20)


def read(data: bytes, cut: int | None = None, store: Store | None = None, **limits: int) -> Any:
    settings: dict[str, int] = {"max_objects": 10_000, "max_bytes": 64 << 20, **limits}
    store = store or MemoryStore()
    reader = PackReader(store, PackLimits(**settings))
    for start in range(0, len(data), cut or max(1, len(data))):
        reader.feed(data[start : start + (cut or len(data))])
    reader.close()
    return reader, store


def name(content: bytes, kind: str = "blob") -> bytes:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).digest()


def contents() -> list[bytes]:
    """Texts that make good deltas, noise that makes none, and sizes around every buffer."""
    draw = random.Random(1)
    text = "".join(f"line {n} of a long file\n" for n in range(4_000))
    made = []
    for n in range(0, 400, 10):
        text = text.replace(f"line {n}", f"LINE {n} " + draw.randbytes(40).hex(), 1)
        made.append(text.encode())
    made += [draw.randbytes(size) for size in (0, 1, 20, 4_096, 65_515, 1 << 18, 600_000)]
    made += [made[0] + draw.randbytes(300_000), b"a" * 700_000]
    return made


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """`git pack-objects` over blobs that are in a repository."""
    where = tmp_path_factory.mktemp("packs") / "repo.git"
    git = ["git", "-C", str(where)]
    subprocess.run(["git", "init", "-q", "--bare", where], check=True)
    for content in contents():
        subprocess.run([*git, "hash-object", "-w", "--stdin"], input=content, check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip

    @cache
    def make(*options: str) -> bytes:
        wanted = "\n".join(name(content).hex() for content in contents()) + "\n"
        command = [*git, "pack-objects", "-q", "--stdout", "--window=50", *options]
        return subprocess.run(
            command, input=wanted.encode(), capture_output=True, check=True
        ).stdout

    return make


@pytest.mark.parametrize(
    "how", [["--delta-base-offset", "--depth=50"], ["--depth=50"], ["--depth=0"]]
)
@pytest.mark.parametrize("cut", [1_000, 65_515, None])
def test_every_object_of_a_pack_by_git(packed: Any, how: Sequence[str], cut: int | None) -> None:
    reader, store = read(packed(*how), cut)
    expected = {name(content): content for content in contents()}
    assert set(reader.entries) == set(expected)
    for key, entry in reader.entries.items():
        assert store.read(entry.position, entry.size) == expected[key]
        assert entry.kind == "blob"
    deep = max(entry.depth for entry in reader.entries.values())
    assert deep >= 3 if how != ["--depth=0"] else deep == 0


@settings(max_examples=15)
@given(st.integers(0, 1 << 30))
def test_however_it_is_cut(packed: Any, seed: int) -> None:
    draw = random.Random(seed)
    data, reader = packed("--delta-base-offset"), PackReader(MemoryStore(), LIMITS)
    at = 0
    most = draw.choice([300, 5_000, 65_515, 200_000])
    while at < len(data):
        size = draw.randint(1, most)
        reader.feed(data[at : at + size])
        at += size
    reader.close()
    assert set(reader.entries) == {name(content) for content in contents()}


@settings(max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_never_believed(packed: Any, place: float, bit: int) -> None:
    data = bytearray(packed("--delta-base-offset"))
    data[int(place * len(data))] ^= 1 << bit
    with pytest.raises(DamagedError):
        read(bytes(data), 65_515)


@settings(max_examples=30)
@given(st.floats(0, 1, exclude_max=True))
def test_a_pack_that_is_cut_off(packed: Any, place: float) -> None:
    data = packed("--delta-base-offset")
    with pytest.raises(DamagedError) as caught:
        read(data[: int(place * len(data))], 65_515)
    assert caught.value.reason == "truncated"


def test_a_pack_in_a_file_holds_little_memory(packed: Any, tmp_path: Path) -> None:
    with (tmp_path / "store").open("wb+") as file:
        store = FileStore(file)
        reader, _ = read(packed("--delta-base-offset"), 65_515, store)
        for content in contents():
            entry = reader.entries[name(content)]
            assert store.read(entry.position, entry.size) == content
    assert (tmp_path / "store").stat().st_size <= sum(map(len, contents()))


def made(*objects: bytes) -> bytes:
    return b"".join(pack(iter(objects), len(objects)))


def number(value: int) -> bytes:
    digits = bytearray()
    while value >= 0x80:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*digits, value))


BASE = b"the base of it all, long enough to copy from"
COPY_ALL = bytes([0x90, len(BASE)])


def grown(base: bytes, more: bytes) -> bytes:
    """A delta: all of the base, and `more`."""
    return (
        number(len(base))
        + number(len(base) + len(more))
        + bytes([0x90, len(base)])
        + (bytes([len(more)]) + more)
    )


def test_a_delta_may_come_before_its_base() -> None:
    first = BASE + b"1"
    objects = (ref_delta(name(first), grown(first, b"2")), ref_delta(name(BASE), grown(BASE, b"1")))
    reader, store = read(made(*objects, blob(BASE)))
    entry = reader.entries[name(first + b"2")]
    assert store.read(entry.position, entry.size) == first + b"2"
    assert entry.depth == 2


def test_a_delta_keeps_the_kind_of_its_base() -> None:
    tree = b"100644 a\0" + b"1" * 20
    data = header(2, len(tree)) + zlib.compress(tree)
    delta = number(len(tree)) + number(len(tree)) + bytes([0x90, len(tree)])
    reader, _ = read(made(data, ref_delta(name(tree, "tree"), delta)))
    assert [entry.kind for entry in reader.entries.values()] == ["tree"]


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ([ref_delta(b"\7" * 20, grown(BASE, b"1"))], "missing_base"),
        ([blob(BASE, claimed=len(BASE) - 1)], "corrupt"),
        ([blob(BASE, claimed=len(BASE) + 1)], "corrupt"),
        ([header(5, 3) + zlib.compress(b"abc")], "corrupt"),
        ([header(0, 3) + zlib.compress(b"abc")], "corrupt"),
        ([header(3, 3) + b"no deflated data at all"], "corrupt"),
        ([header(3, 1 << 70) + zlib.compress(b"")], "corrupt"),
        ([header(6, 3) + b"\0" + zlib.compress(b"abc")], "corrupt"),
        ([header(6, 3) + b"\x90\x01" + zlib.compress(b"abc")], "missing_base"),
        ([header(3, 65 << 20) + zlib.compress(b"")], "too_large"),
        ([header(7, 17 << 20) + b"\1" * 20 + zlib.compress(b"")], "too_large"),
        ([blob(BASE), ref_delta(name(BASE), grown(BASE + b"!", b"1"))], "corrupt"),
    ],
    ids=str,
)
def test_hostile_packs(objects: list[bytes], reason: str) -> None:
    with pytest.raises(DamagedError) as caught:
        read(made(*objects))
    assert caught.value.reason == reason


def test_limits_are_kept_before_anything_is_inflated() -> None:
    with pytest.raises(DamagedError) as caught:
        read(made(blob(b"1"), blob(b"2"), blob(b"3")), max_objects=2)
    assert caught.value.reason == "too_many_objects"
    with pytest.raises(DamagedError) as caught:
        read(made(blob(b"1" * 600), blob(b"2" * 600)), max_bytes=1_000)
    assert caught.value.reason == "too_large"
    with pytest.raises(DamagedError) as caught:
        read(made(blob(BASE), ref_delta(name(BASE), grown(BASE, b"1"))), max_bytes=len(BASE) + 9)
    assert caught.value.reason == "too_large"


def test_a_long_chain_of_deltas_is_refused() -> None:
    objects, content = [blob(BASE)], BASE
    for _ in range(6):
        objects.append(ref_delta(name(content), grown(content, b"x")))
        content += b"x"
    assert name(content) in read(made(*objects), max_depth=6)[0].entries
    with pytest.raises(DamagedError) as caught:
        read(made(*objects), max_depth=5)
    assert caught.value.reason == "too_deep"


def test_deltas_that_wait_for_their_bases_are_limited() -> None:
    objects = [ref_delta(b"%020d" % n, grown(BASE, b"1" * 100)) for n in range(50)]
    with pytest.raises(DamagedError) as caught:
        read(made(*objects), max_waiting_bytes=1_000)
    assert caught.value.reason == "too_large"


def test_a_large_object_is_named_and_not_kept() -> None:
    large = b"z" * 100_000
    reader, store = read(made(blob(large), blob(b"small")), 1_000, max_stored_bytes=1_000)
    entry = reader.entries[name(large)]
    assert (entry.position, entry.size) == (NOT_STORED, len(large))
    assert store.size == len(b"small")
    on_it = ref_delta(name(large), number(len(large)) + number(3) + b"\3abc")
    with pytest.raises(DamagedError) as caught:
        read(made(blob(large), on_it), max_stored_bytes=1_000)
    assert caught.value.reason == "too_large"


def test_nothing_may_follow_a_pack() -> None:
    data = made(blob(BASE))
    for cut in (None, len(data)):
        with pytest.raises(DamagedError):
            read(data + b"more", cut)


# -- deltas -----------------------------------------------------------------------------------


@given(st.binary(min_size=1, max_size=2_000), st.data())
def test_a_delta_makes_what_it_says(base: bytes, data: Any) -> None:
    delta, result = bytearray(), b""
    for _ in range(data.draw(st.integers(0, 12))):
        if data.draw(st.booleans()):
            start = data.draw(st.integers(0, len(base) - 1))
            size = data.draw(st.integers(1, len(base) - start))
            delta += bytes([0x80 | 0x03 | 0x30]) + start.to_bytes(2, "little")
            delta += size.to_bytes(2, "little")
            result += base[start : start + size]
        else:
            new = data.draw(st.binary(min_size=1, max_size=127))
            delta += bytes([len(new)]) + new
            result += new
    whole = number(len(base)) + number(len(result)) + bytes(delta)
    assert apply_delta(whole, base) == result
    assert sizes(whole)[:2] == (len(base), len(result))


@given(st.binary(max_size=60))
def test_no_delta_goes_beyond_what_it_says(delta: bytes) -> None:
    base = bytes(range(200))
    # Its first number is made to be the base's size, or nearly all would fail for that alone.
    for whole in (delta, number(len(base)) + delta):
        try:
            result = apply_delta(whole, base)
        except DamagedError as error:
            assert error.reason == "corrupt"
        else:
            assert len(result) == sizes(whole)[1]


def test_a_delta_that_ends_within_an_instruction() -> None:
    start = number(len(BASE)) + number(9)
    for rest in (b"\x91", b"\x91\1", b"\x8f\0\0", b"\5abc"):
        with pytest.raises(DamagedError) as caught:
            apply_delta(start + rest, BASE)
        assert caught.value.reason == "corrupt"


# -- stores -----------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=700_000), max_size=6), st.data())
@settings(max_examples=20)
def test_a_store_gives_back_what_was_added(pieces: list[bytes], data: Any) -> None:
    whole = b"".join(pieces)
    with tempfile.TemporaryFile() as file:
        for store in (MemoryStore(), FileStore(file)):
            for piece in pieces:
                store.append(piece)
            assert store.size == len(whole)
            start = data.draw(st.integers(0, len(whole)))
            stop = data.draw(st.integers(start, len(whole)))
            assert store.read(start, stop - start) == whole[start:stop]
