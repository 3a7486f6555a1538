"""What strings hold: docstrings' characters, and of all others the long words and long lines."""

from __future__ import annotations

import numpy as np

from clean.compiled.characters import NEWLINE
from clean.compiled.kernel import BYTES, TABLE, helper, kernel
from clean.compiled.lines import START, STOP, is_only_strings
from clean.compiled.marks import STRING

_LONG_WORD = 20  # characters; longer ones count
_MANY_WORDS = 20  # on a line
_BETWEEN = np.zeros(256, np.bool_)  # what separates the words of strings: blanks and quotes
_BETWEEN[list(b" \t\n\r\f\v'\"")] = True


@kernel(BYTES, BYTES, TABLE)
def string_counts(data, marks, lines):  # type: ignore[no-untyped-def]
    """(characters of docstrings, of long words in other strings, lines with many words in those).

    A docstring is any statement that is nothing but strings, quotes and all.
    """
    docstring = long_words = long_lines = 0
    for row in range(len(lines)):
        start, stop = lines[row, START], lines[row, STOP]
        if is_only_strings(data, marks, start, stop):
            for i in range(start, stop):
                docstring += marks[i] == STRING and data[i] & 0xC0 != 0x80
        else:
            chars, on_lines = _long_ones(data, marks, start, stop)
            long_words += chars
            long_lines += on_lines
    return docstring, long_words, long_lines


@helper
def _long_ones(data, marks, start, stop):  # type: ignore[no-untyped-def]
    """(characters of long words, lines with many words) in the strings between start and stop."""
    long_words = long_lines = words = 0
    strings = 0
    for i in range(start, stop):  # without a branch, so that it is vectorised
        strings += marks[i] == STRING
    if strings <= _LONG_WORD:
        return 0, 0
    i = start
    while i < stop:
        if marks[i] == STRING and not _BETWEEN[data[i]]:
            word = 0
            while i < stop and marks[i] == STRING and not _BETWEEN[data[i]]:
                word += data[i] & 0xC0 != 0x80
                i += 1
            words += 1
            long_words += word * (word > _LONG_WORD)
        else:
            if data[i] == NEWLINE:
                long_lines += words > _MANY_WORDS
                words = 0
            i += 1
    return long_words, long_lines + (words > _MANY_WORDS)
