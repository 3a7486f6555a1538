from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from benchmarks.harvest.simulator.virtual import VirtualClock, run_virtually
from corpus.errors import ApiError
from harvest.credentials import User, users_of
from harvest.loopback.limits import Accounts, Caller, Limits
from harvest.scheduler import Scheduler

SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes."
Work = Callable[[Scheduler, VirtualClock], Coroutine[Any, Any, None]]


def virtually(work: Work, log: Any, *tokens: str, **options: Any) -> float:
    """Run `work` with a scheduler; the virtual seconds that it took."""

    async def main(clock: VirtualClock) -> float:
        settings = {"max_wait_s": 7200.0, "concurrency": 8} | options
        scheduler = Scheduler(users_of(tokens), clock=clock, report=log, **settings)
        started = clock.now()
        await work(scheduler, clock)
        return clock.now() - started

    return run_virtually(main)


async def ask(scheduler: Scheduler, resource: Any = "core", **answer: Any) -> bool:
    async with scheduler.lease(resource) as lease:
        return lease.answered(**({"status": 200, "headers": {}} | answer))


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        ({"status": 403, "headers": {"retry-after": "17"}}, 17),
        ({"status": 429, "headers": {"retry-after": "17"}}, 17),
        ({"status": 403, "message": SECONDARY}, 60),
        ({"status": 429}, 60),
        ({"status": 403, "message": "Repository access blocked"}, 0),
        ({"status": 200, "body": {"errors": [{"type": "RATE_LIMITED"}]}}, 60),
        ({"status": 502}, 0),
    ],
)
def test_an_answer_tells_how_long_to_wait(answer: Any, seconds: float, log: Any) -> None:
    async def work(scheduler: Scheduler, clock: VirtualClock) -> None:
        assert await ask(scheduler, "graphql", **answer) == (seconds > 0)
        await ask(scheduler, "graphql")

    assert virtually(work, log, "t") == pytest.approx(seconds)
    assert len(log.lines) == (seconds > 0)


def test_a_date_and_a_reset_are_waited_for(log: Any) -> None:
    async def work(scheduler: Scheduler, clock: VirtualClock) -> None:
        date = formatdate(clock.now() + 30, usegmt=True)
        await ask(scheduler, status=429, headers={"retry-after": date})
        await ask(scheduler)
        reset = {
            "x-ratelimit-limit": "60",
            "x-ratelimit-remaining": "0",
            "x-ratelimit-reset": str(int(clock.now()) + 100),
        }
        await ask(scheduler, headers=reset)  # used up by a success
        started = clock.now()
        await ask(scheduler, "search")  # which has nothing to do with it
        assert clock.now() == started
        await ask(scheduler)

    assert virtually(work, log, "t") == pytest.approx(30 + 101, abs=1)
    assert [line.partition(": ")[2] for line in log.lines] == [
        "HTTP 429 with Retry-After",
        "the rate limit is used up",
    ]


def test_waits_double_and_end_in_an_error(log: Any) -> None:
    async def work(scheduler: Scheduler, clock: VirtualClock) -> None:
        started, waits = clock.now(), []
        with pytest.raises(ApiError, match=r"https://host/x: HTTP 429: .*still after 6 waits"):
            while True:
                async with scheduler.lease("core", url="https://host/x") as lease:
                    waits.append(clock.now() - started)
                    lease.answered(403, {}, SECONDARY)
                started = clock.now()
        assert waits == pytest.approx([0, 60, 120, 240, 480, 960, 1920])

    virtually(work, log, "t")


def test_a_wait_beyond_patience_is_an_error_for_who_asks_for_it(log: Any) -> None:
    async def work(scheduler: Scheduler, clock: VirtualClock) -> None:
        await ask(scheduler, status=429, headers={"retry-after": "31"})
        with pytest.raises(ApiError, match="max_wait_s = 30"):
            await ask(scheduler)
        async with scheduler.lease("codeload"):  # a host of its own
            pass

    assert virtually(work, log, "t", max_wait_s=30) == 0


def test_a_wait_is_announced_once_with_its_reason(log: Any) -> None:
    async def work(scheduler: Scheduler, clock: VirtualClock) -> None:
        await ask(scheduler, status=403, message=SECONDARY)
        await asyncio.gather(*(ask(scheduler, "search") for _ in range(20)))

    virtually(work, log, "t")
    assert log.lines == [
        "waiting 60 s before the next search request: HTTP 403: a secondary rate limit"
    ]


def test_short_waits_between_windows_are_announced_now_and_then(log: Any) -> None:
    async def work(scheduler: Scheduler, clock: VirtualClock) -> None:
        for _ in range(25):  # every other one waits
            reset = {
                "x-ratelimit-limit": "1",
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": str(int(clock.now()) + 60),
            }
            await ask(scheduler, "search", headers=reset)
        # A limit that was met, and a long wait, are always said.
        for seconds in ("30", "31"):
            await ask(scheduler, "search", status=429, headers={"retry-after": seconds})
            await ask(scheduler, "graphql")

    virtually(work, log, "t")
    assert [line.partition(": ")[2] for line in log.lines] == [
        *["the rate limit is used up"] * 2,
        *["HTTP 429 with Retry-After"] * 2,
    ]


