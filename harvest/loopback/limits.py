"""Who may ask how often: GitHub's primary and secondary rate limits.

Source: GitHub documentation, "Rate limits for the REST API" and "Rate limits and query limits
for the GraphQL API".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Resource = Literal["core", "search", "graphql"]
RESOURCES: tuple[Resource, ...] = ("core", "search", "graphql")
_WINDOW_S = {"core": 3600, "search": 60, "graphql": 3600}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """GitHub's published numbers. A None switches that limit off; 0 allows nothing."""

    core_per_hour: int | None = 5_000
    core_anonymous_per_hour: int | None = 60
    search_per_minute: int | None = 30
    search_anonymous_per_minute: int | None = 10
    graphql_per_hour: int | None = 5_000
    concurrent: int | None = 100
    rest_per_minute: int | None = 900
    graphql_per_minute: int | None = 2_000
    retry_after_s: int | None = 60  # said with a secondary limit; None leaves the header out

    def allowance(self, resource: Resource, *, anonymous: bool) -> int | None:
        """Requests in one window of a resource."""
        if resource == "core":
            return self.core_anonymous_per_hour if anonymous else self.core_per_hour
        if resource == "search":
            return self.search_anonymous_per_minute if anonymous else self.search_per_minute
        return 0 if anonymous else self.graphql_per_hour


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request counts for: a token's user, or an address."""

    name: str
    anonymous: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """One caller's window: what the X-RateLimit headers say."""

    resource: Resource
    limit: int
    used: int
    reset: int  # seconds since the epoch

    @property
    def remaining(self) -> int:
        """Requests left before the reset."""
        return max(0, self.limit - self.used)

    def headers(self) -> dict[str, str]:
        """GitHub's five headers."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Used": str(min(self.used, self.limit)),
            "X-RateLimit-Reset": str(self.reset),
            "X-RateLimit-Resource": self.resource,
        }


@dataclass(slots=True)
class _Window:
    reset: float
    used: int = 0


class Accounts:
    """Counts what every caller has used. It never sleeps: time comes from `clock`."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}
        self._under_way: dict[str, int] = {}

    def standing(self, caller: Caller, resource: Resource) -> Standing | None:
        """The caller's window as it is; None where this limit is off."""
        limit = self.limits.allowance(resource, anonymous=caller.anonymous)
        if limit is None:
            return None
        window = self._window(caller.name, resource, _WINDOW_S[resource])
        return Standing(resource, limit, window.used, math.ceil(window.reset))

    def charge(self, caller: Caller, resource: Resource) -> bool:
        """Count one request; False if the window had none left (it is then not counted)."""
        standing = self.standing(caller, resource)
        if standing is None:
            return True
        if standing.remaining == 0:
            return False
        self._window(caller.name, resource, _WINDOW_S[resource]).used += 1
        return True

    def refund(self, caller: Caller, resource: Resource) -> None:
        """Take one request back: it turned out to be free."""
        window = self._window(caller.name, resource, _WINDOW_S[resource])
        window.used = max(0, window.used - 1)

    def begin(self, caller: Caller, resource: Resource) -> bool:
        """Note a request under way; False if that breaks a secondary limit. End each one."""
        self._under_way[caller.name] = self._under_way.get(caller.name, 0) + 1
        graphql = resource == "graphql"
        pace = self.limits.graphql_per_minute if graphql else self.limits.rest_per_minute
        minute = self._window(caller.name, "graphql minute" if graphql else "rest minute", 60)
        minute.used += 1
        at_once = self.limits.concurrent
        crowded = at_once is not None and self._under_way[caller.name] > at_once
        return not (crowded or (pace is not None and minute.used > pace))

    def end(self, caller: Caller) -> None:
        """A request that `begin` noted is over."""
        self._under_way[caller.name] -= 1

    def _window(self, name: str, kind: str, length_s: float) -> _Window:
        now = self._clock()
        window = self._windows.get((name, kind))
        if window is None or now >= window.reset:
            window = self._windows[name, kind] = _Window(now + length_s)
        return window
