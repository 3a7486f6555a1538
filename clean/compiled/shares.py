"""Shares of a file's characters; `clean.signals.structure` says what each one means."""

from __future__ import annotations

from clean.compiled.characters import (
    ALNUM,
    ALPHA,
    DIGIT,
    FOLDED,
    code_point,
    has_class,
    is_ascii_alnum,
    is_space,
)
from clean.compiled.kernel import BYTES, helper, kernel
from clean.compiled.marks import COMMENT, STRING


@kernel(BYTES, BYTES, BYTES)
def character_shares(data, marks, classes):  # type: ignore[no-untyped-def]
    """Characters: all, alphanumeric, letters, digits, blanks, comments', strings', `=`, U+FFFD."""
    chars = alpha = digits = blanks = comment = string = equals = replacements = 0
    seen = 0
    for i in range(len(data)):  # without a branch, so that it is vectorised
        byte = data[i]
        first = byte & 0xC0 != 0x80
        seen |= byte
        chars += first
        comment += first & (marks[i] >= COMMENT)
        string += first & (marks[i] == STRING)
        alpha += ((byte | 0x20) >= 97) & ((byte | 0x20) <= 122)
        digits += (byte >= 48) & (byte <= 57)
        blanks += (byte == 32) | ((byte >= 9) & (byte <= 13)) | ((byte >= 28) & (byte <= 31))
        equals += byte == 61
    alnum = alpha + digits
    if seen >= 0x80:
        for i in range(len(data)):
            if data[i] >= 0xC0:
                alnum += has_class(data, i, ALNUM, classes)
                alpha += has_class(data, i, ALPHA, classes)
                digits += has_class(data, i, DIGIT, classes)
                point = code_point(data, i)
                blanks += is_space(point)
                replacements += point == 0xFFFD
    return chars, alnum, alpha, digits, blanks, comment, string, equals, replacements


@kernel(BYTES, BYTES)
def word_count(data, classes):  # type: ignore[no-untyped-def]
    """How many words there are: unbroken runs of letters and digits."""
    words = int(len(data) > 0 and is_ascii_alnum(data[0]))
    seen = int(data[0]) if len(data) else 0
    for i in range(1, len(data)):  # without a branch, so that it is vectorised
        byte, before = data[i], data[i - 1]
        seen |= byte
        inside = ((byte | 0x20) >= 97) & ((byte | 0x20) <= 122) | (byte >= 48) & (byte <= 57)
        begins = ((before | 0x20) < 97) | ((before | 0x20) > 122)
        begins &= (before < 48) | (before > 57)
        words += inside & begins
    return words if seen < 0x80 else _unicode_word_count(data, classes)


@helper
def _unicode_word_count(data, classes):  # type: ignore[no-untyped-def]
    words = 0
    before = False
    for i in range(len(data)):
        byte = data[i]
        if byte < 0x80 or byte >= 0xC0:
            inside = FOLDED[byte] != 0
            if byte >= 0xC0:
                inside = has_class(data, i, ALNUM, classes)
            words += inside & (not before)
            before = inside
    return words


@kernel(BYTES)
def config_and_test_counts(data):  # type: ignore[no-untyped-def]
    """Occurrences of ("config", "test"), whatever the case of their letters."""
    configs = tests = 0
    for i in range(len(data) - 3):  # without a branch, so that it is vectorised
        tests += (
            ((data[i] | 32) == 116)
            & ((data[i + 1] | 32) == 101)
            & ((data[i + 2] | 32) == 115)
            & ((data[i + 3] | 32) == 116)
        )
    for i in range(len(data) - 5):
        configs += (
            ((data[i] | 32) == 99)
            & ((data[i + 1] | 32) == 111)
            & ((data[i + 2] | 32) == 110)
            & ((data[i + 3] | 32) == 102)
            & ((data[i + 4] | 32) == 105)
            & ((data[i + 5] | 32) == 103)
        )
    return configs, tests
