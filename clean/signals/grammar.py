"""Which Python is meant, and ruff's parser as a fast way to the verdict that `ast` would give.

`ast` decides what is accepted. ruff's parser (package ruff-format) is eight times as fast and knows
the newest grammar only, so it may accept a file alone only where nothing in it could be newer than
the grammar that is meant, or beyond CPython's limits (`clean.compiled.doubts`). All others, and all
that ruff refuses, `ast` judges.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from clean.compiled import doubts
from clean.signals.document import Document

OLDEST = (3, 8)
_VERSION = re.compile(r"3\.([0-9]{1,3})")
# What a file may hold that `ast` accepts since this version, and not before.
_SINCE = (
    ((3, 9), doubts.WITH_BRACKET),
    ((3, 10), doubts.MATCH),
    ((3, 11), doubts.EXCEPT_STAR),
)


@dataclass(frozen=True, slots=True)
class Grammar:
    """A version of Python, as `ast.parse` takes it: best effort, says its documentation."""

    feature_version: tuple[int, int]

    @property
    def never_doubtful(self) -> int:
        """The doubts that are none, since the grammar has these features."""
        return sum(doubt for since, doubt in _SINCE if self.feature_version >= since)

    def __str__(self) -> str:
        return ".".join(map(str, self.feature_version))


RUNNING = Grammar(sys.version_info[:2])  # the interpreter's own


def find_grammar(name: str) -> Grammar:
    """The grammar of "running" or of a version such as "3.8".

    Raises ValueError, starting with `grammar`, for what is no such version or can't be parsed.
    """
    if name == "running":
        return RUNNING
    match = _VERSION.fullmatch(name)
    grammar = Grammar((3, int(match[1]))) if match else None
    if grammar is None or grammar.feature_version < OLDEST:
        raise ValueError(f'grammar must be "running" or "3.8" and up, not {name!r}')
    if grammar.feature_version > RUNNING.feature_version:
        problem = f"at most {RUNNING}, the running Python's, not {name}"
        raise ValueError(f"grammar must be {problem}; run with Python {name} for that")
    return grammar


def is_surely_valid(document: Document, grammar: Grammar) -> bool:
    """Whether ruff accepts a file about which there is no doubt. False says nothing."""
    accepts = ruff_parser()
    if accepts is None or b"\0" in document.encoded:
        return False
    if b"\\N{" in document.encoded and not _knows_names(document.text or ""):
        return False
    found = doubts.find_doubts(document.data, document.marks, document.lines)
    return not found & ~grammar.never_doubtful and accepts(document.text or "")


_NAME = re.compile(r"\\N\{([^}\n]*)")


def _knows_names(text: str) -> bool:
    """Whether this Python's Unicode tables know all characters that are named (`\\N{DASH}`)."""
    try:
        return all(len(unicodedata.lookup(name)) == 1 for name in set(_NAME.findall(text)))
    except KeyError:
        return False


@cache
def ruff_parser() -> Callable[[str], bool] | None:
    """ruff's parser, if the package can be imported."""
    try:
        from ruff_format import is_valid_syntax
    except ImportError:  # not installed, or no build for this machine
        return None
    accepts: Callable[[str], bool] = is_valid_syntax
    return accepts


def ruff_version() -> str | None:
    """The package's version, if it can be used."""
    try:
        return version("ruff-format") if ruff_parser() else None
    except PackageNotFoundError:
        return None
