"""Inflating by the fastest library there is: ISA-L where it is installed, else zlib.

Measured on one core (docs/harvest.md, "Inflating"): sympy's archive comes out at 1,260 MB/s by
ISA-L, 1,030 by zlib-ng and 400 by zlib; with tar, SHA-1 and writing, an archive or a pack takes
1.55 times less CPU. What comes out is the same. setup.cfg names the platforms that have wheels.
"""

from __future__ import annotations

import zlib
from typing import Protocol

GZIP_WINDOW = 16 + zlib.MAX_WBITS
ZLIB_WINDOW = zlib.MAX_WBITS
ERRORS: tuple[type[Exception], ...] = (zlib.error,)
LIBRARY = "zlib"


class Inflater(Protocol):
    """`zlib.decompressobj`, as far as it is used."""

    @property
    def eof(self) -> bool:
        """The end mark was read."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What follows the end."""
        ...

    @property
    def unconsumed_tail(self) -> bytes:
        """What was not looked at, as there was enough to give back."""
        ...

    def decompress(self, data: bytes | memoryview, max_length: int, /) -> bytes:
        """At most so many bytes. Raises one of ERRORS."""
        ...


def by_zlib(window: int) -> Inflater:
    """An inflater of Python's own library."""
    return zlib.decompressobj(window)


inflater = by_zlib
try:
    from isal import isal_zlib
    from isal.igzip_lib import IsalError
except ImportError:
    pass
else:

    def by_isal(window: int) -> Inflater:
        """An inflater of ISA-L."""
        return isal_zlib.decompressobj(window)

    inflater, LIBRARY = by_isal, "isal"
    ERRORS = (zlib.error, IsalError)  # type: ignore[assignment]  # its stub has an instance there
