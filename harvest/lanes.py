"""Where requests wait: one lane a token, and in it one gate a resource.

While a gate is shut nothing goes through it; `harvest.policy` says how long that is. GitHub's
primary limits are counted by resource (core, search, graphql), the secondary ones by user.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Literal

from corpus.errors import ApiError
from corpus.events import Notice, Report
from harvest.policy import Wait

Resource = Literal["core", "search", "graphql", "archive"]


class Clock:
    """Time as the harvest sees it; tests have their own."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Block the calling thread."""
        time.sleep(seconds)

    async def pause(self, seconds: float) -> None:
        """Let other tasks run meanwhile."""
        await asyncio.sleep(seconds)


class Lane:
    """One token's gates (or those of requests without a token)."""

    def __init__(self, token: str | None) -> None:
        self.token = token
        self._opens: dict[Resource, float] = {}

    def __repr__(self) -> str:
        return f"Lane(token={'***' if self.token else None})"

    def opens(self, resource: Resource) -> float:
        """When the gate opens, in seconds since the epoch; 0 if it is open."""
        return self._opens.get(resource, 0.0)

    def shut(self, resource: Resource, until: float) -> bool:
        """Keep the gate shut until then; whether that is news."""
        news = until > self.opens(resource) + 1.0
        self._opens[resource] = max(until, self.opens(resource))
        return news


class Lanes:
    """All lanes, and the waiting. Tokens never leave here but in a header."""

    def __init__(
        self, tokens: Sequence[str], *, clock: Clock, report: Report, max_wait_s: float
    ) -> None:
        self._lanes = [Lane(token) for token in tokens] or [Lane(None)]
        self.archives = Lane(None)  # the archive host knows no tokens
        self.clock = clock
        self._report = report
        self._max_wait_s = max_wait_s
        self._turn = 0

    @property
    def with_tokens(self) -> bool:
        """Whether requests carry a token."""
        return self._lanes[0].token is not None

    def choose(self, resource: Resource) -> Lane:
        """The lane that opens first; of several that are open, each in turn."""
        self._turn += 1
        order = self._lanes[self._turn % len(self._lanes) :] + self._lanes
        now = self.clock.now()
        return min(order[: len(self._lanes)], key=lambda lane: max(now, lane.opens(resource)))

    def wait(self, lane: Lane, resource: Resource) -> None:
        """Block until the gate is open."""
        while (seconds := lane.opens(resource) - self.clock.now()) > 0:
            self.clock.sleep(seconds)

    async def wait_async(self, lane: Lane, resource: Resource) -> None:
        """The same for a task. Others may shut the gate again meanwhile, hence the loop."""
        while (seconds := lane.opens(resource) - self.clock.now()) > 0:
            await self.clock.pause(seconds)

    def shut(self, lane: Lane, resource: Resource, wait: Wait, url: str) -> None:
        """Begin a wait and say why. Raises ApiError if it is longer than we are told to wait."""
        if wait.seconds > self._max_wait_s:
            problem = (
                f"{wait.reason}; the server asks to wait {wait.seconds:.0f} s, more than "
                f"max_wait_s = {self._max_wait_s:.0f}: run again later"
            )
            raise ApiError(url, 429, problem)
        if lane.shut(resource, self.clock.now() + wait.seconds):
            text = f"waiting {wait.seconds:.0f} s before the next {resource} request: {wait.reason}"
            self._report(Notice(text, warning=True))

    def scrub(self, text: str) -> str:
        """The text without any token, should a server have sent one back."""
        for lane in self._lanes:
            if lane.token:
                text = text.replace(lane.token, "***")
        return text
