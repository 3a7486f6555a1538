"""When the next request may go: GitHub's limits as bookkeeping, without a clock and without I/O.

A `Budget` is one user's: tokens of one user share it. A `Host` is a git host's, which knows no
users. Sources: GitHub REST documentation, "Rate limits for the REST API" and "Best practices for
using the REST API"; GraphQL documentation, "Rate limits and query limits for the GraphQL API".
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harvest.policy import MAX_LIMIT_HITS, RESET_MARGIN_S, Wait

ApiResource = Literal["core", "search", "graphql"]
HostResource = Literal["codeload", "git"]
Resource = ApiResource | HostResource
HOSTS: tuple[HostResource, ...] = ("codeload", "git")

MAX_IN_FLIGHT = 100  # "No more than 100 concurrent requests", REST and GraphQL together
POINTS_PER_MINUTE: Mapping[str, int] = {"rest": 900, "graphql": 2_000}
READS_PER_SECOND = 15  # of one repository by git: "Rate limits for Git operations"
_MINUTE_S = 60.0
_GROWTH_S = 180.0  # before one more request in flight is dared
_MANY_REPOSITORIES = 1_000  # whose last reads are remembered before old ones are dropped
_SAME_WINDOW_S = 2  # resets of one window are told a second apart at times


@dataclass(frozen=True, slots=True)
class Opening:
    """When a request may go: `at` is not after now if at once, None if when another one ends."""

    at: float | None
    reason: str = ""
    of_repository: bool = False  # others need not wait
    routine: bool = False  # a limit that was kept, as opposed to one that was met


@dataclass(frozen=True, slots=True)
class _Shut:
    until: float
    reason: str
    decided: float


@dataclass(frozen=True, slots=True)
class _Window:
    """A primary limit as an answer stated it."""

    limit: int
    remaining: int
    reset: int  # seconds since the epoch


class Gate:
    """Penalties: nothing goes before they end, and what was under way is no new offence."""

    def __init__(self) -> None:
        self._shut: dict[Resource | None, _Shut] = {}
        self._hits = 0

    def is_news(self, sent_at: float) -> bool:
        """Whether a request of then was sent after the last penalty was decided."""
        return sent_at > self._last()

    def next_attempt(self, sent_at: float) -> int:
        """Which limit in a row an answer tells of, from 1; the same one for requests in flight."""
        return max(1, self._hits + self.is_news(sent_at))

    def penalise(
        self, resource: Resource | None, wait: Wait, *, sent_at: float, now: float
    ) -> None:
        """Begin a penalty for a resource, or for all if None."""
        self._hits = self.next_attempt(sent_at)
        until, reason = now + wait.seconds, wait.reason
        if self._hits > MAX_LIMIT_HITS:
            until, reason = math.inf, f"{wait.reason}, still after {MAX_LIMIT_HITS} waits"
        known = self._shut.get(resource)
        if known is None or until > known.until:
            self._shut[resource] = _Shut(until, reason, now)

    def passed(self, sent_at: float) -> None:
        """A request got through."""
        if self.is_news(sent_at):
            self._hits = 0

    def opens(self, resource: Resource) -> Opening:
        """When the last penalty ends."""
        ends = [self._shut[key] for key in (resource, None) if key in self._shut]
        last = max(ends, key=lambda shut: shut.until, default=None)
        return Opening(last.until, last.reason) if last else Opening(0.0)

    def _last(self) -> float:
        return max((shut.decided for shut in self._shut.values()), default=-math.inf)


class Budget:
    """One user's windows, points a minute, requests in flight, and penalties."""

    def __init__(
        self,
        *,
        concurrency: int,
        points_per_minute: Mapping[str, int] = POINTS_PER_MINUTE,
    ) -> None:
        self.gate = Gate()
        self.windows: dict[ApiResource, _Window | None] = {}  # None: the server has no such limit
        self._pace = {family: _Pace(points) for family, points in points_per_minute.items()}
        self._flying: Counter[ApiResource] = Counter()
        self._room = _Room(min(concurrency, MAX_IN_FLIGHT))

    def opening(self, resource: ApiResource, now: float, points: int = 1) -> Opening:
        """When a request of so many points may go."""
        shut = self.gate.opens(resource)
        if shut.at is not None and shut.at > now:
            return shut
        if self._flying.total() >= self._room.size:
            return Opening(None)
        window = self._window_opens(resource, now)
        return window if window else self._pace[_family(resource)].opens(now, points)

    def _window_opens(self, resource: ApiResource, now: float) -> Opening | None:
        flying = self._flying[resource]
        if resource not in self.windows:
            # Nothing is known yet: one request finds out, the others wait for its answer.
            return Opening(None) if flying else None
        window = self.windows[resource]
        if window is None:
            return None
        if not window.limit:
            return Opening(math.inf, "the server allows no such requests")
        reset = window.reset + RESET_MARGIN_S
        # Whether those in flight are counted in `remaining` can't be known: suppose not.
        left = (window.limit if now >= reset else window.remaining) - flying
        if left > 0:
            return None
        if flying and (now >= reset or window.remaining > 0):
            return Opening(None)
        return Opening(max(reset, now + 1.0), "the rate limit is used up", routine=True)

    def begin(self, resource: ApiResource, points: int = 1) -> None:
        """A request goes."""
        self._flying[resource] += 1
        self._pace[_family(resource)].begin(points)

    def end(self, resource: ApiResource, now: float, points: int = 1) -> None:
        """Its answer is here, or will never be."""
        self._flying[resource] -= 1
        self._pace[_family(resource)].end(now, points)

    def heard(self, resource: ApiResource, headers: Mapping[str, str]) -> None:
        """Learn from the headers of an answer; of several in flight they come in any order."""
        told = _told(headers)
        if told is None:
            return
        known = self.windows.get(resource)
        if known is None or told.reset > known.reset + _SAME_WINDOW_S:
            self.windows[resource] = told
        elif told.reset >= known.reset - _SAME_WINDOW_S:
            self.windows[resource] = _Window(
                told.limit, min(told.remaining, known.remaining), max(told.reset, known.reset)
            )

    def limited(self, resource: ApiResource, wait: Wait, *, sent_at: float, now: float) -> None:
        """An answer was a rate limit: of one resource, or the secondary one of the whole user."""
        primary = wait.scope == "resource"
        if not primary and self.gate.is_news(sent_at):
            self._room.shrink(now)
        self.gate.penalise(resource if primary else None, wait, sent_at=sent_at, now=now)

    def passed(self, resource: ApiResource, sent_at: float, now: float) -> None:
        """An answer was no rate limit."""
        self.windows.setdefault(resource, None)
        self.gate.passed(sent_at)
        self._room.grow(now)


