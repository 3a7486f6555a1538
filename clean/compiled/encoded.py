r"""Runs of encoded data, as StarCoder2 finds them (arXiv:2402.19173, section 2.1).

Three regular expressions there, matched here by hand: `[a-zA-Z0-9+/\n=]{64,}` (base64),
`(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}` (hexadecimal) and `(?:\\u[0-9a-fA-F]{4}){8,}`
(Unicode escapes). None of them can match in two ways, so there is nothing to go back for.
"""

from __future__ import annotations

import numpy as np

from clean.compiled.characters import (
    ALNUM,
    BACKSLASH,
    WORD_BYTES,
    char_bytes,
    code_point,
    has_class,
    is_space,
)
from clean.compiled.kernel import BYTES, FLAGS_OUT, TABLE, helper, kernel
from clean.compiled.lines import CODE_LINES, START, STOP
from clean.compiled.marks import COMMENT

_MIN_BASE64 = 64  # characters
_MIN_PARTS = 8  # bytes in hexadecimal, or escapes
_MIN_ESCAPED = 6 * _MIN_PARTS
_MIN_HEX = 3 * _MIN_PARTS - 1

_HEX = np.array([chr(byte) in "0123456789abcdefABCDEF" for byte in range(256)])
# The bytes that a run of each kind is made of. White space may be beyond ASCII.
_BASE64 = WORD_BYTES.copy()
_BASE64[95] = False
_BASE64[list(b"+/\n=")] = True
_ESCAPED = _HEX.copy()
_ESCAPED[list(b"\\u")] = True
_HEX_PART = _HEX.copy()
_HEX_PART[list(b"\\x, \t\n\r\f\v\x1c\x1d\x1e\x1f")] = True
_HEX_PART[128:] = True


@kernel(BYTES, BYTES, FLAGS_OUT)
def encoded_chars(data, classes, covered):  # type: ignore[no-untyped-def]
    """(characters in the longest run, in any run); `covered` is False, as long as `data`."""
    longest = max(_base64_runs(data, covered), _escape_runs(data, covered))
    longest = max(longest, _hex_runs(data, classes, covered))
    if longest == 0:
        return 0, 0
    chars = 0
    for i in range(len(data)):
        chars += covered[i] & (data[i] & 0xC0 != 0x80)
    return longest, chars


@kernel(BYTES, BYTES, TABLE, BYTES)
def hex_word_chars(data, marks, lines, classes):  # type: ignore[no-untyped-def]
    r"""Characters of numbers `\b0[xX][0-9a-fA-F]+\b`, outside of comments and docstrings."""
    seen = False
    for i in range(len(data) - 1):  # without a branch, so that it is vectorised
        seen |= (data[i] == 48) & ((data[i + 1] | 32) == 120)
    chars = 0
    for row in range(len(lines) if seen else 0):
        if lines[row, CODE_LINES]:
            chars += _hex_words_between(data, marks, lines[row, START], lines[row, STOP], classes)
    return chars


@helper
def _hex_words_between(data, marks, i, end, classes):  # type: ignore[no-untyped-def]
    chars = 0
    while i + 2 < end:
        stop = i + 1
        head = data[i] == 48 and data[i + 1] | 32 == 120 and marks[i] < COMMENT
        if head and _is_hex_start(data, i, classes):
            stop = _run_stop(data, i + 2, _HEX)
            whole = stop == len(data) or not _is_word(data, stop, classes)
            chars += (stop - i) * (whole and stop > i + 2)
        i = stop
    return chars


@helper
def _run_start(data, i, table, least):  # type: ignore[no-untyped-def]
    """Where the next run of at least `least` bytes of `table` starts; the end if there is none.

    The last byte of where it could be is looked at first, so that most bytes never are. At i,
    no run goes on.
    """
    while i + least <= len(data):
        last = i + least - 1
        while last >= i and table[data[last]]:
            last -= 1
        if last < i:
            return i
        i = last + 1
    return len(data)


