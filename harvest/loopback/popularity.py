"""Made-up but stable stars, forks and dates for code that has none.

Everything follows from a hash of the repository's name: the same name gets the same facts on
every machine. Stars are log-uniform from 1 to about 50,000, so that a limit such as
`stars:>=50` keeps about two thirds; forks are a tenth to a third of the stars.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from harvest.loopback.repository import stable_number

_STAR_DECADES = 4.7
_FIRST_CREATED = datetime(2009, 1, 1, tzinfo=UTC)
_CREATED_SPAN_S = 12 * 365 * 86_400
_LAST_PUSH = datetime(2025, 6, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Popularity:
    """Facts of a repository that nobody counted."""

    stars: int
    forks: int
    created_at: datetime
    pushed_at: datetime


def made_up_popularity(full_name: str) -> Popularity:
    """The facts for `owner/name`; stars >= 1, and created before pushed."""
    stars = int(10 ** (_STAR_DECADES * _share(full_name, "stars")))
    forks = int(stars * (0.1 + 0.23 * _share(full_name, "forks")))
    created = _FIRST_CREATED + timedelta(seconds=int(_CREATED_SPAN_S * _share(full_name, "made")))
    age_s = (_LAST_PUSH - created).total_seconds()
    # Squared: most pushes are recent.
    before_last = int(age_s * _share(full_name, "pushed") ** 2)
    return Popularity(stars, forks, created, _LAST_PUSH - timedelta(seconds=before_last))


def _share(name: str, about: str) -> float:
    """A number in [0, 1) for one fact about one name."""
    return stable_number(f"{about}:{name.lower()}", 2**32) / 2**32