class _Pace:
    """Points in any minute: a request counts until a minute after its answer.

    Whenever in between it arrived, no minute of the server's can then hold more than its share.
    """

    def __init__(self, points: int) -> None:
        self._most = points
        self._flying = self._used = 0
        self._answered: deque[tuple[float, int]] = deque()

    def opens(self, now: float, points: int) -> Opening:
        while self._answered and self._answered[0][0] <= now:
            self._used -= self._answered.popleft()[1]
        over = self._flying + self._used + points - self._most
        if over <= 0:
            return Opening(now)
        for at, freed in self._answered:
            over -= freed
            if over <= 0:
                return Opening(at, f"{self._most} points a minute are used up", routine=True)
        return Opening(None)

    def begin(self, points: int) -> None:
        self._flying += points

    def end(self, now: float, points: int) -> None:
        self._flying -= points
        self._used += points
        self._answered.append((now + _MINUTE_S, points))


class _Room:
    """How many requests may be in flight: one after a secondary limit, then more with each answer.

    As TCP does (RFC 5681): quickly up to half of where it went wrong, and from there on slowly.
    What can't be queried, CPU seconds above all, is counted by the minute: one more every three.
    """

    def __init__(self, most: int) -> None:
        self._most = self._threshold = self.size = most
        self._grows_at = 0.0

    def shrink(self, now: float) -> None:
        self._threshold, self.size = max(1, self.size // 2), 1
        self._grows_at = now + _GROWTH_S

    def grow(self, now: float) -> None:
        if self.size < self._threshold:
            self.size += 1
        elif self.size < self._most and now >= self._grows_at:
            self.size += 1
            self._grows_at = now + _GROWTH_S


class Host:
    """A git host: requests at once, reads a second of one repository, and penalties."""

    def __init__(self, *, concurrency: int, reads_per_second: int = READS_PER_SECOND) -> None:
        self.gate = Gate()
        self._concurrency, self._reads = concurrency, reads_per_second
        self._flying = 0
        self._sent: defaultdict[int, deque[float]] = defaultdict(deque)

    def opening(self, resource: HostResource, repository: int | None, now: float) -> Opening:
        """When a read of that repository may go."""
        shut = self.gate.opens(resource)
        if shut.at is not None and shut.at > now:
            return shut
        if self._flying >= self._concurrency:
            return Opening(None)
        sent = self._sent.get(repository) if repository is not None else None
        if sent and len(sent) >= self._reads:
            at = sent[-self._reads] + 1.0
            return Opening(at, f"{self._reads} reads a second of one repository", True, True)
        return Opening(now)

    def begin(self, repository: int | None, now: float) -> None:
        """A request goes."""
        self._flying += 1
        if repository is not None:
            if len(self._sent) > _MANY_REPOSITORIES:
                for key in [key for key, sent in self._sent.items() if sent[-1] <= now - 1.0]:
                    del self._sent[key]
            sent = self._sent[repository]
            sent.append(now)
            while len(sent) > self._reads:
                sent.popleft()

    def end(self) -> None:
        """It is over."""
        self._flying -= 1


def _family(resource: ApiResource) -> str:
    return "graphql" if resource == "graphql" else "rest"


def _told(headers: Mapping[str, str]) -> _Window | None:
    values = [headers.get(f"x-ratelimit-{name}", "") for name in ("limit", "remaining", "reset")]
    if not all(value.isascii() and value.isdigit() for value in values):
        return None
    return _Window(*map(int, values))
