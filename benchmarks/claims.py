"""Claims: what was measured, what was promised, and beside which peer; kept in one JSON file.

Every bench target writes the same form: `{"machine": {...}, "claims": [{"name", "value", "goal",
"peer", "better"}]}`, and `details` for whatever explains the values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from corpus.files import write_json

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One figure. `goal` is None where nothing was promised, `peer` where nobody stands beside."""

    name: str  # with the unit, if it has one
    value: float
    goal: float | None
    peer: str | None
    better: Better

    @property
    def met(self) -> bool | None:
        """Whether the value is at least as good as the goal; None without a goal."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal


@dataclass(slots=True)
class Outcome:
    """What one benchmark found."""

    claims: list[Claim] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)  # settings, counts, tables
    text: list[str] = field(default_factory=list)  # the same for people


def merge(
    path: Path, machine: Mapping[str, Any], claims: Iterable[Claim], details: Mapping[str, Any]
) -> bool:
    """Put claims and details into the file in place of those of the same name.

    Figures of another machine or another input must not stand beside new ones: they are dropped.
    Returns whether that happened.
    """
    old = _read(path)
    foreign = bool(old) and old.get("machine") != dict(machine)
    kept = {} if foreign else old
    by_name = {claim["name"]: claim for claim in kept.get("claims", ())}
    by_name |= {claim.name: asdict(claim) for claim in claims}
    merged = {**kept.get("details", {}), **details}
    write_json(path, {"machine": machine, "claims": list(by_name.values()), "details": merged})
    return foreign


def _read(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return value


def table(claims: Sequence[Claim]) -> list[str]:
    """Lines for people: name, value, goal, whether it was met, peer."""
    width = max((len(claim.name) for claim in claims), default=0)
    marks = {True: "met", False: "MISSED", None: ""}
    return [
        f"{claim.name:<{width}} {number(claim.value):>10} {_goal(claim):>12} "
        f"{marks[claim.met]:<7} {claim.peer or ''}".rstrip()
        for claim in claims
    ]


def _goal(claim: Claim) -> str:
    if claim.goal is None:
        return ""
    return f"{'>=' if claim.better == 'higher' else '<='} {number(claim.goal)}"


def number(value: float) -> str:
    """Four figures, or all of a whole number."""
    return f"{value:.0f}" if value == int(value) else f"{value:.4g}"


def ratio(ours: float, theirs: float) -> float:
    """How many times more of their cost than of ours; 0 if ours was too small to measure."""
    return round(theirs / ours, 3) if ours > 0 else 0.0