def test_users_take_turns_and_a_shut_one_is_passed_by(log: Any) -> None:
    async def work(scheduler: Scheduler, clock: VirtualClock) -> None:
        served = []
        for number in range(8):
            async with scheduler.lease("core") as lease:
                served.append(lease.token)
                limits = {"retry-after": "50"} if number == 3 else {}
                lease.answered(429 if limits else 200, limits)
        assert served == ["a", "b", "a", "b", "a", "a", "a", "a"]

    assert virtually(work, log, "a", "b") == 0
    assert log.lines == []  # nobody had to wait


def test_who_is_free_first_serves_when_all_are_shut(log: Any) -> None:
    async def work(scheduler: Scheduler, clock: VirtualClock) -> None:
        for seconds in ("50", "20"):
            await ask(scheduler, status=429, headers={"retry-after": seconds})
        async with scheduler.lease("search") as lease:
            assert lease.token == "b"

    assert virtually(work, log, "a", "b") == pytest.approx(20)


def test_leases_are_given_in_the_order_of_asking(log: Any) -> None:
    order: list[int] = []

    async def work(scheduler: Scheduler, clock: VirtualClock) -> None:
        async def one(number: int) -> None:
            async with scheduler.lease("core" if number % 3 else "graphql") as lease:
                order.append(number)
                await asyncio.sleep(1)
                lease.answered(200, {})

        await asyncio.gather(*(one(number) for number in range(30)))

    virtually(work, log, "t", concurrency=1)
    assert order == list(range(30))


def test_a_cancelled_lease_ends_at_once_and_is_nobodys_loss(log: Any) -> None:
    async def work(scheduler: Scheduler, clock: VirtualClock) -> None:
        await ask(scheduler, status=429, headers={"retry-after": "3000"})
        waiting = [asyncio.create_task(ask(scheduler)) for _ in range(9)]
        await asyncio.sleep(5)
        for task in waiting[:8]:
            task.cancel()
        ended = await asyncio.gather(*waiting[:8], return_exceptions=True)
        assert {type(each) for each in ended} == {asyncio.CancelledError}
        assert not waiting[8].done()
        await waiting[8]

    assert virtually(work, log, "t", concurrency=1) == pytest.approx(3000)


def test_a_lease_that_is_given_and_cancelled_at_once_is_given_back(log: Any) -> None:
    async def work(scheduler: Scheduler, clock: VirtualClock) -> None:
        async with scheduler.lease("core") as lease:
            lease.answered(200, {})
            second = asyncio.create_task(ask(scheduler))
            await asyncio.sleep(0)
        second.cancel()  # granted by now, but not resumed
        with pytest.raises(asyncio.CancelledError):
            await second
        await ask(scheduler)

    virtually(work, log, "t", concurrency=1)


def test_one_repository_read_often_does_not_hold_up_another(log: Any) -> None:
    async def work(scheduler: Scheduler, clock: VirtualClock) -> None:
        started = clock.now()

        async def read(repository: int) -> float:
            async with scheduler.lease("git", repository=repository):
                return clock.now() - started

        moments = await asyncio.gather(*(read(1) for _ in range(40)), read(2))
        assert moments[:15] == [0.0] * 15
        assert moments[15:30] == pytest.approx([1.0] * 15)
        assert moments[30:40] == pytest.approx([2.0] * 10)
        assert moments[40] == 0.0

    virtually(work, log, "t", concurrency=100)


class Server:
    """GitHub's accounting on the virtual clock, and what it thinks of its caller."""

    def __init__(self, limits: Limits, clock: VirtualClock, seed: int, refusals: float) -> None:
        self.limits, self.clock = limits, clock
        self.accounts = Accounts(limits, clock.now)
        self.random, self.refusals = random.Random(seed), refusals
        self.refused = self.in_penalty = self.penalties = 0
        self.heard: dict[str, tuple[float, float]] = {}

    async def ask(self, scheduler: Scheduler, resource: Any) -> bool:
        """One request; whether it was answered rather than refused."""
        async with scheduler.lease(resource) as lease:
            token = str(lease.token)
            heard, until = self.heard.get(token, (0.0, 0.0))
            self.in_penalty += heard <= self.clock.now() < until - 1e-3
            status, headers = await self._answer(Caller(token, anonymous=False), resource)
            limited = lease.answered(status, headers)
            if status != 200:
                after = float(headers.get("retry-after", 0))
                self.heard[token] = (self.clock.now(), max(until, self.clock.now() + after))
            assert limited == (status != 200)
        return not limited

    async def _answer(self, caller: Caller, resource: Any) -> tuple[int, dict[str, str]]:
        await asyncio.sleep(self.random.uniform(0.01, 0.2))
        try:
            allowed = self.accounts.begin(caller, resource)
            allowed = self.accounts.charge(caller, resource) and allowed
            self.refused += not allowed
            await asyncio.sleep(self.random.uniform(0.05, 0.8))
            standing = self.accounts.standing(caller, resource)
        finally:
            self.accounts.end(caller)
        assert standing is not None
        headers = {key.lower(): value for key, value in standing.headers().items()}
        if not allowed:
            return 403, headers | {"retry-after": "60"}
        if self.random.random() < self.refusals:
            self.penalties += 1
            return 429, headers | {"retry-after": str(self.random.randint(1, 300))}
        await asyncio.sleep(self.random.uniform(0.01, 0.2))
        return 200, headers


