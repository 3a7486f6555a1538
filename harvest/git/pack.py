"""A pack read as it comes: every object inflated, its deltas resolved, its name computed.

Source: git documentation, gitformat-pack(5): "pack-*.pack files have the following format",
"Object types", "Deltified representation".

A pack is hostile input. Nothing in it is believed: an object's name is the SHA-1 of what came, a
stated size is an upper bound that must be met, and what a pack may cost is limited. Contents go to
a `Store`; memory holds an index, one delta with its base, and what waits for a base.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, NamedTuple

from harvest.git.delta import apply_delta, sizes
from harvest.git.errors import corrupt, truncated
from harvest.git.store import Store
from harvest.gunzip import DamagedError
from harvest.inflate import ERRORS, ZLIB_WINDOW, inflater

Kind = Literal["commit", "tree", "blob", "tag"]
ID_BYTES = 20
_KINDS: dict[int, Kind] = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_OFS_DELTA, _REF_DELTA = 6, 7
_HEADER_BYTES = 12
_MAX_OBJECT_HEADER_BYTES = 10 + 10 + ID_BYTES  # size, distance, name of the base
_BLOCK_BYTES = 1 << 18
NOT_STORED = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class PackLimits:
    """What a pack may cost."""

    max_objects: int
    max_bytes: int  # of all objects, inflated
    max_stored_bytes: int = 16 << 20  # a larger object is only named; no delta may build on it
    max_delta_bytes: int = 16 << 20  # of one delta, in memory
    max_waiting_bytes: int = 64 << 20  # of deltas whose base has not come
    max_depth: int = 4_095  # of a chain of deltas; git itself makes none deeper


class Entry(NamedTuple):
    """An object, and where it lies in the store."""

    kind: Kind
    id: bytes
    position: int  # NOT_STORED for one that was too large
    size: int
    depth: int = 0


class _Waiting(NamedTuple):
    """A delta whose base is not known yet: by its name, or by its offset in the pack."""

    offset: int
    base: bytes | int
    delta: bytes


class _Inflation:
    """An object on its way out of its deflated stream."""

    def __init__(self, offset: int, code: int, size: int, base: bytes | int | None) -> None:
        self.offset, self.code, self.size, self.base = offset, code, size, base
        self.done = 0
        self.stream = inflater(ZLIB_WINDOW)
        self.delta = bytearray()
        self.position = NOT_STORED
        kind = _KINDS.get(code)
        self.hash = _named(kind, size) if kind else None


class PackReader:
    """Feed it the pack; after `close` every object stands in `entries`, by its name."""

    def __init__(self, store: Store, limits: PackLimits) -> None:
        self.entries: dict[bytes, Entry] = {}
        self._store, self._limits = store, limits
        self._by_offset: dict[int, Entry] = {}
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = self._total = 0
        self._buffer, self._at = bytearray(), 0
        self._start = 0  # the buffer's offset in the pack
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._left: int | None = None  # objects still to come; None before the header
        self._current: _Inflation | None = None
        self._ended = False

    def feed(self, data: bytes) -> None:
        """Read on. Raises DamagedError, whose `reason` is what gets counted."""
        if self._ended and data:
            raise corrupt("bytes after the end of the pack")
        self._buffer += data
        while not self._ended and self._step():
            pass
        self._sha1.update(memoryview(self._buffer)[: self._at])
        del self._buffer[: self._at]
        self._start += self._at
        self._at = 0

    def close(self) -> None:
        """Say that no more comes, and resolve what waited for its base. Raises DamagedError."""
        if not self._ended:
            raise truncated("the pack ends before its objects do")
        while self._waiting:
            waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
            for each in waiting:
                self._resolve(each)
            if len(self._waiting) == len(waiting):
                raise DamagedError("missing_base", f"{len(waiting)} deltas without their base")

    def _step(self) -> bool:
        """Take one thing from the buffer; False if it is not there yet."""
        if self._left is None:
            return self._header()
        if self._current is not None:
            return self._inflate(self._current)
        return self._object() if self._left else self._trailer()

    def _header(self) -> bool:
        if len(self._buffer) < _HEADER_BYTES:
            return False
        head = bytes(self._buffer[:_HEADER_BYTES])
        if head[:4] != b"PACK" or head[4:8] not in (b"\0\0\0\2", b"\0\0\0\3"):
            raise corrupt("that is no pack")
        self._left = int.from_bytes(head[8:], "big")
        if self._left > self._limits.max_objects:
            problem = f"{self._left} objects, where {self._limits.max_objects} may come"
            raise DamagedError("too_many_objects", problem)
        self._at = _HEADER_BYTES
        return True

    def _trailer(self) -> bool:
        if len(self._buffer) - self._at < ID_BYTES:
            return False
        self._sha1.update(memoryview(self._buffer)[: self._at])
        if len(self._buffer) - self._at > ID_BYTES:
            raise corrupt("bytes after the end of the pack")
        if self._buffer[self._at :] != self._sha1.digest():
            raise corrupt("the pack's checksum is not that of its bytes")
        self._ended = True
        return False

    def _object(self) -> bool:
        """Read an object's header: kind, inflated size, and what it builds on."""
        head = bytes(self._buffer[self._at : self._at + _MAX_OBJECT_HEADER_BYTES])
        parsed = _object_header(head)
        if parsed is None:
            if len(head) == _MAX_OBJECT_HEADER_BYTES:
                raise corrupt("an object's header that does not end")
            return False
        code, size, base, length = parsed
        offset = self._start + self._at
        if code not in _KINDS and code not in (_OFS_DELTA, _REF_DELTA):
            raise corrupt(f"an object of kind {code}")
        if isinstance(base, int):
            base = offset - base
        elif code in _KINDS:
            self._count(size)
        if code not in _KINDS and size > self._limits.max_delta_bytes:
            raise DamagedError("too_large", f"a delta of {size} bytes")
        self._at += length
        self._current = _Inflation(offset, code, size, base)
        if code in _KINDS and size <= self._limits.max_stored_bytes:
            self._current.position = self._store.size
        return True

    def _inflate(self, current: _Inflation) -> bool:
        """Inflate what there is of the current object; False if more is needed."""
        left = current.size - current.done
        # Little more than the object, so that little is copied back as not its own.
        stop = self._at + min(_BLOCK_BYTES, left + (left >> 9) + 64)
        with memoryview(self._buffer) as whole, whole[self._at : stop] as piece:
            given = len(piece)
            try:
                block = current.stream.decompress(piece, min(_BLOCK_BYTES, left + 1))
            except ERRORS as error:
                raise corrupt(f"damaged deflated data ({error})") from error
        stream = current.stream
        # At the end zlib may keep an older tail beside what it did not use.
        used = given - len(stream.unused_data if stream.eof else stream.unconsumed_tail)
        self._at += used
        self._take(current, block)
        if stream.eof:
            self._finish(current)
            return True
        return bool(used or block)

    def _take(self, current: _Inflation, block: bytes) -> None:
        current.done += len(block)
        if current.done > current.size:
            raise corrupt("an object larger than it says")
        if current.hash is None:
            current.delta += block
            return
        current.hash.update(block)
        if current.position != NOT_STORED:
            self._store.append(block)

    def _finish(self, current: _Inflation) -> None:
        if current.done != current.size:
            raise corrupt("an object smaller than it says")
        assert self._left is not None
        self._left -= 1
        self._current = None
        if current.hash is not None:
            kind = _KINDS[current.code]
            entry = Entry(kind, current.hash.digest(), current.position, current.size)
            self._keep(current.offset, entry)
            return
        assert current.base is not None
        self._resolve(_Waiting(current.offset, current.base, bytes(current.delta)))

    def _resolve(self, waiting: _Waiting) -> None:
        """Apply a delta, or let it wait for its base."""
        key = waiting.base
        base = self._by_offset.get(key) if isinstance(key, int) else self.entries.get(key)
        if base is not None:
            self._keep(waiting.offset, self._applied(base, waiting.delta))
            return
        self._waiting.append(waiting)
        self._waiting_bytes += len(waiting.delta)
        if self._waiting_bytes > self._limits.max_waiting_bytes:
            raise DamagedError("too_large", "too many deltas before their bases")

    def _applied(self, base: Entry, delta: bytes) -> Entry:
        size = sizes(delta)[1]
        if base.position == NOT_STORED or size > self._limits.max_stored_bytes:
            raise DamagedError("too_large", f"a delta over {max(base.size, size)} bytes")
        if base.depth >= self._limits.max_depth:
            raise DamagedError("too_deep", f"a chain of {base.depth + 1} deltas")
        self._count(size)
        result = apply_delta(delta, self._store.read(base.position, base.size))
        digest = _named(base.kind, size)
        digest.update(result)
        position = self._store.size
        self._store.append(result)
        return Entry(base.kind, digest.digest(), position, size, base.depth + 1)

    def _keep(self, offset: int, entry: Entry) -> None:
        self._by_offset[offset] = entry
        self.entries.setdefault(entry.id, entry)

    def _count(self, size: int) -> None:
        self._total += size
        if self._total > self._limits.max_bytes:
            problem = f"more than {self._limits.max_bytes} bytes of objects"
            raise DamagedError("too_large", problem)


