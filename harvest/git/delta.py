"""Deltas: an object as copies from another one and new bytes.

Source: git documentation, gitformat-pack(5), "Deltified representation".
"""

from __future__ import annotations

from harvest.git.errors import corrupt

_UNSTATED_COPY_BYTES = 0x10000  # a copy whose size is 0
_MAX_VARINT_BYTES = 9
# By the first byte of a copy: which bytes of the offset and of the size follow, as shifts.
_OFFSETS = [tuple(8 * bit for bit in range(4) if code >> bit & 1) for code in range(256)]
_SIZES = [tuple(8 * bit for bit in range(3) if code >> bit + 4 & 1) for code in range(256)]


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


def apply_delta(delta: bytes, base: bytes) -> bytes:
    """The result, of the very size that the delta states. Raises DamagedError."""
    base_size, size, at = sizes(delta)
    if base_size != len(base):
        raise corrupt("a delta for a base of another size")
    try:
        result = _made(delta, at, base, size)
    except IndexError:
        raise corrupt("a delta that ends within an instruction") from None
    if len(result) != size:
        raise corrupt("a delta that makes another size than it says")
    return bytes(result)


def _made(delta: bytes, at: int, base: bytes, size: int) -> bytearray:
    """What the instructions make. A pack may hold a hundred thousand of them: no calls here."""
    result = bytearray()
    end, limit, left = len(delta), len(base), size
    while at < end:
        code = delta[at]
        at += 1
        if code & 0x80:
            offset = length = 0
            for shift in _OFFSETS[code]:
                offset |= delta[at] << shift
                at += 1
            for shift in _SIZES[code]:
                length |= delta[at] << shift
                at += 1
            length = length or _UNSTATED_COPY_BYTES
            if offset + length > limit:
                raise corrupt("a delta that copies from beyond its base")
            result += base[offset : offset + length]
        elif code:
            length = code
            result += delta[at : at + length]
            at += length
        else:
            raise corrupt("a delta with the reserved instruction")
        left -= length
        if left < 0:
            raise corrupt("a delta that makes more than it says")
    return result
