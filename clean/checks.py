"""Checks that the recipe's tables share: each raises ValueError beginning with the key's name."""

from __future__ import annotations

from typing import Any


def at_least(recipe: Any, name: str, least: float) -> None:
    """Refuse a value below `least`; None is off and passes."""
    value = getattr(recipe, name)
    if value is not None and not value >= least:
        raise ValueError(f"{name} must be at least {least}, not {value}")


def at_most(recipe: Any, name: str, most: float) -> None:
    """Refuse a value above `most`; None is off and passes."""
    value = getattr(recipe, name)
    if value is not None and not value <= most:
        raise ValueError(f"{name} must be at most {most}, not {value}")


def one_of(recipe: Any, name: str, known: tuple[str, ...]) -> None:
    """Refuse a list that holds anything but `known`; None is off and passes."""
    for value in getattr(recipe, name) or ():
        if value not in known:
            raise ValueError(f"{name} must hold {', '.join(known)}, not {value!r}")


def no_empty(recipe: Any, name: str) -> None:
    """Refuse a list with an empty pattern, which would match everything or nothing."""
    if "" in getattr(recipe, name):
        raise ValueError(f"{name} must not hold an empty pattern")
