"""Repositories as they might be on GitHub: skewed as GitHub's are, and the same for one seed.

Stars follow a power law (Borges and others, "Understanding the factors that impact the popularity
of GitHub repositories", 2016: most have none), sizes and language bytes are log-normal, and more
were created every year since 2008. The shares of forks, of repositories where Python is not the
primary language, and of those that are gone when they are asked for, are assumptions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
WITH_PYTHON = 0.75  # of all that a list by id names
PRIMARY = 0.75  # of those with Python: it is the primary language
FORKS, ARCHIVED, RENAMED, GONE, EMPTY = 0.25, 0.06, 0.02, 0.01, 0.03
BLOCKED, MONSTERS = 3e-5, 5e-5  # DMCA notices; ones that cost GraphQL more than it likes
BURST = 0.002  # created in one second, as by an import
IDS_PER_REPOSITORY = 3  # the others are private, or gone
LICENSES = (None, "MIT", "Apache-2.0", "GPL-3.0", "BSD-3-Clause")
_FIRST = int(datetime(2008, 2, 1, tzinfo=UTC).timestamp())
UNTIL = int(datetime(2026, 9, 1, tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """One array a field, a place a repository, by id and by date of creation at once."""

    ids: Ints
    created: Ints  # seconds since the epoch
    pushed: Ints
    stars: Ints
    size_kb: Ints
    python: Ints  # bytes
    other: Ints  # bytes of the largest other language
    license: Ints  # a place in LICENSES
    fork: Flags
    archived: Flags
    renamed: Flags  # lists know its former name
    gone: Flags  # listed, but not there any more
    blocked: Flags
    empty: Flags  # no commit
    monster: Flags

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def primary(self) -> Flags:
        """Python is the primary language."""
        flags: Flags = (self.python > self.other) & ~self.empty
        return flags

    def place(self, number: int) -> int | None:
        """Where the repository of that id is."""
        place = int(np.searchsorted(self.ids, number))
        return place if place < len(self.ids) and self.ids[place] == number else None

    def name(self, place: int, *, listed: bool = False) -> str:
        """owner/name, as it is or as lists know it."""
        number = int(self.ids[place])
        former = listed and self.renamed[place]
        return f"owner{number % 99991}/{'old' if former else 'project'}{number}"


def make_world(repositories: int, seed: int) -> World:
    """So many repositories that a list by id names."""
    random = np.random.default_rng(seed)
    fields: dict[str, Any] = _dates(random, repositories)
    python = _log_normal(random, repositories, median=18_000, sigma=2.0)
    share = random.random(repositories)
    with_python = share < WITH_PYTHON
    primary = share < WITH_PYTHON * PRIMARY
    ratio = random.random(repositories)
    empty = random.random(repositories) < EMPTY
    other = np.where(primary, python * ratio * 0.9, python * (1.0 + 20 * ratio)).astype(np.int64)
    fields |= {
        "stars": _stars(random, repositories),
        "size_kb": _log_normal(random, repositories, median=400, sigma=2.2),
        "python": np.where(with_python & ~empty, python, 0),
        "other": np.where(empty, 0, other),
        "license": random.choice(len(LICENSES), repositories, p=[0.55, 0.25, 0.1, 0.06, 0.04]),
        "empty": empty,
    }
    for name, chance in (
        ("fork", FORKS), ("archived", ARCHIVED), ("renamed", RENAMED), ("gone", GONE),
        ("blocked", BLOCKED), ("monster", MONSTERS),
    ):  # fmt: skip
        fields[name] = random.random(repositories) < chance
    fields["gone"] &= ~fields["blocked"]
    steps = random.integers(1, 2 * IDS_PER_REPOSITORY, repositories)
    return World(ids=np.cumsum(steps), **fields)


def _dates(random: np.random.Generator, number: int) -> dict[str, Ints]:
    grown = random.random(number) ** (1 / 2.2)  # each year more than the year before
    created = (_FIRST + (UNTIL - _FIRST - 1) * grown).astype(np.int64)
    created[: round(number * BURST)] = int(_FIRST + (UNTIL - _FIRST) * 0.7)
    created.sort()
    asleep = random.random(number) ** 3
    return {"created": created, "pushed": (created + (UNTIL - created) * asleep).astype(np.int64)}


def _stars(random: np.random.Generator, number: int) -> Ints:
    tail = random.random(number) ** (-1 / 1.05) - 1.0
    return np.minimum(tail * 0.6, 300_000).astype(np.int64)


def _log_normal(random: np.random.Generator, number: int, *, median: float, sigma: float) -> Ints:
    drawn = median * np.exp(sigma * random.standard_normal(number))
    return np.clip(drawn, 1, 2e9).astype(np.int64)
