"""What strings hold: docstrings' characters; of all others theirs, long words and long lines."""

from __future__ import annotations

import numpy as np

from clean.compiled.characters import NEWLINE, WORD_BYTES, keyword, packed
from clean.compiled.kernel import BYTES, TABLE, helper, kernel
from clean.compiled.lines import CODE_LINES, START, STOP
from clean.compiled.marks import STRING, string_end

_LONG_WORD = 20  # characters; longer ones count
_MANY_WORDS = 20  # on a line, by `\w+|[^\w\s]+`
_HTTP = keyword(b"http")
_BLANK, _PUNCTUATION, _WORD = range(3)
_KINDS = np.full(256, _PUNCTUATION, np.uint8)
_KINDS[list(b" \t\n\r\f\v\x1c\x1d\x1e\x1f")] = _BLANK
_KINDS[WORD_BYTES] = _WORD
_KINDS[128:] = _WORD


@kernel(BYTES, BYTES, TABLE)
def string_counts(data, marks, lines):  # type: ignore[no-untyped-def]
    """Characters of docstrings; of all other strings: characters, those in long words, long lines.

    A docstring is any statement that is nothing but strings, and counts with its quotes; others
    count without. A long line has many words in one string.
    """
    docstring = chars = long_words = long_lines = 0
    for row in range(len(lines)):
        start, stop = lines[row, START], lines[row, STOP]
        if lines[row, CODE_LINES] == 0:
            docstring += _string_chars(data, marks, start, stop)
        else:
            inside, in_long, on_lines = _held_by_strings(data, marks, start, stop)
            chars += inside
            long_words += in_long
            long_lines += on_lines
    return docstring, chars, long_words, long_lines


@helper
def _string_chars(data, marks, start, stop):  # type: ignore[no-untyped-def]
    chars = 0
    for i in range(start, stop):  # without a branch, so that it is vectorised
        chars += (marks[i] == STRING) & (data[i] & 0xC0 != 0x80)
    return chars


@helper
def _held_by_strings(data, marks, start, stop):  # type: ignore[no-untyped-def]
    """(characters, those in long words, long lines) of the strings there, without quotes."""
    chars = long_words = long_lines = 0
    i = start
    while i < stop:
        while i < stop and marks[i] != STRING:
            i += 1
        if i < stop:
            begin, end, i = _inside(data, i)
            held = _string_chars(data, marks, begin, end)
            chars += held
            if held > _LONG_WORD:
                long_words += _long_word_chars(data, begin, end)
                long_lines += _long_lines(data, begin, end)
    return chars, long_words, long_lines


@helper
def _inside(data, start):  # type: ignore[no-untyped-def]
    """(behind a string's opening quotes, before its closing ones, behind it)."""
    stop = np.int64(string_end(data, np.uint64(start)))
    quote = data[start]
    triple = stop - start >= 3 and data[start + 1] == quote and data[start + 2] == quote
    quotes = 3 if triple else 1
    closed = stop - start >= 2 * quotes
    for i in range(stop - quotes, stop):
        closed &= data[i] == quote
    return start + quotes, stop - quotes * closed, stop


@helper
def _long_word_chars(data, i, stop):  # type: ignore[no-untyped-def]
    """Characters of the long words that white space separates, addresses of the web aside."""
    found = 0
    while i < stop:
        start = i
        chars = 0
        while i < stop and _KINDS[data[i]] != _BLANK:
            chars += data[i] & 0xC0 != 0x80
            i += 1
        if chars > _LONG_WORD and not _has_address(data, start, i):
            found += chars
        i += 1
    return found


@helper
def _has_address(data, start, stop):  # type: ignore[no-untyped-def]
    """Whether `https?://` and something behind it is there."""
    for i in range(start + 4, stop - 3):
        if data[i] == 58 and data[i + 1] == 47 and data[i + 2] == 47:
            head = i - (data[i - 1] == 115)  # s
            if head - 4 >= start and packed(data, head - 4, head) == _HTTP:
                return True
    return False


@helper
def _long_lines(data, start, stop):  # type: ignore[no-untyped-def]
    found = words = 0
    before = _BLANK
    for i in range(start, stop):
        kind = _KINDS[data[i]]
        words += kind != before and kind != _BLANK
        before = kind
        if data[i] == NEWLINE:
            found += words > _MANY_WORDS
            words = 0
    return found + (words > _MANY_WORDS)
