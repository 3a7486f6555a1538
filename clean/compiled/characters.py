"""Single characters of valid UTF-8, as `str` sees them."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from clean.compiled.kernel import helper

NEWLINE, HASH, SINGLE, DOUBLE, BACKSLASH = 10, 35, 39, 34, 92
ALNUM, ALPHA, DIGIT = 1, 2, 4  # `str.isalnum`, `str.isalpha`, `str.isdigit`
# ASCII letters, digits and the underscore, by byte.
WORD_BYTES = np.array([chr(byte).isalnum() or byte == 95 for byte in range(128)] + [False] * 128)
# Of ASCII letters the small one, of digits themselves, of all other bytes 0.
FOLDED = np.array([ord(chr(b).lower()) if chr(b).isalnum() and b < 128 else 0 for b in range(256)])
FOLDED = FOLDED.astype(np.uint8)
_PLANES = 0x40000  # no character above is alphanumeric; a test looks at all of them


@helper
def code_point(data, i):  # type: ignore[no-untyped-def]
    """The character whose first byte is data[i]."""
    first = np.int64(data[i])
    if first < 0x80:
        return first
    if first < 0xE0:
        return ((first & 0x1F) << 6) | (data[i + 1] & 0x3F)
    if first < 0xF0:
        return ((first & 0x0F) << 12) | ((data[i + 1] & 0x3F) << 6) | (data[i + 2] & 0x3F)
    high = ((first & 0x07) << 18) | ((data[i + 1] & 0x3F) << 12)
    return high | ((data[i + 2] & 0x3F) << 6) | (data[i + 3] & 0x3F)


@helper
def is_space(point):  # type: ignore[no-untyped-def]
    """`str.isspace` of one character."""
    if point < 0x80:
        return point == 32 or 9 <= point <= 13 or 28 <= point <= 31
    if 0x2000 <= point <= 0x200A or point in (0x2028, 0x2029, 0x202F, 0x205F, 0x3000):
        return True
    return point in (0x85, 0xA0, 0x1680)


@helper
def is_ascii_alnum(byte):  # type: ignore[no-untyped-def]
    """Whether a byte is an ASCII letter or digit."""
    return (48 <= byte <= 57) or (97 <= (byte | 32) <= 122)


@helper
def char_bytes(byte):  # type: ignore[no-untyped-def]
    """How many bytes the character has that begins with this one."""
    if byte < 0xC0:
        return 1
    return 2 + (byte >= 0xE0) + (byte >= 0xF0)


@helper
def has_class(data, i, bit, classes):  # type: ignore[no-untyped-def]
    """Whether the character beyond ASCII that starts at i is of a class."""
    point = code_point(data, i)
    return point < len(classes) and (classes[point] & bit) != 0


@helper
def word_end(data, marks, i, classes):  # type: ignore[no-untyped-def]
    r"""Behind the word (`\w+`) that starts at i, which ends with the code that it stands in."""
    while i < len(data) and marks[i] == 0:
        byte = data[i]
        if WORD_BYTES[byte]:
            i += 1
        elif byte >= 0xC0 and has_class(data, i, ALNUM, classes):
            i += char_bytes(byte)
        else:
            return i
    return i


@helper
def packed(data, start, stop):  # type: ignore[no-untyped-def]
    """At most eight bytes as one number, to be compared with that of a keyword."""
    value = np.uint64(0)
    for i in range(start, stop):
        value = (value << np.uint64(8)) | np.uint64(data[i])
    return value


def keyword(word: bytes) -> np.uint64:
    """A word of at most eight bytes as `packed` has it."""
    return np.uint64(int.from_bytes(word, "big"))


def classes_of(text: str) -> npt.NDArray[np.uint8]:
    """The table that kernels look `text`'s characters beyond ASCII up in; empty if it has none."""
    return _no_classes() if text.isascii() else character_classes()


@cache
def character_classes() -> npt.NDArray[np.uint8]:
    """ALNUM, ALPHA and DIGIT by code point, as the running Python's Unicode tables have them."""
    classes = np.zeros(_PLANES, np.uint8)
    for point, char in enumerate(map(chr, range(_PLANES))):
        if char.isalnum():
            classes[point] = ALNUM | ALPHA * char.isalpha() | DIGIT * char.isdigit()
    return classes


@cache
def alnum_points() -> npt.NDArray[np.bool_]:
    """`str.isalnum` by code point."""
    return (character_classes() & ALNUM) != 0


@cache
def _no_classes() -> npt.NDArray[np.uint8]:
    return np.empty(0, np.uint8)
