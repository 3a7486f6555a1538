from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest.git.pktline import MAX_LINE_BYTES, Mark, PacketReader, encode, encode_mark
from harvest.gunzip import DamagedError

PACKETS = st.lists(st.one_of(st.binary(max_size=300), st.sampled_from(list(Mark))), max_size=20)


def encoded(packets: list[bytes | Mark]) -> bytes:
    return b"".join(encode(p) if isinstance(p, bytes) else encode_mark(p) for p in packets)


@given(PACKETS, st.integers(1, 60))
def test_what_is_written_is_read_however_it_is_cut(packets: list[bytes | Mark], cut: int) -> None:
    wire, reader, read = encoded(packets), PacketReader(), []
    for start in range(0, len(wire), cut):
        read += reader.feed(wire[start : start + cut])
    reader.close()
    assert read == packets


def test_the_forms_of_the_documentation() -> None:
    assert encode(b"a\n") == b"0006a\n"
    assert encode(b"foobar\n") == b"000bfoobar\n"
    assert encode(b"") == b"0004"
    assert [encode_mark(mark) for mark in Mark] == [b"0000", b"0001", b"0002"]


@pytest.mark.parametrize(
    "wire", [b"0003", b"fff1", b"ffff", b"-001", b"+0a1", b" 0a1", b"1_00", b"zzzz"]
)
def test_lengths_that_are_none(wire: bytes) -> None:
    with pytest.raises(DamagedError) as caught:
        list(PacketReader().feed(wire))
    assert caught.value.reason == "corrupt"


@pytest.mark.parametrize("wire", [b"0", b"000", b"0005", b"00ffabc"])
def test_an_end_within_a_packet(wire: bytes) -> None:
    reader = PacketReader()
    assert list(reader.feed(wire)) == []
    with pytest.raises(DamagedError) as caught:
        reader.close()
    assert caught.value.reason == "truncated"


def test_the_longest_packet() -> None:
    content = b"x" * (MAX_LINE_BYTES - 4)
    assert list(PacketReader().feed(encode(content))) == [content]
