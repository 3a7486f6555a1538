"""What a harvest should have found, read off the world: coverage is measured against this."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import numpy as np

from benchmarks.harvest.simulator.world import Flags, Ints, World


@dataclass(frozen=True, slots=True)
class Coverage:
    """Repositories that can be found by the recipe's sources, and what the frontier says."""

    findable: int
    found: int
    to_fetch: int  # of those: there, with commits, and as the recipe wants
    planned: int
    wrongly_planned: int

    @property
    def share(self) -> float:
        """The worse of the two: of what can be found, and of what can be fetched."""
        found = self.found / self.findable if self.findable else 1.0
        return min(found, self.planned / self.to_fetch if self.to_fetch else 1.0)


def coverage(world: World, database: sqlite3.Connection, *, by_search: bool) -> Coverage:
    """Compare by id."""
    listed = world.primary & ~world.fork & ~world.blocked if by_search else _all(world)
    alive = ~world.gone & ~world.blocked & ~world.empty
    wanted = listed & alive & (world.python > 0)
    findable, to_fetch = world.ids[listed], world.ids[wanted]
    known = _ids(database, "")
    planned = _ids(database, "WHERE state = 'pending'")
    return Coverage(
        findable=len(findable),
        found=_common(findable, known),
        to_fetch=len(to_fetch),
        planned=_common(to_fetch, planned),
        wrongly_planned=len(planned) - _common(to_fetch, planned),
    )


def _all(world: World) -> Flags:
    return np.ones(len(world), dtype=bool)


def _ids(database: sqlite3.Connection, where: str) -> Ints:
    rows = database.execute(f"SELECT id FROM repositories {where}")
    return np.fromiter((row[0] for row in rows), dtype=np.int64)


def _common(first: Ints, second: Ints) -> int:
    return len(np.intersect1d(first, second, assume_unique=True))