@helper
def _run_stop(data, i, table):  # type: ignore[no-untyped-def]
    while i < len(data) and table[data[i]]:
        i += 1
    return i


@helper
def _base64_runs(data, covered):  # type: ignore[no-untyped-def]
    longest = 0
    start = _run_start(data, 0, _BASE64, _MIN_BASE64)
    while start < len(data):
        stop = _run_stop(data, start, _BASE64)
        covered[start:stop] = True
        longest = max(longest, stop - start)
        start = _run_start(data, stop, _BASE64, _MIN_BASE64)
    return longest


@helper
def _escape_runs(data, covered):  # type: ignore[no-untyped-def]
    longest = 0
    start = _run_start(data, 0, _ESCAPED, _MIN_ESCAPED)
    while start < len(data):
        end = _run_stop(data, start, _ESCAPED)
        i = start
        while i < end:
            stop = i
            while _is_escape(data, stop):
                stop += 6
            if stop - i >= _MIN_ESCAPED:
                covered[i:stop] = True
                longest = max(longest, stop - i)
            i = max(stop, i + 1)
        start = _run_start(data, end, _ESCAPED, _MIN_ESCAPED)
    return longest


@helper
def _is_escape(data, i):  # type: ignore[no-untyped-def]
    if i + 6 > len(data) or data[i] != BACKSLASH or data[i + 1] != 117:
        return False
    return _HEX[data[i + 2]] and _HEX[data[i + 3]] and _HEX[data[i + 4]] and _HEX[data[i + 5]]


@helper
def _hex_runs(data, classes, covered):  # type: ignore[no-untyped-def]
    longest = 0
    start = _run_start(data, 0, _HEX_PART, _MIN_HEX)
    while start < len(data):
        end = _run_stop(data, start, _HEX_PART)
        i = start
        while i < end:
            stop = _hex_stop(data, i, classes) if _HEX[data[i]] or data[i] == BACKSLASH else i
            covered[i:stop] = True
            longest = max(longest, _char_count(data, i, stop))
            i = max(stop, i + 1)
        start = _run_start(data, end, _HEX_PART, _MIN_HEX)
    return longest


@helper
def _char_count(data, start, stop):  # type: ignore[no-untyped-def]
    chars = 0
    for i in range(start, stop):
        chars += data[i] & 0xC0 != 0x80
    return chars


@helper
def _hex_stop(data, i, classes):  # type: ignore[no-untyped-def]
    """Behind the run of hexadecimal bytes that starts at i; i if it is too short."""
    stop, parts = i, 0
    while _is_hex_start(data, stop, classes):
        following = _hex_part(data, stop, classes)
        if following == stop:
            return stop if parts >= _MIN_PARTS else i
        stop = following
        parts += 1
    return stop if parts >= _MIN_PARTS else i


@helper
def _hex_part(data, i, classes):  # type: ignore[no-untyped-def]
    r"""Behind `(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)`; i if there is none."""
    n = len(data)
    at = i
    if i + 1 < n and data[i + 1] == 120 and (data[i] == 48 or data[i] == BACKSLASH):
        at += 2
    if at + 2 > n or not (_HEX[data[at]] and _HEX[data[at + 1]]):
        return i
    at += 2
    if at == n:
        return at
    if data[at] == 44:
        return at + 1
    if _is_word(data, at, classes):
        return i
    while at < n and is_space(code_point(data, at)):
        at += char_bytes(data[at])
    return at


@helper
def _is_hex_start(data, i, classes):  # type: ignore[no-untyped-def]
    r"""Whether `\b` holds before i, where a hexadecimal byte may start."""
    if i >= len(data):
        return False
    before = i - 1
    while before > 0 and data[before] & 0xC0 == 0x80:
        before -= 1
    return (before >= 0 and _is_word(data, before, classes)) != _is_word(data, i, classes)


@helper
def _is_word(data, i, classes):  # type: ignore[no-untyped-def]
    r"""Whether the character that starts at i is `\w`."""
    return WORD_BYTES[data[i]] or (data[i] >= 0xC0 and has_class(data, i, ALNUM, classes))
