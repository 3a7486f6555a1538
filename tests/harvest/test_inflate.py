"""Both libraries, wherever both are: what one makes of any stream the other makes too."""

from __future__ import annotations

import gzip
import random
import zlib
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harvest.git.pack
import harvest.gunzip
from harvest.git.pack import PackLimits, PackReader
from harvest.git.store import MemoryStore
from harvest.gunzip import Gunzip
from harvest.inflate import ERRORS, GZIP_WINDOW, LIBRARY, ZLIB_WINDOW, by_zlib, inflater
from harvest.loopback.hostilepack import blob, pack

LIBRARIES = sorted({by_zlib, inflater}, key=lambda each: each.__name__)


def texts(size: int) -> bytes:
    draw = random.Random(size)
    return b" ".join(draw.choice([b"def", b"return", b"x", b"+", b"\n"]) for _ in range(size))


@given(st.binary(max_size=3_000) | st.integers(0, 30_000).map(texts), st.integers(1, 9_000),
       st.integers(1, 70_000), st.binary(max_size=50))  # fmt: skip
def test_the_same_comes_out(content: bytes, cut: int, most: int, rest: bytes) -> None:
    results = []
    for make in LIBRARIES:
        stream, out, wire = make(ZLIB_WINDOW), bytearray(), zlib.compress(content) + rest
        at = 0
        while not stream.eof:
            piece = wire[at : at + cut]
            at += len(piece)
            while True:
                block = stream.decompress(piece, most)
                out += block
                piece = stream.unconsumed_tail
                if stream.eof or (not piece and len(block) < most):
                    break
        results.append((bytes(out), at - len(stream.unused_data)))
    assert all(each == (content, len(wire) - len(rest)) for each in results)


@pytest.mark.parametrize("make", LIBRARIES)
def test_damage_is_an_error_of_these(make: Any) -> None:
    wire = bytearray(gzip.compress(texts(5_000)))
    wire[-6] ^= 0x20  # the checksum
    with pytest.raises(ERRORS):
        make(GZIP_WINDOW).decompress(bytes(wire), 1 << 20)
    with pytest.raises(ERRORS):
        make(ZLIB_WINDOW).decompress(b"no deflated data", 1 << 20)


@pytest.mark.parametrize("make", LIBRARIES)
def test_archives_and_packs_are_read_with_either(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harvest.gunzip, "inflater", make)
    monkeypatch.setattr(harvest.git.pack, "inflater", make)
    content = random.Random(1).randbytes(700_000) + texts(90_000)
    wire = gzip.compress(content) + gzip.compress(b"a second member")
    reader, out = Gunzip(1 << 24), bytearray()
    for start in range(0, len(wire), 10_000):
        for block in reader.feed(wire[start : start + 10_000]):
            out += block
    reader.close()
    assert out == content + b"a second member"
    packs = PackReader(MemoryStore(), PackLimits(max_objects=9, max_bytes=1 << 24))
    data = b"".join(pack(iter((blob(content), blob(b""), blob(b"x"))), 3))
    for start in range(0, len(data), 65_515):
        packs.feed(data[start : start + 65_515])
    packs.close()
    assert sorted(entry.size for entry in packs.entries.values()) == [0, 1, len(content)]


def test_the_fast_one_is_taken_where_it_is() -> None:
    assert (LIBRARY == "isal") is (find_spec("isal") is not None)
