"""SPDX expressions, their categories, and which of two grants less.

Expressions are parsed and licences looked up with license-expression, whose index carries
ScanCode's categories. An OR counts as the best of its parts and an AND as the worst.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any, Literal

import license_expression

Category = Literal["permissive", "copyleft", "other", "none"]

# How much a licence asks for or withholds, in steps; each grants less than the one before it.
PERMISSIVE, WEAK_COPYLEFT, COPYLEFT, NETWORK_COPYLEFT, OTHER = range(5)
_CATEGORIES: tuple[Category, ...] = ("permissive", "copyleft", "copyleft", "copyleft", "other")
_SCANCODE: dict[str, int] = {
    "Permissive": PERMISSIVE,
    "Public Domain": PERMISSIVE,
    "Copyleft Limited": WEAK_COPYLEFT,
    "Copyleft": COPYLEFT,
}
PROPRIETARY = "LicenseRef-proprietary"
RESERVED = "LicenseRef-all-rights-reserved"
UNKNOWN = "LicenseRef-unknown"
UNKNOWN_WORDS = "an unknown licence"
_MAX_CHARS = 1000
_NAME = re.compile(r"[A-Za-z0-9.:+-]+(?: WITH [A-Za-z0-9.+-]+)?")
_UNSTATED = frozenset({"", "NONE", "NOASSERTION"})


def category(expression: str | None) -> Category:
    """The category of an SPDX expression: the best of an OR, the worst of an AND.

    `NOASSERTION` is GitHub's word for a licence that it can't name, hence "other".
    """
    if expression is None or expression.strip().upper() in ("", "NONE"):
        return "none"
    return _CATEGORIES[rank(expression)]


@lru_cache(maxsize=4096)
def rank(expression: str) -> int:
    """How little an expression grants, from PERMISSIVE to OTHER, which is also for unknown ones."""
    tree = _parse(expression)
    return OTHER if tree is None else _rank(tree)


@lru_cache(maxsize=4096)
def rendered(expression: str) -> str | None:
    """The expression with the names that SPDX has for them; None if it is no expression."""
    tree = _parse(expression)
    return None if tree is None else str(tree)


def is_stated(expression: str | None) -> bool:
    """Whether GitHub, or a file, names a licence at all."""
    return expression is not None and expression.strip().upper() not in _UNSTATED


@lru_cache(maxsize=4096)
def decisive(expression: str) -> str:
    """The first licence in an expression that gives it its rank: what to name in a sentence."""
    tree = _parse(expression)
    if tree is None:
        return UNKNOWN_WORDS
    wanted = _rank(tree)
    names = (str(part) for part in _leaves(tree) if _rank(part) == wanted)
    name = next(names, UNKNOWN_WORDS)
    if name == PROPRIETARY:
        return "proprietary"
    return name if _is_known(name) else UNKNOWN_WORDS


def _parse(expression: str) -> Any | None:
    """A license-expression tree, or None if the text is no expression."""
    if len(expression) > _MAX_CHARS or not expression.strip():
        return None
    try:
        tree = _licensing().parse(expression)
    except Exception:  # the parser also raises IndexError ("( )") and TypeError on what is none
        return None
    # The parser takes any words that it does not know for one licence.
    names = [] if tree is None else tree.objects
    return tree if names and all(_NAME.fullmatch(name) for name in names) else None


def _rank(tree: Any) -> int:
    licensing = _licensing()
    if isinstance(tree, license_expression.LicenseWithExceptionSymbol):
        return _rank_with(_rank(tree.license_symbol), str(tree.exception_symbol.key))
    if isinstance(tree, license_expression.LicenseSymbol):
        return _ranks().get(str(tree.key).lower(), OTHER)
    best_or_worst = min if isinstance(tree, licensing.OR) else max
    return best_or_worst(_rank(part) for part in tree.args)


def _rank_with(base: int, exception: str) -> int:
    """An exception takes from what a licence asks for, but makes no copyleft permissive."""
    least = min(base, WEAK_COPYLEFT)
    return min(base, max(least, _ranks().get(exception.lower(), base)))


def _leaves(tree: Any) -> list[Any]:
    if isinstance(tree, license_expression.BaseSymbol):
        return [tree]
    return [leaf for part in tree.args for leaf in _leaves(part)]


def _is_known(name: str) -> bool:
    return all(part.lower() in _ranks() for part in name.split(" WITH "))


@cache
def _licensing() -> license_expression.Licensing:
    return license_expression.get_spdx_licensing()


@cache
def _ranks() -> dict[str, int]:
    """Rank by lower-case SPDX key, from the index that license-expression ships."""
    ranks: dict[str, int] = {}
    for entry in license_expression.get_license_index():
        found = _SCANCODE.get(entry.get("category", ""), OTHER)
        keys = [entry.get("spdx_license_key"), *entry.get("other_spdx_license_keys", [])]
        ranks.update({key.lower(): found for key in keys if key})
    # ScanCode has no word for it: the AGPL also binds who serves a program over a network.
    return {k: NETWORK_COPYLEFT if k.startswith("agpl-") else v for k, v in ranks.items()}
