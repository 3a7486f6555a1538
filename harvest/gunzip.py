"""Gzip, decompressed as it arrives, in bounded memory and up to a bounded size (RFC 1952)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from harvest.inflate import ERRORS, GZIP_WINDOW, inflater

_MAGIC = b"\x1f\x8b"
_BLOCK_BYTES = 1 << 18

Damage = Literal["not_gzip", "corrupt", "truncated", "too_large"]


class DamagedError(Exception):
    """The bytes are not what they should be; `reason` is what gets counted."""

    def __init__(self, reason: Damage | str, problem: str) -> None:
        self.reason, self.problem = reason, problem
        super().__init__(problem)


class Gunzip:
    """Feed it compressed chunks; it yields blocks of at most 256 KiB.

    `max_bytes` bounds what goes in as well as what comes out: empty members would otherwise
    arrive for ever.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._in = self._out = 0
        self._inflate = inflater(GZIP_WINDOW)
        self._head = b""  # the first bytes of a member, until they can be judged
        self._begun = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Decompress a chunk. Raises DamagedError."""
        self._in = self._counted(self._in, len(chunk))
        rest, full = chunk, False
        # After a full block zlib may hold more of it, though it has taken all of the input.
        while rest or full:
            if not self._begun:
                rest = self._begin(rest)
                continue
            block = self._inflated(rest)
            rest, full = self._inflate.unconsumed_tail, len(block) == _BLOCK_BYTES
            if block:
                self._out = self._counted(self._out, len(block))
                yield block
            if self._inflate.eof:
                rest, full = self._inflate.unused_data, False
                self._begun = False

    def close(self) -> None:
        """Say that no more comes. Raises DamagedError if a member is not at its end."""
        if self._begun or self._head or not self._in:
            raise DamagedError("truncated", "the gzip stream ends before its end mark")

    def _begin(self, rest: bytes) -> bytes:
        """Judge the first two bytes of a member; what is left to decompress."""
        head = self._head + rest
        if not _MAGIC.startswith(head[:2]):
            first = self._in == len(head)
            raise DamagedError(
                "not_gzip" if first else "corrupt",
                "not a gzip archive" if first else "bytes after the end of the gzip stream",
            )
        if len(head) < len(_MAGIC):
            self._head = head
            return b""
        self._head = b""
        self._begun = True
        self._inflate = inflater(GZIP_WINDOW)
        return head

    def _inflated(self, data: bytes) -> bytes:
        try:
            return self._inflate.decompress(data, _BLOCK_BYTES)
        except ERRORS as error:
            raise DamagedError("corrupt", f"damaged gzip data ({error})") from error

    def _counted(self, before: int, more: int) -> int:
        if before + more > self._max_bytes:
            raise DamagedError("too_large", f"more than {self._max_bytes} bytes in the archive")
        return before + more
