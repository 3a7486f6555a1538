from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from harvest.loopback.faults import (
    Blocked,
    Delay,
    Drop,
    Empty,
    Fault,
    FaultBoard,
    Gone,
    Incomplete,
    NotGzip,
    PrimaryLimit,
    SecondaryLimit,
    ServerError,
    TakenDown,
    Truncate,
)
from harvest.loopback.server import Loopback

Serve = Callable[..., Loopback]


def get(server: Loopback, path: str, *, follow: bool = True) -> requests.Response:
    return requests.get(server.url + path, allow_redirects=follow, timeout=10)


@given(st.integers(0, 5), st.integers(1, 4), st.none() | st.integers(0, 4), st.integers(0, 40))
def test_which_requests_are_struck(skip: int, every: int, count: int | None, asked: int) -> None:
    board = FaultBoard([Fault(action=Drop(), skip=skip, every=every, count=count)])
    struck = [turn for turn in range(1, asked + 1) if board.struck("search", None)]
    expected = list(range(skip + every, asked + 1, every))
    assert struck == expected[:count]


def test_only_the_named_routes_and_repositories_count() -> None:
    board = FaultBoard([Fault(action=Drop(), route="archive", repository="ada/*", every=2)])
    assert not board.struck("archive", "ada/engine")
    assert not board.struck("archive", "bob/old")
    assert not board.struck("tarball", "ada/engine")
    assert not board.struck("archive", None)
    assert board.struck("archive", "Ada/Forked")


@pytest.mark.parametrize("wrong", [{"skip": -1}, {"every": 0}, {"count": -1}])
def test_a_fault_that_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Fault(action=Drop(), **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("action", "status", "part", "headers"),
    [
        (Gone(), 404, "Not Found", {}),
        (Empty(), 409, "Git Repository is empty.", {}),
        (TakenDown(), 451, "Repository access blocked", {}),
        (Blocked(), 403, "Repository access blocked", {}),
        (ServerError(500), 500, "Server Error", {}),
        (ServerError(502), 502, "Server Error", {}),
        (ServerError(503), 503, "Service Unavailable", {}),
        (ServerError(504), 504, "respond to your request in time", {}),
        (SecondaryLimit(403, 5), 403, "secondary rate limit", {"Retry-After": "5"}),
        (SecondaryLimit(429, None), 429, "secondary rate limit", {"Retry-After": None}),
        (PrimaryLimit(403), 403, "rate limit exceeded", {"X-RateLimit-Remaining": "0"}),
        (PrimaryLimit(429), 429, "rate limit exceeded", {"Retry-After": None}),
    ],
)
@pytest.mark.parametrize("limits", [True, False])
def test_answers(
    serve: Serve,
    action: Any,
    status: int,
    part: str,
    headers: dict[str, str | None],
    limits: bool,
) -> None:
    more = {} if limits else {"limits": None}
    server = serve(faults=[Fault(action=action, repository="ada/engine", count=2)], **more)
    for path in ("/repos/ada/engine", "/repos/ada/engine/languages"):
        answer = get(server, path)
        assert answer.status_code == status
        assert part in answer.json()["message"]
        for name, value in headers.items():
            assert answer.headers.get(name) == value
    assert get(server, "/repos/ada/engine").status_code == 200
    assert get(server, "/repos/bob/old").status_code == 200


def test_a_takedown_says_why(serve: Serve) -> None:
    server = serve(faults=[Fault(action=TakenDown())])
    block = get(server, "/repos/ada/engine").json()["block"]
    assert set(block) == {"reason", "created_at", "html_url"}
    assert block["reason"] == "dmca"


def test_the_archive_host_fails_too(serve: Serve) -> None:
    server = serve(faults=[Fault(action=ServerError(503), route="archive", count=1)])
    assert get(server, "/repos/ada/engine/tarball").status_code == 503
    assert get(server, "/repos/ada/engine/tarball").status_code == 200
    assert server.requests["tarball", 302] == 2


def test_a_dropped_connection(serve: Serve) -> None:
    server = serve(faults=[Fault(action=Drop(), route="repository", count=1)])
    with pytest.raises(requests.ConnectionError):
        get(server, "/repos/ada/engine")
    assert get(server, "/repos/ada/engine").status_code == 200
    assert server.requests == {("repository", 0): 1, ("repository", 200): 1}


def test_truncated_bodies(serve: Serve) -> None:
    cut = Truncate(after_bytes=10)
    faults = [Fault(action=cut, route="archive"), Fault(action=cut, route="repository")]
    server = serve(faults=faults)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(server, "/repos/ada/engine/tarball")
    sent = requests.get(f"{server.url}/repos/ada/engine", stream=True, timeout=10)
    assert sent.status_code == 200
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        _ = sent.content


async def test_truncated_archives_in_aiohttp(serve: Serve) -> None:
    server = serve(faults=[Fault(action=Truncate(10), route="archive")])
    async with aiohttp.ClientSession() as session:
        answer = await session.get(f"{server.url}/repos/ada/engine/tarball")
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


def test_faults_leave_no_trace_on_the_terminal(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(faults=[Fault(action=Drop(), count=1), Fault(action=Truncate(3))])
    for path in ("/repos/ada/engine", "/repos/ada/engine"):
        with pytest.raises(requests.RequestException):
            get(server, path)
    assert not caplog.records


async def test_a_delay_holds_up_only_its_own_request(serve: Serve) -> None:
    server = serve(faults=[Fault(action=Delay(30), route="languages")])
    async with aiohttp.ClientSession() as session:
        slow = asyncio.create_task(session.get(f"{server.url}/repos/ada/engine/languages"))
        other = await session.get(f"{server.url}/repos/ada/engine")
        assert other.status == 200
        assert not slow.done()
        slow.cancel()


def test_a_search_that_timed_out(serve: Serve) -> None:
    server = serve(faults=[Fault(action=Incomplete(2), route="search", count=1)])
    path = "/search/repositories?q=fork:true"
    first, second = get(server, path).json(), get(server, path).json()
    assert first["incomplete_results"] is True
    assert first["total_count"] == second["total_count"] == len(second["items"]) == 5
    assert len(first["items"]) == 3


def test_an_archive_that_is_none(serve: Serve) -> None:
    server = serve(faults=[Fault(action=NotGzip(), route="archive")])
    assert get(server, "/repos/ada/engine/tarball").content.startswith(b"<!DOCTYPE html>")


def test_a_graphql_limit_fault_is_a_200(serve: Serve) -> None:
    server = serve(faults=[Fault(action=PrimaryLimit(reset_s=9), route="graphql")])
    sent = json.dumps({"query": "{ viewer { login } }"})
    headers = {"Authorization": "bearer t"}
    answer = requests.post(f"{server.url}/graphql", data=sent, headers=headers, timeout=10)
    assert answer.status_code == 200
    assert answer.json()["errors"][0]["type"] == "RATE_LIMITED"
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert int(answer.headers["X-RateLimit-Reset"]) > time.time()


def test_faults_can_be_changed_while_it_runs(serve: Serve) -> None:
    server = serve()
    assert get(server, "/repos/ada/engine").status_code == 200
    server.set_faults(Fault(action=Gone()))
    assert get(server, "/repos/ada/engine").status_code == 404
    server.set_faults()
    assert get(server, "/repos/ada/engine").status_code == 200
