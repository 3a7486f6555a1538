"""What a stage tells while it works. The front door draws it; a stage never prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` (None: unknown) `unit`s of `task` are finished. `done` never falls."""

    task: str
    done: float
    total: float | None
    unit: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """One line worth reading: a wait and its reason, a quarantined file, a fallback."""

    text: str
    warning: bool = False


Event = Progress | Notice
Report = Callable[[Event], None]


def silent(event: Event) -> None:
    """Drop the event: the default reporter of every stage."""
