"""Deltas: an object as copies from another one and new bytes.

Source: git documentation, gitformat-pack(5), "Deltified representation".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harvest.git.errors import corrupt

_PIECE_BYTES = 1 << 18
_UNSTATED_COPY_BYTES = 0x10000  # a copy whose size is 0
_MAX_VARINT_BYTES = 9

Read = Callable[[int, int], bytes]  # (offset, size) of the base


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A size as deltas state it, lowest bits first; and where it ends. Raises DamagedError."""
    value = shift = 0
    for index in range(at, min(len(data), at + _MAX_VARINT_BYTES)):
        value |= (data[index] & 0x7F) << shift
        shift += 7
        if data[index] < 0x80:
            return value, index + 1
    raise corrupt("a size in a delta that does not end")


def sizes(delta: bytes) -> tuple[int, int, int]:
    """(size of the base, size of the result, where the instructions begin)."""
    base, at = varint(delta, 0)
    result, at = varint(delta, at)
    return base, result, at


def apply_delta(delta: bytes, read: Read) -> Iterator[bytes]:
    """The result in pieces of at most 256 KiB, never more than it claims. Raises DamagedError."""
    base_size, left, at = sizes(delta)
    while at < len(delta):
        code, at = delta[at], at + 1
        if code & 0x80:
            offset, size, at = _copy(code, delta, at)
            if offset + size > base_size:
                raise corrupt("a delta that copies from beyond its base")
        elif code:
            offset, size = -1, code
        else:
            raise corrupt("a delta with the reserved instruction")
        left -= size
        if left < 0:
            raise corrupt("a delta that makes more than it says")
        if offset >= 0:
            yield from _pieces(read, offset, size)
        else:
            if at + size > len(delta):
                raise corrupt("a delta that ends within an instruction")
            yield delta[at : at + size]
            at += size
    if left:
        raise corrupt("a delta that makes less than it says")


def _copy(code: int, delta: bytes, at: int) -> tuple[int, int, int]:
    """(offset, size, where the next instruction begins); absent bytes are zero."""
    values = []
    for bit in range(7):
        present = code >> bit & 1
        if present and at >= len(delta):
            raise corrupt("a delta that ends within an instruction")
        values.append(delta[at] if present else 0)
        at += present
    offset = int.from_bytes(bytes(values[:4]), "little")
    size = int.from_bytes(bytes(values[4:]), "little")
    return offset, size or _UNSTATED_COPY_BYTES, at


def _pieces(read: Read, offset: int, size: int) -> Iterator[bytes]:
    for start in range(offset, offset + size, _PIECE_BYTES):
        yield read(start, min(_PIECE_BYTES, offset + size - start))
