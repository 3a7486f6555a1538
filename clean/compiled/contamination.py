"""Words and the runs of words that a text shares with others; `clean.signals.contamination` says
what for.

All hashes are unsigned and wrap. A word's hash is its folded bytes' polynomial, mixed; an n-gram's
is a polynomial over the hashes of its words, so that it rolls from one word to the next.
"""

from __future__ import annotations

import numpy as np
from numba import types

from clean.compiled.characters import (
    ALNUM,
    BACKSLASH,
    DOUBLE,
    SINGLE,
    char_bytes,
    code_point,
    has_class,
)
from clean.compiled.fingerprints import BASE, mixed
from clean.compiled.kernel import (
    BYTES,
    COUNTS_OUT,
    FLAGS,
    HASHES,
    HASHES_OUT,
    WORDS,
    WORDS_OUT,
    helper,
    kernel,
)

_ZERO, _ONE = np.uint64(0), np.uint64(1)
_3, _7 = np.uint64(3), np.uint64(7)


@kernel(BYTES, FLAGS, HASHES, BYTES, HASHES_OUT, WORDS_OUT, WORDS_OUT)
def find_words(data, ascii_words, values, classes, hashes, starts, stops):  # type: ignore[no-untyped-def]
    """Hash every word of a text, and say at which bytes it starts and stops; how many there are.

    `ascii_words` flags the ASCII bytes that stand in words, `values` has what each byte counts as,
    `classes` is `characters.character_classes`. The outputs are as long as `data`.
    """
    count = i = 0
    while i < len(data):
        stop = _ascii_end(data, i, ascii_words)
        # Nearly all bytes are ASCII: what the others need would slow them down in one loop.
        if stop < len(data) and data[stop] >= 0x80:
            stop = _word_end(data, i, stop, ascii_words, classes)
        if stop > i:
            if stop - i > 2 or not _is_prefix(data, i, stop):
                total = _ZERO
                for j in range(i, stop):
                    total = total * BASE + values[data[j]]
                hashes[count] = mixed(total ^ np.uint64(stop - i))
                starts[count] = i
                stops[count] = stop
                count += 1
            i = stop
        elif data[i] == BACKSLASH or data[i] >= 0x80:
            i = _behind_blank(data, i)
        else:
            i += 1
    return count


@helper
def _ascii_end(data, i, ascii_words):  # type: ignore[no-untyped-def]
    while i < len(data) and ascii_words[data[i]]:
        i += 1
    return i


@helper
def _word_end(data, start, i, ascii_words, classes):  # type: ignore[no-untyped-def]
    """Behind the word that starts at `start` and goes on at i, in any script."""
    while i < len(data):
        byte = data[i]
        if byte < 0x80:
            if not ascii_words[byte]:
                return i
            i += 1
        elif _is_word_alone(code_point(data, i)):
            return i if i > start else i + char_bytes(byte)
        elif has_class(data, i, ALNUM, classes):
            i += char_bytes(byte)
        else:
            return i
    return i


@helper
def _is_word_alone(point):  # type: ignore[no-untyped-def]
    """Kana and ideographs: their scripts put no blanks between words."""
    return 0x3041 <= point <= 0x30FF or 0x3400 <= point <= 0x9FFF or 0x20000 <= point <= 0x3FFFF


@helper
def _behind_blank(data, i):  # type: ignore[no-untyped-def]
    r"""Behind the character at i, which is in no word; an escape such as `\n` is one of them."""
    if data[i] != BACKSLASH:
        return i + char_bytes(data[i])
    # However often it was escaped: text inside of a string inside of JSON is the same text.
    while i < len(data) and data[i] == BACKSLASH:
        i += 1
    return i + 1 if i < len(data) and data[i] < 0x80 else i


@helper
def _is_prefix(data, start, stop):  # type: ignore[no-untyped-def]
    """Whether a word of at most two letters is the prefix of a string, such as the r of r"x"."""
    if stop == len(data) or (data[stop] != SINGLE and data[stop] != DOUBLE):
        return False
    for i in range(start, stop):
        letter = data[i] | 32
        if letter != 98 and letter != 102 and letter != 114 and letter != 117:  # b, f, r, u
            return False
    return True


@kernel(HASHES, types.int64, HASHES_OUT)
def gram_hashes(words, size, out):  # type: ignore[no-untyped-def]
    """Hash the `size` words from each word on; the last `size` - 1 words start none."""
    power = _power(size)
    total = _ZERO
    for i in range(len(words)):
        total = total * BASE + words[i]
        if i >= size - 1:
            out[i - size + 1] = mixed(total)
            total -= words[i - size + 1] * power


@helper
def _power(size):  # type: ignore[no-untyped-def]
    """What the first of `size` words is multiplied by."""
    power = _ONE
    for _ in range(size - 1):
        power *= BASE
    return power


@kernel(
    HASHES, types.int64, types.boolean, BYTES, HASHES, WORDS, HASHES, FLAGS, COUNTS_OUT
)  # fmt: skip
def longest_run(words, size, whole, seen, keys, places, stream, seeds, out):  # type: ignore[no-untyped-def]
    """The longest run of words that `words` shares with `stream`; the first of equals.

    Into `out`: its words (0: none), and where it starts in `words` and in `stream`. A run holds
    one of the n-grams of `size` words that `keys` lists (ascending hashes, with their `places` in
    the stream; `seeds` flags these); `seen` is a bit field of the keys. With `whole` a run starts
    at a place and ends before the stream's next 0, which is the hash of no word.
    """
    out[0] = out[1] = out[2] = 0
    power = _power(size)
    mask = np.uint64(8 * len(seen) - 1)
    total = _ZERO
    for last in range(len(words)):
        total = total * BASE + words[last]
        i = last - size + 1
        if i < 0:
            continue
        key = mixed(total)
        total -= words[i] * power
        bit = key & mask
        if seen[bit >> _3] & (1 << (bit & _7)) == 0:
            continue
        at = np.searchsorted(keys, key)
        while at < len(keys) and keys[at] == key:
            _compare(words, i, stream, np.int64(places[at]), size, whole, seeds, out)
            at += 1


@helper
def _compare(words, i, stream, place, size, whole, seeds, out):  # type: ignore[no-untyped-def]
    """Note the run through words[i] and stream[place] if it is longer than the one in `out`."""
    before = 0
    if not whole:
        if i and place and seeds[place - 1] and words[i - 1] == stream[place - 1]:
            return  # seen from its first n-gram on
        while before < min(i, place) and words[i - before - 1] == stream[place - before - 1]:
            before += 1
    after = 0
    most = min(len(words) - i, len(stream) - place)
    while after < most and words[i + after] == stream[place + after]:
        after += 1
    ends = not whole or place + after == len(stream) or stream[place + after] == _ZERO
    if ends and after >= size and before + after > out[0]:
        out[0], out[1], out[2] = before + after, i - before, place - before
