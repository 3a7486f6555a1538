"""Token hashes, shingle sets and MinHash signatures; `clean.signals.fingerprint` says what for.

All integers are unsigned and wrap.
"""

from __future__ import annotations

import numpy as np

from clean.compiled.characters import NEWLINE
from clean.compiled.kernel import (
    BYTES,
    BYTES_OUT,
    HASHES,
    HASHES_OUT,
    WORDS,
    WORDS_OUT,
    helper,
    kernel,
)
from clean.compiled.marks import COMMENT

BLANK, WORD, OTHER = 0, 1, 2  # what `kinds` says of a byte
BASE = np.uint64(0x9E3779B97F4A7C15)  # of the polynomial over a token's bytes
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)
_ZERO, _ONE = np.uint64(0), np.uint64(1)


@helper
def mixed(value):  # type: ignore[no-untyped-def]
    """Spread every bit over all bits (splitmix64's finaliser)."""
    value = (value ^ (value >> _30)) * _MIX_1
    value = (value ^ (value >> _27)) * _MIX_2
    return value ^ (value >> _31)


@kernel(BYTES, BYTES, BYTES, HASHES, HASHES_OUT)
def token_hashes(data, marks, kinds, values, out):  # type: ignore[no-untyped-def]
    """Hash every token outside of comments into `out`; how many there are.

    `out` is as long as `data`.
    """
    count = i = _ZERO  # unsigned: no index counts from the end, which saves a fifth of the time
    n = np.uint64(len(data))
    while i < n:
        kind = kinds[data[i]]
        if kind == BLANK:
            i += _ONE
            continue
        if marks[i] >= COMMENT:  # all of its line is
            while i < n and data[i] != NEWLINE:
                i += _ONE
            continue
        start = i
        total, power = values[data[i]], BASE
        i += _ONE
        # No comment begins with a word character.
        while kind == WORD and i < n and kinds[data[i]] == WORD:
            total += values[data[i]] * power
            power *= BASE
            i += _ONE
        out[count] = mixed(total ^ (i - start))
        count += _ONE
    return count


@kernel(HASHES, HASHES, HASHES_OUT)
def shingle_set(tokens, factors, out):  # type: ignore[no-untyped-def]
    """The distinct shingles of `tokens` into `out`, in order of appearance; how many.

    `factors` has one value a token of a shingle; `out` is as long as `tokens`.
    """
    count = len(tokens)
    if count == 0:
        return 0
    size = min(count, len(factors))
    slots = 16
    while slots < 2 * count:
        slots *= 2
    table = np.zeros(slots, np.uint64)  # open addressing; zero is an empty slot
    mask = np.uint64(slots - 1)
    distinct = 0
    for start in range(count - size + 1):
        total = np.uint64(size)
        for offset in range(size):
            total += tokens[start + offset] * factors[offset]
        value = mixed(total)
        key = value | _ONE if value == _ZERO else value
        slot = value & mask
        while table[slot] not in (_ZERO, key):
            slot = (slot + _ONE) & mask
        if table[slot] == _ZERO:
            table[slot] = key
            out[distinct] = value
            distinct += 1
    return distinct


@kernel(HASHES, WORDS, WORDS, WORDS_OUT)
def least_values(shingles, factors, offsets, least):  # type: ignore[no-untyped-def]
    """Lower each of `least` to the least value of its affine map over all shingles.

    The shingles are mixed 64-bit hashes, so half of their bits are as good as all.
    """
    whole = len(shingles) - len(shingles) % 4
    for at in range(0, whole, 4):  # four at a time: half of the loads and stores
        a, b = np.uint32(shingles[at] >> _32), np.uint32(shingles[at + 1] >> _32)
        c, d = np.uint32(shingles[at + 2] >> _32), np.uint32(shingles[at + 3] >> _32)
        for p in range(len(factors)):
            factor, offset = factors[p], offsets[p]
            one = min(np.uint32(a * factor + offset), np.uint32(b * factor + offset))
            two = min(np.uint32(c * factor + offset), np.uint32(d * factor + offset))
            least[p] = min(least[p], min(one, two))
    for at in range(whole, len(shingles)):
        a = np.uint32(shingles[at] >> _32)
        for p in range(len(factors)):
            least[p] = min(least[p], np.uint32(a * factors[p] + offsets[p]))


@helper
def common_count(a, b):  # type: ignore[no-untyped-def]
    """How many values two ascending arrays without repeats share."""
    i = j = common = 0
    while i < len(a) and j < len(b):
        x, y = a[i], b[j]
        common += x == y
        i += x <= y
        j += y <= x
    return common


@kernel(HASHES, HASHES)
def count_common(a, b):  # type: ignore[no-untyped-def]
    """`common_count`, for callers outside of kernels."""
    return common_count(a, b)


@kernel(BYTES)
def has_ragged_lines(data):  # type: ignore[no-untyped-def]
    """Whether any line ends with a blank, the last one aside."""
    ragged = 0
    for i in range(len(data) - 1):  # without a branch, so that it is vectorised
        byte = data[i]
        blank = (byte == 32) | (byte == 9) | (byte == 11) | (byte == 12)
        ragged |= blank & (data[i + 1] == 10)
    return ragged != 0


@kernel(BYTES, BYTES_OUT)
def normalise(data, out):  # type: ignore[no-untyped-def]
    """Copy without blanks at line ends and empty lines at the end; the bytes copied.

    `out` is as long as `data`.
    """
    size = line = 0  # `line`: behind the last byte of this line that is not blank
    for i in range(len(data)):
        byte = data[i]
        if byte == 10:
            size = line
        out[size] = byte
        size += 1
        if byte not in (32, 9, 11, 12):
            line = size
    size = line
    while size and out[size - 1] == 10:
        size -= 1
    return size
