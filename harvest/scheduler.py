"""Where requests wait for their turn: leases on GitHub's limits, in the order of asking.

    async with scheduler.lease("core") as lease:
        ...  # send with lease.token
        limited = lease.answered(status, headers, message)

`harvest.budget` decides when; this module only waits, announces waits with their reason, and
serves whichever user is free first. Nothing is ever sent while a penalty lasts.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from corpus.errors import ApiError
from corpus.events import Notice, Report
from harvest.budget import HOSTS, POINTS_PER_MINUTE, Budget, Host, Opening, Resource
from harvest.credentials import Seated, anonymous
from harvest.policy import Answer, graphql_delay, on_our_clock, retry_delay

_WORTH_SAYING_S = 0.5
_SHORT_S = 120.0
_A_WHILE_S = 600.0


class Clock:
    """Time as the harvest sees it; tests and the simulator have their own."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    async def pause(self, seconds: float) -> None:
        """Let other tasks run meanwhile."""
        await asyncio.sleep(seconds)


@dataclass(slots=True, eq=False)
class _Seat:
    """A user and the budget that all of their tokens share."""

    user: Seated
    budget: Budget


@dataclass(slots=True, eq=False)
class _Waiter:
    """A lease that is asked for."""

    ticket: int
    resource: Resource
    points: int
    repository: int | None
    url: str
    granted: asyncio.Future[_Seat | None] = field(repr=False)


class Scheduler:
    """All users and hosts. Tokens never leave here but in a header."""

    def __init__(
        self,
        users: Sequence[Seated],
        *,
        clock: Clock,
        report: Report,
        max_wait_s: float,
        concurrency: int = 8,
        points_per_minute: Mapping[str, int] = POINTS_PER_MINUTE,
    ) -> None:
        self._seats = [
            _Seat(user, Budget(concurrency=concurrency, points_per_minute=points_per_minute))
            for user in users or [anonymous()]
        ]
        self._first = self._seats[0].user
        self._hosts = {name: Host(concurrency=concurrency) for name in HOSTS}
        self.clock, self._report, self._max_wait_s = clock, report, max_wait_s
        self.concurrency = concurrency
        self._queues: dict[Resource, deque[_Waiter]] = {}
        self._tickets = itertools.count()
        self._timer: asyncio.Task[None] | None = None
        self._timer_at = math.inf
        self._announced: dict[Resource, float] = {}  # until when, the last wait
        self._said: dict[tuple[Resource, str], float] = {}  # when, of each reason

    @property
    def with_tokens(self) -> bool:
        """Whether requests carry a token."""
        return not self._seats[0].user.is_anonymous

    @property
    def budgets(self) -> dict[str, Budget]:
        """The budgets by user, to look at."""
        return {seat.user.name: seat.budget for seat in self._seats}

    @asynccontextmanager
    async def lease(
        self,
        resource: Resource,
        points: int = 1,
        *,
        repository: int | None = None,
        url: str = "",
    ) -> AsyncIterator[Lease]:
        """Wait until one request may go; the block sends it and says what came back.

        Raises ApiError (429, naming `url`) if that is longer from now than `max_wait_s`.
        """
        waiter = await self._wait(resource, points, repository, url)
        seat = waiter.granted.result()
        try:
            # A token that is about to end is renewed here, before anything is sent with it.
            token = await seat.user.token(self.clock.now()) if seat else None
            yield Lease(self, waiter, seat, token)
        finally:
            self._release(waiter, seat)

    async def site_token(self) -> str | None:
        """A token for the git host of the API's own site: always the first user's.

        Git costs no points, and several users are no way round what the host may limit.
        """
        return await self._first.token(self.clock.now())

    def scrub(self, text: str) -> str:
        """The text without any token, should a server have sent one back."""
        for seat in self._seats:
            for secret in seat.user.secrets():
                text = text.replace(secret, "***")
        return text

    # -- waiting ------------------------------------------------------------------------------

    async def _wait(
        self, resource: Resource, points: int, repository: int | None, url: str
    ) -> _Waiter:
        granted: asyncio.Future[_Seat | None] = asyncio.get_running_loop().create_future()
        waiter = _Waiter(next(self._tickets), resource, points, repository, url, granted)
        self._queues.setdefault(resource, deque()).append(waiter)
        self._serve()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled() and granted.exception() is None:
                self._release(waiter, granted.result())
            else:
                self._leave(waiter)
            raise
        return waiter

    def _leave(self, waiter: _Waiter) -> None:
        queue = self._queues[waiter.resource]
        if waiter in queue:
            queue.remove(waiter)
        self._serve()

    def _serve(self) -> None:
        """Grant all that may go now, the oldest first, and wake up when the next one may."""
        while True:
            soonest = math.inf
            heads = sorted((q[0].ticket, name) for name, q in self._queues.items() if q)
            for _, name in heads:
                granted, opens = self._serve_one(name)
                soonest = min(soonest, opens)
                if granted:
                    break
            else:
                break
        self._wake_at(soonest)

    def _serve_one(self, resource: Resource) -> tuple[bool, float]:
        """Grant one lease of a queue if any may go; else when the next one may, if known."""
        now, soonest = self.clock.now(), math.inf
        queue = self._queues[resource]
        passed: set[int | None] = set()
        for waiter in queue:
            if waiter.repository in passed:
                continue
            openings = self._openings(waiter, now)
            seat, opening = min(openings, key=lambda pair: _rank(pair[1], now))
            if opening.at is not None and opening.at <= now:
                queue.remove(waiter)
                self._begin(waiter, seat, now)
                return True, soonest
            if opening.at is not None and self._is_hopeless(waiter, opening, now):
                queue.remove(waiter)
                return True, soonest
            soonest = min([soonest, *(each.at for _, each in openings if each.at is not None)])
            # Others may go past one that waits for its own repository, and past no other.
            if not opening.of_repository:
                break
            passed.add(waiter.repository)
        return False, soonest

    def _openings(self, waiter: _Waiter, now: float) -> list[tuple[_Seat | None, Opening]]:
        resource = waiter.resource
        if resource == "codeload" or resource == "git":
            return [(None, self._hosts[resource].opening(resource, waiter.repository, now))]
        return [(seat, seat.budget.opening(resource, now, waiter.points)) for seat in self._seats]

    def _is_hopeless(self, waiter: _Waiter, opening: Opening, now: float) -> bool:
        """Announce the wait; if it is longer than we are told to wait, it is an error."""
        assert opening.at is not None
        resource, seconds = waiter.resource, opening.at - now
        if seconds > self._max_wait_s:
            problem = _too_long(opening.reason, seconds, self._max_wait_s)
            if not waiter.granted.done():
                waiter.granted.set_exception(ApiError(waiter.url, 429, problem))
            return True
        if self._is_worth_saying(resource, opening, seconds):
            text = f"waiting {seconds:.0f} s before the next {resource} request: {opening.reason}"
            self._report(Notice(text, warning=True))
        return False

    def _is_worth_saying(self, resource: Resource, opening: Opening, seconds: float) -> bool:
        """Once for each wait; of the short ones between two windows, one in a while."""
        assert opening.at is not None
        if seconds < _WORTH_SAYING_S or opening.at <= self._announced.get(resource, 0.0) + 1.0:
            return False
        self._announced[resource] = opening.at
        now, key = self.clock.now(), (resource, opening.reason)
        if opening.routine and seconds < _SHORT_S and now < self._said.get(key, 0.0) + _A_WHILE_S:
            return False
        self._said[key] = now
        return True

    def _wake_at(self, at: float) -> None:
        if at == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = at
        if math.isfinite(at):
            self._timer = asyncio.get_running_loop().create_task(self._alarm(at))

    async def _alarm(self, at: float) -> None:
        while (seconds := at - self.clock.now()) > 0:
            await self.clock.pause(seconds)
        self._timer, self._timer_at = None, math.inf
        self._serve()

    # -- leases -------------------------------------------------------------------------------

    def _begin(self, waiter: _Waiter, seat: _Seat | None, now: float) -> None:
        resource = waiter.resource
        if resource == "codeload" or resource == "git":
            self._hosts[resource].begin(waiter.repository, now)
        elif seat is not None:
            seat.budget.begin(resource, waiter.points)
            self._seats.remove(seat)
            self._seats.append(seat)
        if waiter.granted.done():  # cancelled a moment ago
            self._release(waiter, seat)
        else:
            waiter.granted.set_result(seat)

    def _release(self, waiter: _Waiter, seat: _Seat | None) -> None:
        resource = waiter.resource
        if resource == "codeload" or resource == "git":
            self._hosts[resource].end()
        elif seat is not None:
            seat.budget.end(resource, self.clock.now(), waiter.points)
        self._serve()

    def judge(
        self, waiter: _Waiter, seat: _Seat | None, sent_at: float, answer: Answer, body: Any
    ) -> bool:
        """Take an answer into account; whether it was a rate limit."""
        now, resource = self.clock.now(), waiter.resource
        answer = replace(answer, headers=on_our_clock(answer.headers, now))
        gate = self._hosts[resource].gate if seat is None else seat.budget.gate  # type: ignore[index]
        attempt = gate.next_attempt(sent_at)
        wait = retry_delay(answer, now=now, attempt=attempt) or graphql_delay(
            body, answer.headers, now=now, attempt=attempt
        )
        if resource == "codeload" or resource == "git":
            if wait is None:
                gate.passed(sent_at)
            else:
                gate.penalise(None, wait, sent_at=sent_at, now=now)
        elif seat is not None:
            seat.budget.heard(resource, answer.headers)
            if wait is not None:
                seat.budget.limited(resource, wait, sent_at=sent_at, now=now)
            elif answer.status < 400:
                seat.budget.passed(resource, sent_at, now)
        return wait is not None


