"""What stands in a file more than once: lines, and runs of words (n-grams).

Lines and runs are told apart by 48 bits of a hash, and equal ones found by sorting: nobody can make
up a file that takes more than its size.
"""

from __future__ import annotations

import numpy as np

from clean.compiled.characters import NEWLINE, char_bytes, code_point, is_space
from clean.compiled.fingerprints import mixed
from clean.compiled.kernel import BYTES, COUNTS_OUT, helper, kernel

LEAST, MOST = 2, 10  # words of a run
LONGEST_TOP = 4  # words of a run that is looked for as the most frequent one
_BLOCK = 256  # bytes that are summed up before the sum is mixed
# One odd factor for each place in a block: products that do not wait for one another.
_FACTORS = np.random.default_rng(11).integers(0, 2**63, _BLOCK, np.uint64) | np.uint64(1)
_BLANKS = np.zeros(256, np.bool_)
_BLANKS[list(b" \t\f")] = True
_HASH_BYTES = 6
_REST = np.uint64(64 - 8 * _HASH_BYTES)
_ZERO, _ONE, _8, _LOW = np.uint64(0), np.uint64(1), np.uint64(8), np.uint64(0xFF)


@kernel(BYTES)
def repeated_lines(data):  # type: ignore[no-untyped-def]
    """(lines, those that hold something, those of them that an earlier line equals).

    Blanks, tabs and form feeds at both ends of a line count for nothing.
    """
    lines = int(len(data) > 0 and data[-1] != NEWLINE)
    for i in range(len(data)):  # without a branch, so that it is vectorised
        lines += data[i] == NEWLINE
    ends = _line_ends(data, lines)
    hashes = np.empty(lines, np.uint64)
    count = start = 0
    for end in ends:
        stop = end
        while start < stop and _BLANKS[data[start]]:
            start += 1
        while stop > start and _BLANKS[data[stop - 1]]:
            stop -= 1
        if stop > start:
            hashes[count] = _hash(data, start, stop)
            count += 1
        start = end + 1
    order = _order(hashes[:count])
    repeated = 0
    for i in range(1, count):
        repeated += hashes[order[i]] == hashes[order[i - 1]]
    return lines, count, repeated


@helper
def _line_ends(data, lines):  # type: ignore[no-untyped-def]
    ends = np.empty(lines + 1, np.int64)
    count = 0
    for i in range(len(data)):  # no branch: what is written over was no end
        ends[count] = i
        count += data[i] == NEWLINE
    ends[count] = len(data)
    return ends[:lines]


@helper
def _hash(data, start, stop):  # type: ignore[no-untyped-def]
    total = np.uint64(stop - start)
    while start < stop:
        size = min(stop - start, _BLOCK)
        for place in range(size):
            total += (np.uint64(data[start + place]) + _ONE) * _FACTORS[place]
        total = mixed(total)
        start += size
    return total >> _REST


@helper
def _order(hashes):  # type: ignore[no-untyped-def]
    """Places by ascending hash; equal ones in their order of appearance."""
    order = np.arange(len(hashes))
    other = np.empty(len(hashes), np.int64)
    shift = _ZERO
    for _ in range(_HASH_BYTES):  # by each byte, the last one first
        places = np.zeros(257, np.int64)
        for i in range(len(hashes)):
            places[((hashes[i] >> shift) & _LOW) + _ONE] += 1
        for digit in range(256):
            places[digit + 1] += places[digit]
        for i in range(len(hashes)):
            digit = (hashes[order[i]] >> shift) & _LOW
            other[places[digit]] = order[i]
            places[digit] += 1
        order, other = other, order
        shift += _8
    return order


@kernel(BYTES, COUNTS_OUT)
def repeated_runs(data, out):  # type: ignore[no-untyped-def]
    """Fill `out`, (MOST + 1,), with characters of words: of all, and by the words of a run.

    Up to LONGEST_TOP it is those in the most frequent run, of several the longest; above, those in
    any run that occurs more than once. A character counts once, and a run that occurs once never.
    """
    words, chars = _words(data)
    out[:] = 0
    out[0] = chars[-1]
    hashes = words.copy()
    places = np.arange(len(words))  # where a run of one word less occurs more than once
    for size in range(LEAST, MOST + 1):
        places = _longer(places, size, len(words))
        for place in places:
            hashes[place] = mixed(hashes[place] * _FACTORS[0] + words[place + size - 1]) >> _REST
        own = hashes[places]
        order = _order(own)
        again = _repeated(own, order)
        if size <= LONGEST_TOP:
            out[size] = _chars_of_top(places, own, order, chars, size)
        else:
            out[size] = _chars_in_runs(places[again], chars, size)
        places = places[again]


@helper
def _words(data):  # type: ignore[no-untyped-def]
    """(hash of each word, characters before each word and in all); see `str.split`."""
    hashes = np.empty(len(data) // 2 + 1, np.uint64)
    chars = np.zeros(len(data) // 2 + 2, np.int64)
    count = i = 0
    while i < len(data):
        start = i
        long = 0
        while i < len(data) and not is_space(code_point(data, i)):
            i += char_bytes(data[i])
            long += 1
        if long:
            hashes[count] = _hash(data, start, i)
            chars[count + 1] = chars[count] + long
            count += 1
        else:
            i += char_bytes(data[i])
    return hashes[:count], chars[: count + 1]


@helper
def _longer(places, size, words):  # type: ignore[no-untyped-def]
    """Where a run of `size` words may occur again: both runs of one word less do."""
    count = 0
    longer = np.empty(len(places), np.int64)
    for i in range(len(places) - 1):
        if places[i + 1] == places[i] + 1 and places[i] + size <= words:
            longer[count] = places[i]
            count += 1
    return longer[:count]


@helper
def _repeated(hashes, order):  # type: ignore[no-untyped-def]
    again = np.zeros(len(hashes), np.bool_)
    for i in range(1, len(order)):
        if hashes[order[i]] == hashes[order[i - 1]]:
            again[order[i]] = again[order[i - 1]] = True
    return again


@helper
def _chars_of_top(places, hashes, order, chars, size):  # type: ignore[no-untyped-def]
    best = most = start = 0
    for stop in range(1, len(order) + 1):
        if stop == len(order) or hashes[order[stop]] != hashes[order[start]]:
            if stop - start > 1 and stop - start >= most:
                found = _chars_in_runs(places[order[start:stop]], chars, size)
                best = max(found, best) if stop - start == most else found
                most = stop - start
            start = stop
    return best


@helper
def _chars_in_runs(places, chars, size):  # type: ignore[no-untyped-def]
    """Characters of the words in runs that start at `places`, which ascend."""
    found = behind = 0
    for place in places:
        found += chars[place + size] - chars[max(place, behind)]
        behind = place + size
    return found
