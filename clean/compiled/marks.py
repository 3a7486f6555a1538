"""What every byte of a file belongs to: code, a string, a comment.

The same strings and comments that `clean.signals.comments` finds by a regular expression, so any
text is fine and takes linear time; a test compares them. Everything else that is compiled reads
bytes and their marks.
"""

from __future__ import annotations

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


@kernel(BYTES, BYTES_OUT)
def mark(data, marks):  # type: ignore[no-untyped-def]
    """Fill `marks`, as long as `data`."""
    i = 0
    while i < len(data):
        byte = data[i]
        if byte == HASH:
            stop = i
            while stop < len(data) and data[stop] != NEWLINE:
                stop += 1
            marks[i:stop] = JUNK if _is_junk(data, i + 1, stop) else COMMENT
        elif byte in (SINGLE, DOUBLE):
            stop = string_end(data, i)
            marks[i:stop] = STRING
        else:
            stop = i + 1
            marks[i] = CODE
        i = stop


@helper
def string_end(data, i):  # type: ignore[no-untyped-def]
    """Behind the string that opens at i: its quotes, its line's end if unclosed, or the file's."""
    n = len(data)
    quote = data[i]
    triple = i + 2 < n and data[i + 1] == quote and data[i + 2] == quote
    i += 3 if triple else 1
    while i < n:
        byte = data[i]
        if byte == BACKSLASH:
            i += 2
        elif byte == quote:
            if not triple:
                return i + 1
            if i + 2 < n and data[i + 1] == quote and data[i + 2] == quote:
                return i + 3
            i += 1
        elif byte == NEWLINE and not triple:
            return i
        else:
            i += 1
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
