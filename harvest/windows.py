"""Search windows: how 1,000 results a query become all of them.

A window is a box over three axes: when a repository was created, its stars, its size. One that
holds more than can be paged through is split by time, a single second by stars, and a single
number of stars by size. A window is closed only when as many different repositories were seen as
the server counted, and it did not say that it ran out of time. Everything here is pure;
`harvest.search` does the asking.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import isqrt
from typing import Literal

SEARCH_CAP = 1_000  # page past it answers 422, "Only the first 1000 search results are available"
PAGE_SIZE = 100
MAX_SHORT_ANSWERS = 3  # for one window, before a narrower one is tried
MAX_SHORT_SPLITS = 3  # generations of windows split because answers stay short
MAX_PIECES = 8  # of one window at a time
ANY = 1 << 40  # more stars and more KB than anything has

Close = Literal["closed", "capped", "short", "enough"]


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Created in [start, stop], whole seconds since the epoch; every end is included."""

    start: int
    stop: int
    min_stars: int = 0
    max_stars: int = ANY
    min_size_kb: int = 0
    max_size_kb: int = ANY
    short_splits: int = 0  # how often an ancestor was split for being short rather than full

    @property
    def qualifier(self) -> str:
        """As the search query wants it."""
        parts = [
            f"created:{_iso(self.start)}..{_iso(self.stop)}",
            range_qualifier("stars", self.min_stars, self.max_stars),
            range_qualifier("size", self.min_size_kb, self.max_size_kb),
        ]
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a window has been read; kept after every page, so that a killed run goes on there."""

    window: Window
    page: int = 0  # pages read
    total: int = 0  # total_count of the last page
    seen: frozenset[int] = frozenset()  # different repositories
    incomplete: bool = False  # the server ran out of time on any page
    looks: int = 1  # which time this is that the window is read
    seen_before: int = 0  # different repositories whose ids are not kept any more

    @property
    def seen_count(self) -> int:
        """How many different repositories were seen."""
        return len(self.seen) + self.seen_before

    @property
    def at_end(self) -> bool:
        """Whether there is no further page to ask for."""
        return self.page >= max(1, pages(self.total))

    def after_page(self, ids: Iterable[int], total: int, incomplete: bool) -> Reading:
        """The reading with one more page."""
        return replace(
            self,
            page=self.page + 1,
            total=total,
            seen=self.seen | frozenset(ids),
            incomplete=self.incomplete or incomplete,
        )

    def again(self) -> Reading:
        """The same window from its start, to see the rest of it.

        Equals in the order of stars come in another order each time, so that a page repeats some
        and lacks others: what was seen stays seen. Where more was seen than there is, some of it
        has gone meanwhile, and nobody knows which.
        """
        seen = self.seen if self.seen_count <= self.total else frozenset()
        return Reading(self.window, seen=seen, looks=self.looks + 1)


def split(window: Window, pieces: int = 2, *, short: bool = False) -> tuple[Window, ...] | None:
    """Pieces that share nothing and leave nothing out; None for a window that is one point.

    By time while it can be, else by stars, else by size; at least two pieces.
    """
    generation = window.short_splits + short
    if window.start < window.stop:
        cuts = _even_cuts(window.start, window.stop, pieces)
        return tuple(
            replace(window, start=low, stop=high, short_splits=generation)
            for low, high in _between(window.start, window.stop, cuts)
        )
    # Few have many stars, and few are large: the middle is geometric.
    if window.min_stars < window.max_stars:
        cut = _geometric_middle(window.min_stars, window.max_stars)
        return tuple(
            replace(window, min_stars=low, max_stars=high, short_splits=generation)
            for low, high in _between(window.min_stars, window.max_stars, [cut])
        )
    if window.min_size_kb < window.max_size_kb:
        cut = _geometric_middle(window.min_size_kb, window.max_size_kb)
        return tuple(
            replace(window, min_size_kb=low, max_size_kb=high, short_splits=generation)
            for low, high in _between(window.min_size_kb, window.max_size_kb, [cut])
        )
    return None


def after_count(window: Window, total: int) -> tuple[Window, ...] | None:
    """What to look at instead of a window that holds more than can be paged through."""
    if total <= SEARCH_CAP:
        return None
    # Pieces four fifths full, were they all alike: fewer look at one page in vain.
    return split(window, min(MAX_PIECES, max(2, -(-total * 5 // (SEARCH_CAP * 4)))))


def may_split(splits: int, found: int) -> bool:
    """Whether another window may be split, after so many splits and repositories.

    An honest server needs far fewer: each piece brings repositories. One that counts thousands
    which it never shows would otherwise have us look at every second since 1970.
    """
    return splits < 300 + 50 * found // SEARCH_CAP


def at_end(reading: Reading) -> Close | Literal["again"] | tuple[Window, ...]:
    """What to do with a window that was read to its end."""
    window = reading.window
    if reading.seen_count == reading.total and not reading.incomplete:
        return "closed"
    if reading.total > SEARCH_CAP:
        return after_count(window, reading.total) or "capped"
    if reading.looks < MAX_SHORT_ANSWERS:
        return "again"
    if window.short_splits < MAX_SHORT_SPLITS:
        return split(window, short=True) or "short"
    return "short"


def pages(total: int) -> int:
    """How many pages of a window can be asked for."""
    return -(-min(total, SEARCH_CAP) // PAGE_SIZE)


def range_qualifier(name: str, low: int, high: int) -> str:
    """`stars:5..10`, `stars:>=5`, or nothing for a range without ends."""
    if high >= ANY:
        return f"{name}:>={low}" if low else ""
    return f"{name}:{low}..{high}"


def _even_cuts(low: int, high: int, pieces: int) -> list[int]:
    """The last value of each piece but the last one."""
    pieces = min(pieces, high - low + 1)
    return [low + (high - low + 1) * place // pieces - 1 for place in range(1, pieces)]


def _geometric_middle(low: int, high: int) -> int:
    return min(high - 1, isqrt((low + 1) * (high + 1)) - 1)


def _between(low: int, high: int, cuts: list[int]) -> Iterator[tuple[int, int]]:
    for cut in [*cuts, high]:
        yield low, cut
        low = cut + 1


def _iso(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
