"""What statements do: whether they keep a value, and of what kind they are."""

from __future__ import annotations

import numpy as np

from clean.compiled.characters import WORD_BYTES, keyword, packed
from clean.compiled.kernel import BYTES, TABLE, helper, kernel
from clean.compiled.lines import CODE_LINES, START, STOP, bracket, first_word
from clean.compiled.marks import CODE, STRING
from clean.compiled.statements import skip_blanks

_DEF, _IMPORT, _FROM, _ASYNC, _FOR = map(keyword, (b"def", b"import", b"from", b"async", b"for"))
_PASS, _PRINT, _ASSERT, _RETURN = map(keyword, (b"pass", b"print", b"assert", b"return"))
_SELF, _SELF_ASSERT = keyword(b"self"), keyword(b".assert")


@kernel(BYTES, BYTES, TABLE)
def keeps_value(data, marks, lines):  # type: ignore[no-untyped-def]
    """Whether a value gets a name: by `=` or `:=`, as a parameter, or as a `for` does."""
    for row in range(len(lines)):
        if _names_value(data, marks, lines[row, START], lines[row, STOP]):
            return True
    return False


@helper
def _names_value(data, marks, start, stop):  # type: ignore[no-untyped-def]
    word = first_word(data, marks, start, stop)
    if word == _ASYNC:
        start = skip_blanks(data, start + 5, stop)
        word = first_word(data, marks, start, stop)
    if word == _FOR or (word == _DEF and _has_parameter(data, marks, start, stop)):
        return True
    depth = 0
    for i in range(start, stop):
        if marks[i] == CODE:
            depth = max(0, depth + bracket(data[i]))
            # In brackets it is an argument's, unless there is a colon before it.
            named = data[i] == 61 and (depth == 0 or data[i - 1] == 58)
            if named and not _compares(data, i, start, stop):
                return True
    return False


@helper
def _has_parameter(data, marks, start, stop):  # type: ignore[no-untyped-def]
    """Whether there is a name behind the first bracket."""
    i = start
    while i < stop and data[i] != 40:
        i += 1
    while i < stop and not (marks[i] == CODE and data[i] == 41):
        i += 1
        if i < stop and marks[i] == CODE and (WORD_BYTES[data[i]] or data[i] >= 0x80):
            return True
    return False


@helper
def _compares(data, i, start, stop):  # type: ignore[no-untyped-def]
    """Whether the `=` at i is a part of `==`, `!=`, `<=` or `>=`; not so of `<<=` and `>>=`."""
    following = data[i + 1] if i + 1 < stop else np.uint8(0)
    before = data[i - 1] if i > start else np.uint8(0)
    first = data[i - 2] if i > start + 1 else np.uint8(0)
    return following == 61 or before in (61, 33) or (before in (60, 62) and first != before)


@kernel(BYTES, BYTES, TABLE)
def statements_by_kind(data, marks, lines):  # type: ignore[no-untyped-def]
    """Statements that import, are `pass`, print, assert, return; and all lines of code.

    `self.assertEqual` and its like assert too, and `except KeyError: pass` is a `pass`.
    """
    imports = passes = prints = asserts = returns = code_lines = 0
    for row in range(len(lines)):
        start, stop = lines[row, START], lines[row, STOP]
        word = first_word(data, marks, start, stop)
        code_lines += lines[row, CODE_LINES]
        imports += word in (_IMPORT, _FROM)
        passes += _ends_in_pass(data, marks, start, stop)
        prints += word == _PRINT
        asserts += word == _ASSERT or (word == _SELF and _is_check(data, start, stop))
        returns += word == _RETURN
    return imports, passes, prints, asserts, returns, code_lines


@helper
def _is_check(data, start, stop):  # type: ignore[no-untyped-def]
    return stop - start > 11 and packed(data, start + 4, start + 11) == _SELF_ASSERT


@helper
def _ends_in_pass(data, marks, start, stop):  # type: ignore[no-untyped-def]
    """Whether the last word is `pass`, alone or behind a colon or semicolon."""
    while stop > start and (marks[stop - 1] != CODE or data[stop - 1] in (32, 9)):
        if marks[stop - 1] == STRING:
            return False
        stop -= 1
    if stop - start < 4 or packed(data, stop - 4, stop) != _PASS:
        return False
    before = stop - 4
    while before > start and data[before - 1] in (32, 9):
        before -= 1
    return before == start or data[before - 1] in (58, 59)
