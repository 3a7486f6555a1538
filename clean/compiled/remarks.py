"""Comments and docstrings that stand for code which is still to be written."""

from __future__ import annotations

import numpy as np

from clean.compiled.characters import NEWLINE, WORD_BYTES
from clean.compiled.kernel import BYTES, TABLE, helper, kernel
from clean.compiled.lines import CODE_LINES, START
from clean.compiled.marks import CODE, STRING

_TODO, _FIXME = (np.frombuffer(word, np.uint8) for word in (b"todo", b"fixme"))
_YOUR = np.frombuffer(b"your code here", np.uint8)


@kernel(BYTES, BYTES, TABLE)
def placeholder_lines(data, marks, lines):  # type: ignore[no-untyped-def]
    """Lines of comments and docstrings with the words "todo", "fixme" or "your code here"."""
    found = row = 0
    last = -1  # where the line ends that was counted last
    eights = _flags(data, marks).view(np.uint64)
    for eight in range(len(eights)):
        if eights[eight] != 0:
            for i in range(8 * eight, min(8 * eight + 8, len(data))):
                if i > last and _is_placeholder(data, i):
                    while row + 1 < len(lines) and lines[row + 1, START] <= i:
                        row += 1
                    if marks[i] > STRING or (marks[i] == STRING and not lines[row, CODE_LINES]):
                        found += 1
                        last = _line_end(data, i)
    return found


@helper
def _flags(data, marks):  # type: ignore[no-untyped-def]
    """1 where no code has two letters that one of the words starts with; in whole eights."""
    flags = np.zeros((len(data) + 7) // 8 * 8, np.uint8)
    for i in range(len(data) - 4):  # without a branch, so that it is vectorised
        one, two, three = data[i] | 32, data[i + 1] | 32, data[i + 2] | 32
        begins = (one == 116) & (two == 111) & (three == 100)
        begins |= (one == 102) & (two == 105) & (three == 120)
        begins |= (one == 121) & (two == 111) & (three == 117)
        flags[i] = begins & (marks[i] != CODE)
    for i in range(max(0, len(data) - 4), len(data)):
        flags[i] = marks[i] != CODE
    return flags


@helper
def _is_placeholder(data, i):  # type: ignore[no-untyped-def]
    """Whether one of the words stands there, as a word."""
    if i > 0 and _is_word(data[i - 1]):
        return False
    return _stands(data, i, _TODO) or _stands(data, i, _FIXME) or _stands(data, i, _YOUR)


@helper
def _stands(data, i, word):  # type: ignore[no-untyped-def]
    stop = i + len(word)
    if stop > len(data) or (stop < len(data) and _is_word(data[stop])):
        return False
    same = True
    for place in range(len(word)):
        same &= data[i + place] | 32 == word[place]
    return same


@helper
def _is_word(byte):  # type: ignore[no-untyped-def]
    return WORD_BYTES[byte] or byte >= 0x80


@helper
def _line_end(data, i):  # type: ignore[no-untyped-def]
    while i < len(data) and data[i] != NEWLINE:
        i += 1
    return i
