"""What stands in a file more than once: lines, and runs of words (n-grams).

Lines and runs are told apart by bits of a hash, 32 and 48 of them, and equal ones found by sorting:
nobody can make up a file that takes more than its size.
"""

from __future__ import annotations

import numpy as np

from clean.compiled.characters import ALNUM, FOLDED, NEWLINE, char_bytes, code_point, has_class
from clean.compiled.fingerprints import mixed
from clean.compiled.kernel import BYTES, COUNTS_OUT, TABLE, helper, kernel
from clean.compiled.lines import CODE_LINES, START, STOP
from clean.compiled.marks import COMMENT

LEAST, MOST = 2, 10  # words of a run
LONGEST_TOP = 4  # words of a run that is looked for as the most frequent one
_BLOCK = 256  # bytes that are summed up before the sum is mixed
# One odd factor for each place in a block: products that do not wait for one another.
_FACTORS = np.random.default_rng(11).integers(0, 2**63, _BLOCK, np.uint64) | np.uint64(1)
_BLANKS = np.zeros(256, np.bool_)
_BLANKS[list(b" \t\n\f\v\\")] = True
_LINE_BYTES, _RUN_BYTES = 4, 6  # of a hash
_LINE_REST, _RUN_REST = np.uint64(64 - 8 * _LINE_BYTES), np.uint64(64 - 8 * _RUN_BYTES)
_ZERO, _ONE, _8, _LOW = np.uint64(0), np.uint64(1), np.uint64(8), np.uint64(0xFF)


@kernel(BYTES, BYTES, TABLE)
def repeated_lines(data, marks, lines):  # type: ignore[no-untyped-def]
    """Lines of code that occur more than once, all occurrences of them.

    Comments and docstrings are out, and the blanks at both ends; lines that hold a single character
    or `},` are not looked for.
    """
    most = 0
    for row in range(len(lines)):
        most += lines[row, CODE_LINES]
    hashes = np.empty(most, np.uint64)
    count = 0
    for row in range(len(lines)):
        left = lines[row, CODE_LINES]
        start = lines[row, START]
        while left > 0 and start < lines[row, STOP]:
            end = lines[row, STOP] if left == 1 else _line_end(data, start, lines[row, STOP])
            begin, stop = _stripped(data, marks, start, end)
            left -= stop > begin
            if stop > begin and not _is_trifle(data, begin, stop):
                hashes[count] = _hash(data, begin, stop) >> _LINE_REST
                count += 1
            start = end + 1
    order = _order(hashes[:count], _LINE_BYTES)
    return np.sum(_repeated(hashes[:count], order))


@helper
def _line_end(data, i, stop):  # type: ignore[no-untyped-def]
    while i < stop and data[i] != NEWLINE:
        i += 1
    return i


@helper
def _stripped(data, marks, start, stop):  # type: ignore[no-untyped-def]
    """The same without comments and without the blanks at both ends."""
    while start < stop and (_BLANKS[data[start]] or marks[start] >= COMMENT):
        start += 1
    while stop > start and (_BLANKS[data[stop - 1]] or marks[stop - 1] >= COMMENT):
        stop -= 1
    return start, stop


@helper
def _is_trifle(data, start, stop):  # type: ignore[no-untyped-def]
    if stop - start == 2 and data[start] == 125 and data[start + 1] == 44:
        return True
    return stop - start == char_bytes(data[start])


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
def _order(hashes, hash_bytes):  # type: ignore[no-untyped-def]
    """Places by ascending hash; equal ones in their order of appearance."""
    order = np.arange(len(hashes))
    other = np.empty(len(hashes), np.int64)
    places = np.empty(257, np.int64)
    shift = _ZERO
    for _ in range(hash_bytes):  # by each byte, the last one first
        places[:] = 0
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


@kernel(BYTES, BYTES, COUNTS_OUT)
def repeated_runs(data, classes, out):  # type: ignore[no-untyped-def]
    """Fill `out`, (MOST + 1,), with characters of words: of all, and by the words of a run.

    Up to LONGEST_TOP it is the characters of the most frequent run, of several the first, as often
    as it occurs; above, those in any run that occurs more than once, each once.
    """
    words, chars = _words(data, classes)
    out[:] = 0
    out[0] = chars[-1]
    hashes = words.copy()
    places = np.arange(len(words))  # where a run of one word less occurs more than once
    for size in range(LEAST, MOST + 1):
        places = _longer(places, size, len(words))
        for place in places:
            run = hashes[place] * _FACTORS[0] + words[place + size - 1]
            hashes[place] = mixed(run) >> _RUN_REST
        own = hashes[places]
        order = _order(own, _RUN_BYTES)
        again = _repeated(own, order)
        if size <= LONGEST_TOP:
            out[size] = _chars_of_top(places, own, order, chars, size)
        else:
            out[size] = _chars_in_runs(places[again], chars, size)
        places = places[again]


@helper
def _words(data, classes):  # type: ignore[no-untyped-def]
    """(hash of each word, characters before each word and in all); ASCII letters in any case."""
    hashes = np.empty(len(data) // 2 + 1, np.uint64)
    chars = np.zeros(len(data) // 2 + 2, np.int64)
    count = i = long = 0
    total = _ZERO
    while i <= len(data):
        byte = data[i] if i < len(data) else np.uint8(0)
        folded = np.uint64(FOLDED[byte])
        if folded != _ZERO:
            total = (total + folded) * _FACTORS[0]
            long += 1
            i += 1
        elif byte >= 0xC0 and has_class(data, i, ALNUM, classes):
            total = (total + np.uint64(code_point(data, i))) * _FACTORS[0]
            long += 1
            i += char_bytes(byte)
        else:
            if long:
                hashes[count] = mixed(total) >> _RUN_REST
                chars[count + 1] = chars[count] + long
                count += 1
                total, long = _ZERO, 0
            i += char_bytes(byte)
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
    most = 1
    best = start = 0
    for stop in range(1, len(order) + 1):
        if stop == len(order) or hashes[order[stop]] != hashes[order[start]]:
            first = places[order[start]]
            if stop - start > most or (stop - start == most > 1 and first < best):
                most, best = stop - start, first
            start = stop
    return (chars[best + size] - chars[best]) * most if most > 1 else 0


@helper
def _chars_in_runs(places, chars, size):  # type: ignore[no-untyped-def]
    """Characters of the words in runs that start at `places`, which ascend."""
    found = behind = 0
    for place in places:
        found += chars[place + size] - chars[max(place, behind)]
        behind = place + size
    return found
