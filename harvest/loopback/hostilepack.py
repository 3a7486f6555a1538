"""Answers to a fetch made to hurt or to fool whoever reads them, without holding them in memory."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence

from harvest.loopback.faults import HostilePackKind

_BLOB, _REF_DELTA = 3, 7
_MAX_PACKET = 65_000
_HONEST = b"print('not what you asked for')\n"


def hostile_answer(kind: HostilePackKind, wants: Sequence[str]) -> Iterator[bytes]:
    """The body of the answer to a fetch of these ids."""
    if kind == "error_line":
        yield _packet(b"ERR upload-pack: not our ref " + b"0" * 40)
        return
    yield _packet(b"packfile\n")
    if kind == "fatal_band":
        yield _packet(b"\3aborting due to possible repository corruption on the remote side.")
    for piece in _MAKERS[kind](wants) if kind in _MAKERS else ():
        for start in range(0, len(piece), _MAX_PACKET):
            yield _packet(b"\1" + piece[start : start + _MAX_PACKET])
    yield b"0000"


def _packet(content: bytes) -> bytes:
    return b"%04x" % (len(content) + 4) + content


def pack(objects: Iterator[bytes], count: int) -> Iterator[bytes]:
    """A whole pack of encoded objects."""
    digest = hashlib.sha1(usedforsecurity=False)
    for piece in (b"PACK\0\0\0\2" + count.to_bytes(4, "big"), *objects):
        digest.update(piece)
        yield piece
    yield digest.digest()


def header(code: int, size: int) -> bytes:
    """An object's kind and inflated size."""
    first, size = code << 4 | size & 0x0F, size >> 4
    digits = bytearray()
    while size:
        digits.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    digits.append(first)
    return bytes(digits)


def blob(content: bytes, claimed: int | None = None) -> bytes:
    """A blob as a pack holds it."""
    size = len(content) if claimed is None else claimed
    return header(_BLOB, size) + zlib.compress(content)


def ref_delta(base: bytes, delta: bytes) -> bytes:
    """A delta that names its base."""
    return header(_REF_DELTA, len(delta)) + base + zlib.compress(delta)


def _zeros(size: int) -> Iterator[bytes]:
    """A blob of so many MiB of zeros: one deflated block, again and again."""
    block = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    again = block.compress(bytes(1 << 20)) + block.flush(zlib.Z_FULL_FLUSH)
    yield header(_BLOB, size) + b"\x78\xda"
    for _ in range(size >> 20):
        yield again
    checksum = 1 + (size % 65_521 << 16)  # Adler-32 of zeros
    yield b"\x03\x00" + checksum.to_bytes(4, "big")


def _bomb(wants: Sequence[str]) -> Iterator[bytes]:
    """3 GiB of zeros."""
    return pack(_zeros(3 << 30), 1)


def _delta_bomb(wants: Sequence[str]) -> Iterator[bytes]:
    """A small delta that copies a megabyte sixty thousand times."""
    base = bytes(1 << 20)
    name = hashlib.sha1(b"blob %d\0" % len(base) + base, usedforsecurity=False).digest()
    copy = bytes([0x80 | 0x40, 0x10])  # 0x100000 bytes from offset 0
    times = 60_000
    delta = _size(len(base)) + _size(times << 20) + copy * times
    return pack(iter((blob(base), ref_delta(name, delta))), 2)


def _size(value: int) -> bytes:
    digits = bytearray()
    while value >= 0x80:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def _claimed_size(wants: Sequence[str]) -> Iterator[bytes]:
    return pack(iter((blob(_HONEST, claimed=len(_HONEST) - 3),)), 1)


def _damaged(wants: Sequence[str]) -> Iterator[bytes]:
    whole = bytearray(b"".join(pack(iter((blob(_HONEST * 9),)), 1)))
    whole[20] ^= 0xFF
    yield bytes(whole)


def _missing_base(wants: Sequence[str]) -> Iterator[bytes]:
    delta = _size(10) + _size(3) + b"\3abc"
    return pack(iter((ref_delta(b"\7" * 20, delta),)), 1)


def _missing_object(wants: Sequence[str]) -> Iterator[bytes]:
    return pack(iter(()), 0)


def _many_objects(wants: Sequence[str]) -> Iterator[bytes]:
    return pack((blob(b"%d" % number) for number in range(200_000)), 200_000)


def _not_a_pack(wants: Sequence[str]) -> Iterator[bytes]:
    yield b"<!DOCTYPE html><html><body>This is not the pack you are looking for.</body></html>"


def _wrong_blob(wants: Sequence[str]) -> Iterator[bytes]:
    """As many blobs as were asked for, and none of them asked for."""
    made = (blob(_HONEST + b"#%d\n" % number) for number in range(len(wants)))
    return pack(made, len(wants))


_MAKERS: dict[str, Callable[[Sequence[str]], Iterator[bytes]]] = {
    "bomb": _bomb,
    "claimed_size": _claimed_size,
    "damaged": _damaged,
    "delta_bomb": _delta_bomb,
    "missing_base": _missing_base,
    "missing_object": _missing_object,
    "many_objects": _many_objects,
    "not_a_pack": _not_a_pack,
    "wrong_blob": _wrong_blob,
}
