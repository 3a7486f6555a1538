r"""Words: the tokens that problems and files are compared by.

A word is a run of letters, digits and underscores; a kana or ideograph is one by itself. Upper and
lower case are alike in ASCII. Nothing else counts: no blanks, operators, quotes, brackets or
comment signs, no escapes such as `\n`, no prefix of a string (one or two of b, f, r and u right
before a quote). So neither a formatter, nor other quotes, nor a problem written as comments or
inside of a string literal changes the words.
"""

from __future__ import annotations

import keyword
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clean.compiled.characters import character_classes
from clean.compiled.contamination import find_words
from clean.signals.document import Bytes

Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
Offsets = npt.NDArray[np.uint32]

_KEYWORDS = frozenset(word.lower().encode() for word in keyword.kwlist)
_DIGITS = b"0123456789_"


class Words(NamedTuple):
    """The words of a text: their hashes, and the bytes at which they start and stop."""

    hashes: Hashes
    starts: Offsets
    stops: Offsets


def words_of(data: Bytes) -> Words:
    """The words of a text in UTF-8, in order. Never raises."""
    hashes = np.empty(len(data), np.uint64)
    starts, stops = np.empty(len(data), np.uint32), np.empty(len(data), np.uint32)
    count = find_words(data, *_tables(), character_classes(), hashes, starts, stops)
    return Words(hashes[:count], starts[:count], stops[:count])


def telling(data: Bytes, words: Words) -> Flags:
    """Which words say what a text is about: no keyword, number or single letter (of ASCII)."""
    distinct, first, inverse = np.unique(words.hashes, return_index=True, return_inverse=True)
    flags = np.zeros(len(distinct), np.bool_)
    raw = data.tobytes().lower()
    for at, (start, stop) in enumerate(zip(words.starts[first], words.stops[first], strict=True)):
        word = raw[start:stop]
        flags[at] = word not in _KEYWORDS and len(word) > 1 and word.strip(_DIGITS) != b""
    return flags[inverse]


@cache
def _tables() -> tuple[Flags, Hashes]:
    """Which ASCII bytes stand in words, and what each byte counts as: its lower case."""
    chars = [chr(byte) for byte in range(128)]
    ascii_words = [char.isalnum() or char == "_" for char in chars]
    values = [ord(char.lower()) for char in chars] + list(range(128, 256))
    return np.array(ascii_words + [False] * 128, np.bool_), np.array(values, np.uint64)
