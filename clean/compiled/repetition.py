"""How many of a file's lines stand in it more than once."""

from __future__ import annotations

import numpy as np

from clean.compiled.characters import NEWLINE
from clean.compiled.fingerprints import mixed
from clean.compiled.kernel import BYTES, helper, kernel

_BLOCK = 256  # bytes that are summed up before the sum is mixed
# One odd factor for each place in a block: products that do not wait for one another.
_FACTORS = np.random.default_rng(11).integers(0, 2**63, _BLOCK, np.uint64) | np.uint64(1)
_SORTED_BYTES = 6  # of a hash: 48 bits tell lines apart well enough
_UNSORTED = np.uint64(64 - 8 * _SORTED_BYTES)
_ZERO, _ONE, _8, _LOW = np.uint64(0), np.uint64(1), np.uint64(8), np.uint64(0xFF)


@kernel(BYTES)
def repeated_lines(data):  # type: ignore[no-untyped-def]
    """(lines, those that hold something, those of them that an earlier line equals).

    Blanks and tabs at both ends of a line count for nothing.
    """
    lines = int(len(data) > 0 and data[-1] != NEWLINE)
    for i in range(len(data)):  # without a branch, so that it is vectorised
        lines += data[i] == NEWLINE
    hashes = np.empty(lines, np.uint64)
    count = i = 0
    while i < len(data):
        while i < len(data) and (data[i] == 32 or data[i] == 9):
            i += 1
        start = stop = i
        while i < len(data) and data[i] != NEWLINE:
            i += 1
        stop = i
        while stop > start and data[stop - 1] in (32, 9, 12):
            stop -= 1
        if stop > start:
            hashes[count] = _hash(data, start, stop)
            count += 1
        i += 1
    return lines, count, count - _distinct(hashes[:count])


@helper
def _hash(data, start, stop):  # type: ignore[no-untyped-def]
    total = np.uint64(stop - start)
    while start < stop:
        size = min(stop - start, _BLOCK)
        for place in range(size):
            total += (np.uint64(data[start + place]) + _ONE) * _FACTORS[place]
        total = mixed(total)
        start += size
    return total


@helper
def _distinct(hashes):  # type: ignore[no-untyped-def]
    """How many different ones there are, by sorting: nobody can make up a file that is slow."""
    other = np.empty(len(hashes), np.uint64)
    shift = np.uint64(0)
    for _ in range(_SORTED_BYTES):  # the last one first; each time in a stable order
        places = np.zeros(257, np.int64)
        for i in range(len(hashes)):
            places[((hashes[i] >> shift) & _LOW) + _ONE] += 1
        for digit in range(256):
            places[digit + 1] += places[digit]
        for i in range(len(hashes)):
            digit = (hashes[i] >> shift) & _LOW
            other[places[digit]] = hashes[i]
            places[digit] += 1
        hashes, other = other, hashes
        shift += _8
    distinct = 0
    for i in range(len(hashes)):
        distinct += i == 0 or (hashes[i] ^ hashes[i - 1]) << _UNSORTED != _ZERO
    return distinct
