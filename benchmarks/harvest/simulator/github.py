"""GitHub's rules on the virtual clock: limits, penalties, slow and failing answers."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harvest.budget import ApiResource
from harvest.loopback.limits import Accounts, Caller, Limits
from harvest.policy import Answer
from harvest.scheduler import Clock

_SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes."
_RATE_LIMITED = {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mood:
    """How often GitHub is difficult: shares of its answers. All assumptions, and all harsh."""

    secondary: float = 1 / 5_000  # a secondary limit out of nowhere: "they can't be queried"
    failing: float = 1 / 1_000  # 500 and 502
    incomplete: float = 1 / 500  # searches that ran out of time
    partial: float = 1 / 300  # GraphQL answers with a few nodes that went wrong
    graphql_budget: int = 110  # nodes; a monster costs as many as _MONSTER_NODES
    # CPU seconds of GraphQL in a minute, and their share of the time that an answer takes. GitHub
    # allows 60 (90 with REST) and never says how many were used. None: not counted.
    cpu_s_per_minute: float | None = None
    cpu_share: float = 0.25


HARSH = Mood()


@dataclass(slots=True)
class Tally:
    """What the server saw."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)  # (resource, status)
    in_penalty: int = 0  # requests sent while the sender knew better
    penalties: int = 0
    limited: int = 0  # requests that broke a primary limit, or points, or concurrency


class GitHub:
    """One server. `exchange` is called when a request is sent and returns what comes back."""

    def __init__(self, clock: Clock, *, seed: int, limits: Limits, mood: Mood) -> None:
        self.random = random.Random(seed)
        self.mood, self.tally = mood, Tally()
        self._clock, self._limits = clock, limits
        self._accounts = Accounts(limits, clock.now)
        self._cpu: dict[str, tuple[float, float]] = {}  # of the minute that began then
        self._penalties: dict[tuple[str, str | None], tuple[float, float]] = {}

    async def exchange(
        self, user: str, resource: ApiResource, seconds: float, produce: Callable[[], Answered]
    ) -> Answered:
        """Send, wait, and hear. `seconds`: what the server works on it; the way comes on top."""
        self._watch(user, resource)
        way = self.random.uniform(0.02, 0.06)
        await asyncio.sleep(way)
        answered = await self._serve(Caller(user, anonymous=False), resource, seconds, produce)
        await asyncio.sleep(way)
        self.tally.answers[resource, answered.answer.status] += 1
        if answered.penalty_s is not None:
            self.tally.penalties += 1
            key = user, None if answered.secondary else resource
            self._penalties[key] = self._clock.now(), self._clock.now() + answered.penalty_s
        return answered

    def _watch(self, user: str, resource: ApiResource) -> None:
        now = self._clock.now()
        for key in ((user, None), (user, resource)):
            heard, until = self._penalties.get(key, (0.0, 0.0))
            if heard <= now < until - 1e-3:
                self.tally.in_penalty += 1
                return

    async def _serve(
        self,
        caller: Caller,
        resource: ApiResource,
        seconds: float,
        produce: Callable[[], Answered],
    ) -> Answered:
        try:
            if not self._accounts.begin(caller, resource):
                self.tally.limited += 1
                return self._secondary()
            if not self._accounts.charge(caller, resource):
                self.tally.limited += 1
                return self._primary(caller, resource)
            seconds *= self.random.uniform(0.5, 1.5)
            if not self._spare_cpu(caller, resource, seconds):
                self.tally.limited += 1
                return self._secondary()
            await asyncio.sleep(seconds)
            if self.random.random() < self.mood.secondary:
                return self._secondary()
            if self.random.random() < self.mood.failing:
                return Answered(Answer(502, self._headers(caller, resource)))
            answered = produce()
            headers = self._headers(caller, resource)
            return Answered(Answer(answered.answer.status, headers, answered.answer.message),
                            answered.body)  # fmt: skip
        finally:
            self._accounts.end(caller)

    def _spare_cpu(self, caller: Caller, resource: ApiResource, seconds: float) -> bool:
        most = self.mood.cpu_s_per_minute
        if most is None or resource != "graphql":
            return True
        now = self._clock.now()
        began, used = self._cpu.get(caller.name, (now, 0.0))
        if now >= began + 60.0:
            began, used = now, 0.0
        self._cpu[caller.name] = began, used + seconds * self.mood.cpu_share
        return self._cpu[caller.name][1] <= most

    def _headers(self, caller: Caller, resource: ApiResource) -> dict[str, str]:
        standing = self._accounts.standing(caller, resource)
        headers = standing.headers() if standing else {}
        return {name.lower(): value for name, value in headers.items()}

    def _secondary(self) -> Answered:
        if self.random.random() < 0.5:
            return Answered(Answer(403, {}, _SECONDARY), penalty_s=60.0, secondary=True)
        after = self.random.randint(10, 120)
        answer = Answer(429, {"retry-after": str(after)}, _SECONDARY)
        return Answered(answer, penalty_s=float(after), secondary=True)

    def _primary(self, caller: Caller, resource: ApiResource) -> Answered:
        standing = self._accounts.standing(caller, resource)
        assert standing is not None
        seconds = standing.reset - self._clock.now()
        headers = self._headers(caller, resource)
        if resource == "graphql":
            return Answered(Answer(200, headers), _RATE_LIMITED, penalty_s=seconds)
        return Answered(Answer(403, headers, "API rate limit exceeded"), penalty_s=seconds)


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer with its body, and the penalty that it means."""

    answer: Answer
    body: Any = None
    penalty_s: float | None = None
    secondary: bool = False
