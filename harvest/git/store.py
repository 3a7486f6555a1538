"""Where a pack's objects lie once they are inflated: in memory, or in a file."""

from __future__ import annotations

import os
from typing import IO, Protocol

_FLUSH_BYTES = 1 << 18


class Store(Protocol):
    """Bytes that are only ever added to."""

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def append(self, piece: bytes) -> None:
        """Add some."""
        ...

    def read(self, position: int, size: int) -> bytes:
        """Some that were added before."""
        ...


class MemoryStore:
    """For trees, which are small."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    @property
    def size(self) -> int:
        """Bytes held."""
        return len(self._bytes)

    def append(self, piece: bytes) -> None:
        """Add bytes."""
        self._bytes += piece

    def read(self, position: int, size: int) -> bytes:
        """Bytes that were added."""
        return bytes(self._bytes[position : position + size])


class FileStore:
    """For blobs: memory stays at one buffer whatever comes. The file stays the caller's."""

    def __init__(self, file: IO[bytes], size: int = 0) -> None:
        self._file, self._written = file, size
        self._buffer = bytearray()

    @property
    def size(self) -> int:
        """Bytes added, written or not yet."""
        return self._written + len(self._buffer)

    def append(self, piece: bytes) -> None:
        """Add bytes. Raises OSError, for instance where the disk is full."""
        self._buffer += piece
        if len(self._buffer) >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        view = memoryview(self._buffer)
        while view:
            done = os.pwrite(self._file.fileno(), view, self._written)
            self._written += done
            view = view[done:]
        self._buffer = bytearray()

    def read(self, position: int, size: int) -> bytes:
        """Bytes that were added."""
        if position + size > self._written:
            self.flush()
        return os.pread(self._file.fileno(), size, position)
