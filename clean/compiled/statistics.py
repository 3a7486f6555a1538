"""Counts of lines, characters and keywords; `clean.signals.text` says what each one means."""

from __future__ import annotations

import numpy as np

from clean.compiled.characters import (
    ALNUM,
    NEWLINE,
    WORD_BYTES,
    code_point,
    has_class,
    is_space,
    keyword,
    packed,
    word_end,
)
from clean.compiled.kernel import BYTES, helper, kernel
from clean.compiled.marks import CODE, COMMENT, JUNK

_DEF, _IF, _RETURN, _FOR = (keyword(word) for word in (b"def", b"if", b"return", b"for"))


@kernel(BYTES, BYTES)
def line_counts(data, marks):  # type: ignore[no-untyped-def]
    """(lines, lines with code, characters of the longest line, characters on lines)."""
    lines = code_lines = longest = total = length = 0
    has_code = False
    for i in range(len(data)):
        byte = data[i]
        if byte == NEWLINE:
            lines += 1
            code_lines += has_code
            longest = max(longest, length)
            total += length
            length = 0
            has_code = False
        elif byte & 0xC0 != 0x80:
            length += 1
            if not has_code and marks[i] < COMMENT:
                has_code = not is_space(code_point(data, i))
    if len(data) and data[-1] != NEWLINE:
        lines += 1
        longest = max(longest, length)
        total += length
    return lines, code_lines + has_code, longest, total


@kernel(BYTES, BYTES, BYTES)
def character_counts(data, marks, classes):  # type: ignore[no-untyped-def]
    """(all, printable, alphanumeric) characters outside of junk comments, bidirectional controls.

    The controls are counted anywhere.
    """
    chars = printable = alnum = bidi = 0
    seen = 0
    for i in range(len(data)):  # without a branch, so that it is vectorised
        byte = data[i]
        counts = marks[i] != JUNK
        seen |= byte
        chars += counts & (byte & 0xC0 != 0x80)
        blank = (byte == 9) | (byte == 10) | (byte == 12) | (byte == 13)
        printable += counts & (((byte >= 0x20) & (byte < 0x7F)) | blank)
        letter = ((byte | 0x20) >= 97) & ((byte | 0x20) <= 122)
        alnum += counts & (letter | ((byte >= 48) & (byte <= 57)))
    if seen >= 0x80:
        for i in range(len(data)):
            if data[i] >= 0xC0:
                point = code_point(data, i)
                bidi += 0x202A <= point <= 0x202E or 0x2066 <= point <= 0x2069
                alnum += marks[i] != JUNK and has_class(data, i, ALNUM, classes)
    return chars, printable, alnum, bidi


@kernel(BYTES, BYTES, BYTES)
def keyword_counts(data, marks, classes):  # type: ignore[no-untyped-def]
    """Occurrences of (def, if, return, for) as words outside of strings and comments."""
    defs = ifs = returns = fors = 0
    flags = _keyword_flags(data, marks)
    eights = flags.view(np.uint64)
    for eight in range(len(eights)):
        if eights[eight] != 0:
            for i in range(8 * eight, 8 * eight + 8):
                if flags[i] and not _is_inside_word(data, marks, i, classes):
                    stop = word_end(data, marks, i, classes)
                    word = packed(data, i, stop if stop - i <= 6 else i)
                    defs += word == _DEF
                    ifs += word == _IF
                    returns += word == _RETURN
                    fors += word == _FOR
    return defs, ifs, returns, fors


@helper
def _keyword_flags(data, marks):  # type: ignore[no-untyped-def]
    """1 where code has the first two letters of a keyword; padded to a multiple of eight."""
    n = len(data)
    flags = np.zeros((n + 7) // 8 * 8, np.uint8)
    for i in range(n - 1):  # without a branch, so that it is vectorised
        one, two = data[i], data[i + 1]
        two_letters = ((one == 105) & (two == 102)) | ((one == 102) & (two == 111))
        two_letters |= ((one == 100) | (one == 114)) & (two == 101)
        flags[i] = two_letters & (marks[i] == CODE)
    return flags


@helper
def _is_inside_word(data, marks, i, classes):  # type: ignore[no-untyped-def]
    r"""Whether the character before i is `\w` too."""
    if i == 0 or marks[i - 1] != CODE:
        return False
    i -= 1
    if data[i] < 0x80:
        return WORD_BYTES[data[i]]
    while i > 0 and data[i] & 0xC0 == 0x80:
        i -= 1
    return has_class(data, i, ALNUM, classes)
