"""How much of the code is data: literals, and what stands between them."""

from __future__ import annotations

import numpy as np

from clean.compiled.characters import WORD_BYTES, keyword, packed
from clean.compiled.kernel import BYTES, TABLE, helper, kernel
from clean.compiled.lines import START, STOP
from clean.compiled.marks import CODE, STRING

_TRUE, _FALSE, _NONE = keyword(b"True"), keyword(b"False"), keyword(b"None")
_DIGIT, _WORD, _BLANK, _BETWEEN, _DOT, _OTHER = range(6)  # a digit begins a literal
_KINDS = np.full(256, _OTHER, np.uint8)
_KINDS[list(b" \t\n\r\f\v\\")] = _BLANK
_KINDS[list(b"()[]{},:+-")] = _BETWEEN
_KINDS[WORD_BYTES] = _WORD
_KINDS[128:] = _WORD
_KINDS[list(b"0123456789")] = _DIGIT
_KINDS[ord(".")] = _DOT
_IN_NUMBER = (_KINDS <= _WORD) | (_KINDS == _DOT)


@kernel(BYTES, BYTES, TABLE)
def literal_counts(data, marks, lines):  # type: ignore[no-untyped-def]
    """(tokens, those of them that are data) of the code.

    Data are literals (numbers, strings, True, False, None) and the brackets, commas, colons and
    signs of an unbroken run of tokens, within a logical line, that holds at least one literal.
    Every other character that is no word is a token of its own.
    """
    tokens = literals = 0
    for row in range(len(lines)):
        i, stop = lines[row, START], lines[row, STOP]
        run = 0  # tokens since the last that can't be data
        has_literal = False
        while i < stop:
            kind = _KINDS[data[i]] if marks[i] == CODE else _BLANK
            if marks[i] == STRING:
                i = _string_stop(marks, i, stop)
                kind = _DIGIT
            elif kind == _DIGIT or (kind == _DOT and _is_digit(data, marks, i + 1)):
                i = _number_stop(data, marks, i + 1, stop)
                kind = _DIGIT
            elif kind == _WORD:
                i, kind = _word(data, marks, i, stop)
            else:
                i += 1
            tokens += kind != _BLANK
            if kind in (_DIGIT, _BETWEEN):
                run += 1
                has_literal |= kind == _DIGIT
            elif kind != _BLANK:
                literals += run * has_literal
                run = 0
                has_literal = False
        literals += run * has_literal
    return tokens, literals


@helper
def _string_stop(marks, i, stop):  # type: ignore[no-untyped-def]
    while i < stop and marks[i] == STRING:
        i += 1
    return i


@helper
def _number_stop(data, marks, i, stop):  # type: ignore[no-untyped-def]
    while i < stop and marks[i] == CODE and _IN_NUMBER[data[i]]:
        i += 1
    return i


@helper
def _is_digit(data, marks, i):  # type: ignore[no-untyped-def]
    return i < len(data) and marks[i] == CODE and _KINDS[data[i]] == _DIGIT


@helper
def _word(data, marks, start, stop):  # type: ignore[no-untyped-def]
    """(behind the word that starts there, what it is): True, False and None are literals."""
    i = start
    while i < stop and marks[i] == CODE and (_KINDS[data[i]] <= _WORD):
        i += 1
    if i < stop and marks[i] == STRING and i - start <= 2:
        return i, _BLANK  # a string's prefix
    if 4 <= i - start <= 5 and packed(data, start, i) in (_TRUE, _FALSE, _NONE):
        return i, _DIGIT
    return i, _WORD
