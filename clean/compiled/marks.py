"""What every byte of a file belongs to: code, a string, a comment.

The same strings and comments that `clean.signals.comments` finds by a regular expression, so any
text is fine and takes linear time; a test compares them. Everything else that is compiled reads
bytes and their marks.
"""

from __future__ import annotations

import numpy as np

from clean.compiled.characters import (
    BACKSLASH,
    DOUBLE,
    HASH,
    NEWLINE,
    SINGLE,
    code_point,
    is_ascii_alnum,
    is_space,
)
from clean.compiled.kernel import BYTES, BYTES_OUT, helper, kernel

# Ordered: below COMMENT is what the program says. A string's prefix is code, its quotes are not.
CODE, STRING, COMMENT, JUNK = 0, 1, 2, 3  # JUNK: a comment of rulers and boxes

# Unsigned: no index counts from the end, which saves a fifth of the time.
_0, _1, _2, _3 = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(3)


@kernel(BYTES, BYTES_OUT)
def mark(data, marks):  # type: ignore[no-untyped-def]
    """Fill `marks`, as long as `data`."""
    i, n = _0, np.uint64(len(data))
    while i < n:
        byte = data[i]
        if byte == HASH:
            stop = i
            while stop < n and data[stop] != NEWLINE:
                stop += _1
            what = JUNK if _is_junk(data, np.int64(i) + 1, np.int64(stop)) else COMMENT
            i = _fill(marks, i, stop, what)
        elif byte in (SINGLE, DOUBLE):
            i = _fill(marks, i, string_end(data, i), STRING)
        else:
            marks[i] = CODE
            i += _1


@helper
def _fill(marks, i, stop, what):  # type: ignore[no-untyped-def]
    while i < stop:
        marks[i] = what
        i += _1
    return stop


@helper
def string_end(data, i):  # type: ignore[no-untyped-def]
    """Behind the string that opens at i, unsigned: its quotes, its unclosed line, or the file."""
    n = np.uint64(len(data))
    quote = data[i]
    triple = i + _2 < n and data[i + _1] == quote and data[i + _2] == quote
    i += _3 if triple else _1
    while i < n:
        byte = data[i]
        if byte == BACKSLASH:
            i += _2
        elif byte == quote:
            if not triple:
                return i + _1
            if i + _2 < n and data[i + _1] == quote and data[i + _2] == quote:
                return i + _3
            i += _1
        elif byte == NEWLINE and not triple:
            return i
        else:
            i += _1
    return n


@helper
def _is_junk(data, start, stop):  # type: ignore[no-untyped-def]
    """`clean.signals.comments.is_junk` of what stands between the `#` and the line's end."""
    alnum = body = 0
    for i in range(start, stop):
        byte = data[i]
        if byte < 0x80:
            is_alnum = is_ascii_alnum(byte)
            alnum += is_alnum
            body += is_alnum or not is_space(byte)
        elif byte >= 0xC0:
            body += not is_space(code_point(data, i))
    return body > 0 and 2 * alnum < body
