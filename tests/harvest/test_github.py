"""The client against the loopback server: several requests at once, and what each call brings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from corpus.errors import ApiError
from harvest.api import Quota
from harvest.credentials import users_of
from harvest.github import GitHubApi
from harvest.loopback.faults import Delay, Fault, ServerError
from harvest.loopback.server import Loopback
from harvest.scheduler import Scheduler


@asynccontextmanager
async def client_of(bench: Any, url: str, concurrency: int = 8) -> AsyncIterator[GitHubApi]:
    scheduler = Scheduler(
        users_of([bench.token]),
        clock=bench.clock,
        report=bench.log,
        max_wait_s=7200,
        concurrency=concurrency,
    )
    api = GitHubApi(url, scheduler, timeout_s=20, retries=4)
    try:
        yield api
    finally:
        api.close()


async def test_several_requests_are_under_way_at_once_and_no_more(bench: Any) -> None:
    bench.github.set_faults(Fault(action=Delay(wait_s=0.4), route="languages"))
    names = [f"owner{number % 3}/project{number:02}" for number in range(12)]
    async with client_of(bench, bench.github.url, concurrency=6) as api:
        await api.languages(names[0])  # the first one finds out about limits, alone
        started = time.monotonic()
        answers = await asyncio.gather(*(api.languages(name) for name in names))
        took = time.monotonic() - started
    assert all(answer["Python"] > 0 for answer in answers)
    assert 0.8 <= took < 2.4  # two rounds of six; one after the other it would be 4.8


async def test_a_cancelled_request_ends_at_once(bench: Any) -> None:
    bench.github.set_faults(Fault(action=Delay(wait_s=15), route="search"))
    async with client_of(bench, bench.github.url) as api:
        asking = [asyncio.create_task(api.search("language:Python", 0)) for _ in range(3)]
        await asyncio.sleep(0.2)
        started = time.monotonic()
        for task in asking:
            task.cancel()
        ended = await asyncio.gather(*asking, return_exceptions=True)
    assert time.monotonic() - started < 2
    assert {type(each) for each in ended} == {asyncio.CancelledError}


async def test_repositories_are_listed_by_id(bench: Any) -> None:
    async with client_of(bench, bench.github.url) as api:
        first = await api.repositories_since(0)
        rest = await api.repositories_since(first[4].id)
    ids = [each.id for each in first]
    assert len(first) == 12
    assert ids == sorted(ids)
    assert rest == first[5:]
    assert {each.name for each in first} >= {"owner0/project03", "owner2/project11"}


async def test_a_repository_is_found_by_name_and_by_id(bench: Any) -> None:
    async with client_of(bench, bench.github.url) as api:
        by_name = await api.repository("owner0/project03")
        assert await api.repository(by_name.id) == by_name
        assert (by_name.stars, by_name.license) == (997, "MIT")
        with pytest.raises(ApiError) as caught:
            await api.repository("no/body")
    assert caught.value.status == 404


async def test_limits_can_be_asked_for_where_there_are_any(bench: Any, catalog_of: Any) -> None:
    async with client_of(bench, bench.github.url) as api:
        assert await api.rate_limit() == {}
        assert (await api.login()).startswith("user-")
    async with Loopback(catalog_of(3)) as github, client_of(bench, github.url) as api:
        await api.search("language:Python", 0)
        quotas = await api.rate_limit()
    assert quotas["search"] == Quota(30, 29, quotas["search"].reset)
    assert quotas["graphql"].limit == 5_000


async def test_the_search_limit_is_waited_for_and_never_met(bench: Any, catalog_of: Any) -> None:
    """Its 31st request goes a minute later; nobody has to be refused for that."""
    clock = bench.clock
    async with Loopback(catalog_of(3), clock=clock.now) as github:
        async with client_of(bench, github.url) as api:
            await asyncio.gather(*(api.search("language:Python", 0) for _ in range(70)))
        assert github.requests["search", 200] == 70
        assert set(github.requests) == {("search", 200)}
    assert 110 < sum(clock.slept) < 130
    assert len(bench.log.lines) == 1  # waits between two windows are not news each time


async def test_a_query_that_is_not_finished_is_left_to_a_smaller_one(bench: Any) -> None:
    bench.github.set_faults(Fault(action=ServerError(status=502), route="*"))
    async with client_of(bench, bench.github.url) as api:
        for call, requests in (
            (api.graphql("{viewer{login}}", {}), 2),
            (api.head_commit("a/b"), 5),
        ):
            bench.github.requests.clear()
            with pytest.raises(ApiError) as caught:
                await call
            assert caught.value.status == 502
            assert bench.github.requests.total() == requests


@pytest.mark.parametrize("behind_s", [-4000, 4000])
async def test_a_clock_that_is_wrong_neither_hurries_nor_stays(
    bench: Any, catalog_of: Any, behind_s: float
) -> None:
    clock = bench.clock
    async with Loopback(catalog_of(3), clock=lambda: clock.now() + behind_s) as github:
        async with client_of(bench, github.url) as api:
            await asyncio.gather(*(api.search("language:Python", 0) for _ in range(40)))
        assert set(github.requests) == {("search", 200)}
    assert 55 < sum(clock.slept) < 70