def _named(kind: Kind, size: int) -> hashlib._Hash:
    return hashlib.sha1(b"%s %d\0" % (kind.encode(), size), usedforsecurity=False)


def _object_header(head: bytes) -> tuple[int, int, bytes | int | None, int] | None:
    """(kind, size, distance or name of the base, length of the header); None if it is cut off."""
    size_end = _end_of_varint(head, 0)
    if size_end is None:
        return None
    code = head[0] >> 4 & 7
    size = head[0] & 0x0F
    for place, byte in enumerate(head[1:size_end]):
        size |= (byte & 0x7F) << (4 + 7 * place)
    if code == _REF_DELTA:
        end = size_end + ID_BYTES
        return (code, size, head[size_end:end], end) if len(head) >= end else None
    if code == _OFS_DELTA:
        end_of_distance = _end_of_varint(head, size_end)
        if end_of_distance is None:
            return None
        return code, size, _distance(head[size_end:end_of_distance]), end_of_distance
    return code, size, None, size_end


def _end_of_varint(head: bytes, start: int) -> int | None:
    for index in range(start, len(head)):
        if head[index] < 0x80:
            return index + 1
        if index - start >= 9:
            raise corrupt("a number that does not end")
    return None


def _distance(digits: bytes) -> int:
    """The "offset encoding": highest bits first, and each further byte begins one higher."""
    value = digits[0] & 0x7F
    for byte in digits[1:]:
        value = (value + 1) << 7 | (byte & 0x7F)
    if value == 0:
        raise corrupt("a delta that builds on itself")
    return value