limits_of = st.builds(
    Limits,
    core_per_hour=st.integers(200, 1200),
    search_per_minute=st.integers(5, 30),
    graphql_per_hour=st.integers(200, 1200),
    rest_per_minute=st.integers(300, 900),  # GitHub's is thirty times that of search
    graphql_per_minute=st.integers(100, 2000),
)


@settings(max_examples=4, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(limits_of, st.integers(1, 3), st.integers(0, 99), st.data())
def test_nearly_all_that_is_allowed_is_used_and_nothing_is_refused(
    limits: Limits, users: int, seed: int, data: st.DataObject
) -> None:
    windows = data.draw(st.fixed_dictionaries({
        "core": st.integers(1, 3), "search": st.integers(30, 90), "graphql": st.integers(1, 3),
    }))  # fmt: skip
    demand = {
        name: round(users * each * (limits.allowance(name, anonymous=False) or 0))  # type: ignore[arg-type]
        for name, each in windows.items()
    }

    async def main(clock: VirtualClock) -> float:
        server = Server(limits, clock, seed, refusals=0.0)
        points = {
            "rest": limits.rest_per_minute or 0,
            "graphql": limits.graphql_per_minute or 0,
        }
        scheduler = Scheduler(
            users_of([f"t{number}" for number in range(users)]),
            clock=clock, report=lambda _: None, max_wait_s=7200, concurrency=100,
            points_per_minute=points,
        )  # fmt: skip
        started = clock.now()
        await ask_all(server, scheduler, demand)
        assert (server.refused, server.in_penalty) == (0, 0)
        return clock.now() - started

    took = run_virtually(main)
    # A minute more, since the points of a minute come in bursts.
    assert ideal_s(limits, demand, users) >= 0.95 * (took - 60)


def ideal_s(limits: Limits, demand: dict[str, int], users: int) -> float:
    """The least time in which a server with these limits lets that much through."""
    rest, graphql = users * (limits.rest_per_minute or 1), users * (limits.graphql_per_minute or 1)
    return max(
        _least_s(demand["core"], users * (limits.core_per_hour or 1), 3600, rest),
        _least_s(demand["search"], users * (limits.search_per_minute or 1), 60, rest),
        _least_s(demand["graphql"], users * (limits.graphql_per_hour or 1), 3600, graphql),
        _least_s(demand["core"] + demand["search"], rest, 60, rest),
    )


def _least_s(requests: int, allowed: int, window_s: float, pace: int) -> float:
    """Full windows before the last one, and what the last one takes at so many a minute."""
    before = max(0, -(-requests // allowed) - 1)
    last = max(0, -(-(requests - before * allowed) // pace) - 1)
    return before * window_s + last * 60


async def ask_all(server: Server, scheduler: Scheduler, demand: dict[str, int]) -> None:
    async def worker(name: str) -> None:
        while left[name] > 0:
            left[name] -= 1
            while not await server.ask(scheduler, name):
                pass

    left = dict(demand)
    async with asyncio.TaskGroup() as tasks:
        for name in demand:
            for _ in range(100):
                tasks.create_task(worker(name))


@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(limits_of, st.integers(1, 3), st.integers(0, 99))
def test_nothing_is_sent_inside_a_penalty(limits: Limits, users: int, seed: int) -> None:
    async def main(clock: VirtualClock) -> Server:
        server = Server(limits, clock, seed, refusals=0.01)
        scheduler = Scheduler(
            users_of([f"t{number}" for number in range(users)]),
            clock=clock, report=lambda _: None, max_wait_s=7200, concurrency=50,
        )  # fmt: skip
        await ask_all(server, scheduler, {"core": 400, "search": 100, "graphql": 400})
        return server

    server = run_virtually(main)
    assert server.penalties
    assert server.in_penalty == 0


def test_nobody_is_a_user_too(log: Any) -> None:
    async def work(scheduler: Scheduler, clock: VirtualClock) -> None:
        assert not scheduler.with_tokens
        async with scheduler.lease("core") as lease:
            assert lease.token is None
            assert isinstance(lease.user, User)
        async with scheduler.lease("codeload") as lease:
            assert lease.user is None

    virtually(work, log)