class Lease:
    """The right to send one request."""

    def __init__(
        self, scheduler: Scheduler, waiter: _Waiter, seat: _Seat | None, token: str | None
    ) -> None:
        self._scheduler, self._waiter, self._seat = scheduler, waiter, seat
        self.token = token
        self.sent_at = scheduler.clock.now()

    def __repr__(self) -> str:
        return f"Lease({self._waiter.resource}, token={'***' if self.token else None})"

    @property
    def user(self) -> Seated | None:
        """Whose budget it is; None at a git host."""
        return self._seat.user if self._seat else None

    def answered(
        self, status: int, headers: Mapping[str, str], message: str = "", *, body: Any = None
    ) -> bool:
        """Tell what came back, header names in lower case; whether it was a rate limit.

        Then ask again with a new lease, which waits. `body`: of a GraphQL answer, which may be
        about a limit though its status is 200.
        """
        answer = Answer(status, headers, message)
        return self._scheduler.judge(self._waiter, self._seat, self.sent_at, answer, body)


def _rank(opening: Opening, now: float) -> tuple[int, float]:
    """Who is free goes before who waits for an answer, and that before who waits for a time."""
    if opening.at is None:
        return 1, now
    return (0, now) if opening.at <= now else (2, opening.at)


def _too_long(reason: str, seconds: float, max_wait_s: float) -> str:
    if math.isinf(seconds):
        return f"{reason}: run again later"
    return (
        f"{reason}; the server asks to wait {seconds:.0f} s, more than "
        f"max_wait_s = {max_wait_s:.0f}: run again later"
    )
