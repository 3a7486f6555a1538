"""Search windows over `created`: how 1,000 results a query become all of them.

A window is closed only when as many different repositories were seen as the server counted, and
it did not say that it ran out of time. Everything here is pure; `harvest.search` does the asking.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

SEARCH_CAP = 1_000  # page past it answers 422, "Only the first 1000 search results are available"
PAGE_SIZE = 100
MAX_SHORT_ANSWERS = 3  # for one window, before a narrower one is tried
MAX_SHORT_SPLITS = 3  # generations of windows split because answers stay short

Close = Literal["closed", "capped", "short", "enough"]


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Created in [start, stop], whole seconds since the epoch, both ends included."""

    start: int
    stop: int
    short_splits: int = 0  # how often an ancestor was split for being short rather than full

    @property
    def qualifier(self) -> str:
        """As the search query wants it."""
        return f"created:{_iso(self.start)}..{_iso(self.stop)}"


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a window has been read; kept after every page, so that a killed run goes on there."""

    window: Window
    page: int = 0  # pages read
    total: int = 0  # total_count of the last page
    seen: frozenset[int] = frozenset()  # different repositories
    incomplete: bool = False  # the server ran out of time on any page
    looks: int = 1  # which time this is that the window is read

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
        """The same window from its start."""
        return Reading(self.window, looks=self.looks + 1)


def split(window: Window, *, short: bool = False) -> tuple[Window, Window] | None:
    """Two halves that share no second and leave none out; None for a window of one second."""
    if window.start == window.stop:
        return None
    middle = (window.start + window.stop) // 2
    generation = window.short_splits + short
    return Window(window.start, middle, generation), Window(middle + 1, window.stop, generation)


def after_count(window: Window, total: int) -> tuple[Window, Window] | None:
    """The halves to look at instead of a window that holds more than can be paged through."""
    return split(window) if total > SEARCH_CAP else None


def at_end(reading: Reading) -> Close | Literal["again"] | tuple[Window, Window]:
    """What to do with a window that was read to its end."""
    window = reading.window
    if len(reading.seen) == reading.total and not reading.incomplete:
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


def _iso(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
