"""Logical lines (Python's language reference, 2.1.1), found without a parser.

A logical line ends at a line end that is neither in brackets nor in a string nor behind a
backslash. Lines of blanks and comments alone belong to none. Any text has logical lines: one
with an unclosed bracket simply ends with the file.
"""

from __future__ import annotations

from clean.compiled.characters import (
    BACKSLASH,
    NEWLINE,
    WORD_BYTES,
    code_point,
    is_space,
    packed,
)
from clean.compiled.kernel import BYTES, TABLE_OUT, helper, kernel
from clean.compiled.marks import CODE, COMMENT, STRING

# The columns of a table of logical lines. START and STOP are bytes; INDENT is in columns, a tab
# going to the next multiple of 8; CODE_LINES are physical lines with more than blanks and comments,
# 0 if all of it is strings (a docstring); DEPTH is of brackets, at its deepest.
START, STOP, INDENT, CODE_LINES, DEPTH = range(5)
COLUMNS = 5


@kernel(BYTES, BYTES, TABLE_OUT)
def find_lines(data, marks, out):  # type: ignore[no-untyped-def]
    """Fill `out`, which has a row for every physical line; how many logical ones there are."""
    count = i = indent = 0
    while i < len(data):
        byte = data[i]
        if byte == NEWLINE or byte == 12:  # a form feed begins the line anew
            indent = 0
            i += 1
        elif byte == 32:
            indent += 1
            i += 1
        elif byte == 9:
            indent = (indent // 8 + 1) * 8
            i += 1
        elif marks[i] >= COMMENT:
            i += 1
        else:
            stop, code_lines, deepest = _line_stop(data, marks, i)
            out[count, START] = i
            out[count, STOP] = stop
            out[count, INDENT] = indent
            out[count, CODE_LINES] = 0 if is_only_strings(data, marks, i, stop) else code_lines
            out[count, DEPTH] = deepest
            count += 1
            i = stop
    return count


@helper
def _line_stop(data, marks, i):  # type: ignore[no-untyped-def]
    """(where the logical line that starts at i ends, its lines of code, its depth)."""
    code_lines = depth = deepest = 0
    has_code = False
    while i < len(data):
        byte = data[i]
        if byte == NEWLINE:
            code_lines += has_code
            has_code = False
            joined = depth > 0 or marks[i] != CODE
            if not joined and not (data[i - 1] == BACKSLASH and marks[i - 1] == CODE):
                return i, code_lines, deepest
        elif marks[i] < COMMENT:
            has_code = has_code or not is_space(code_point(data, i))
            if marks[i] == CODE:
                depth = max(0, depth + bracket(byte))
                deepest = max(deepest, depth)
        i += 1
    return i, code_lines + has_code, deepest


@helper
def bracket(byte):  # type: ignore[no-untyped-def]
    """1 if it opens one, -1 if it closes one."""
    opens = (byte == 40) | (byte == 91) | (byte == 123)
    closes = (byte == 41) | (byte == 93) | (byte == 125)
    return int(opens) - int(closes)


@helper
def first_word(data, marks, start, stop):  # type: ignore[no-untyped-def]
    """The word of code that starts there, as `packed`; 0 if there is none or it is long."""
    i = start
    while i < stop and marks[i] == CODE and (WORD_BYTES[data[i]] or data[i] >= 0x80):
        i += 1
    return packed(data, start, i if i - start <= 8 else start)


@helper
def is_only_strings(data, marks, start, stop):  # type: ignore[no-untyped-def]
    """Whether a logical line is nothing but strings: a docstring, if it comes first."""
    prefix = 0
    strings = False
    for i in range(start, stop):
        byte = data[i]
        if marks[i] == STRING:
            strings = True
            prefix = 0
        elif marks[i] == CODE:
            if WORD_BYTES[byte] and prefix < 2:
                prefix += 1
            elif prefix or byte not in (32, 9, 12, NEWLINE, BACKSLASH):
                return False
    return strings and prefix == 0
