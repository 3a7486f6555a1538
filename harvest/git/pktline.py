"""Pkt-lines, which frame everything that git says over the wire.

Source: git documentation, gitprotocol-common(5), "pkt-line Format", and gitprotocol-v2(5),
"Packet-Line Framing".
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from harvest.git.errors import corrupt, truncated

MAX_LINE_BYTES = 65_520  # the four digits of the length included
_LENGTH_DIGITS = 4


class Mark(Enum):
    """The packets without content."""

    FLUSH = 0  # the end of a message
    DELIMITER = 1  # the end of a section
    RESPONSE_END = 2


Packet = bytes | Mark


def encode(content: bytes) -> bytes:
    """One data packet."""
    assert len(content) + _LENGTH_DIGITS <= MAX_LINE_BYTES
    return b"%04x%s" % (len(content) + _LENGTH_DIGITS, content)


def encode_mark(mark: Mark) -> bytes:
    """One packet without content."""
    return b"%04x" % mark.value


class PacketReader:
    """Feed it bytes as they come; it yields whole packets and holds one at most."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> Iterator[Packet]:
        """The packets that are whole now. Raises DamagedError."""
        self._buffer += chunk
        at = 0
        while (length := self._length(at)) is not None:
            if length < _LENGTH_DIGITS:
                at += _LENGTH_DIGITS
                yield Mark(length)
            elif at + length <= len(self._buffer):
                packet = bytes(self._buffer[at + _LENGTH_DIGITS : at + length])
                at += length
                yield packet
            else:
                break
        del self._buffer[:at]

    def close(self) -> None:
        """Say that no more comes. Raises DamagedError if a packet has only begun."""
        if self._buffer:
            raise truncated("the answer ends within a packet")

    def _length(self, at: int) -> int | None:
        digits = bytes(self._buffer[at : at + _LENGTH_DIGITS])
        if len(digits) < _LENGTH_DIGITS:
            return None
        # int() would also take signs, spaces and underscores.
        if not all(digit in b"0123456789abcdefABCDEF" for digit in digits):
            raise corrupt(f"{digits!r} is no length of a packet")
        length = int(digits, 16)
        if length > MAX_LINE_BYTES or length == _LENGTH_DIGITS - 1:
            raise corrupt(f"a packet of length {length}")
        return length
