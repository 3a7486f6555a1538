"""Single characters of valid UTF-8, as `str` sees them."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from clean.compiled.kernel import helper

NEWLINE, HASH, SINGLE, DOUBLE, BACKSLASH = 10, 35, 39, 34, 92
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
def is_word(data, i, alnum):  # type: ignore[no-untyped-def]
    r"""Whether the character that byte i belongs to is `\w`; `alnum` is `alnum_points`."""
    byte = data[i]
    if byte < 0x80:
        return is_ascii_alnum(byte) or byte == 95
    while i > 0 and data[i] & 0xC0 == 0x80:
        i -= 1
    point = code_point(data, i)
    return point < len(alnum) and alnum[point]


@cache
def alnum_points() -> npt.NDArray[np.bool_]:
    """`str.isalnum` by code point, as the running Python's Unicode tables have it."""
    points = np.zeros(_PLANES, np.bool_)
    for point in range(_PLANES):
        points[point] = chr(point).isalnum()
    return points
