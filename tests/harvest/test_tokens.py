"""A token goes into one header of one origin, and nowhere else."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest
from aiohttp import web

from corpus.errors import PycodegptError, UsageError
from harvest.credentials import users_of
from harvest.loopback.faults import Drop, Fault, SecondaryLimit, ServerError
from harvest.scheduler import Scheduler
from harvest.source import Source
from pycodegpt.commands.harvest import tokens_of


def everything_written(bench: Any) -> bytes:
    files = [path for path in bench.folder.root.rglob("*") if path.is_file()]
    assert files
    return b"\0".join(path.read_bytes() + str(path).encode() for path in files)


def test_no_file_log_or_event_holds_a_token(bench: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bench.github.set_faults(
        Fault(action=SecondaryLimit(status=403), route="*", every=4),
        Fault(action=ServerError(status=500), route="archive", repository="owner0/project03"),
    )
    bench.harvest(retries=6)
    assert bench.github.requests["graphql", 200] == 1  # the token was used
    secret = bench.token
    assert secret.encode() not in everything_written(bench)
    assert secret not in caplog.text
    assert secret not in repr(bench.log.events)


@pytest.mark.parametrize("route", ["search", "graphql", "tarball", "archive"])
@pytest.mark.parametrize("action", [Drop(), ServerError(status=502)], ids=repr)
def test_no_error_holds_a_token(bench: Any, route: Any, action: Any) -> None:
    bench.github.set_faults(Fault(action=action, route=route))
    try:
        bench.harvest()
    except PycodegptError as error:
        told = "".join(traceback.format_exception(error)) + repr(vars(error))
        assert bench.token not in told
    assert bench.token.encode() not in everything_written(bench)


async def test_a_server_that_sends_the_token_back(bench: Any) -> None:
    async def echo(request: web.Request) -> web.Response:
        message = f"you sent {request.headers['Authorization']}"
        return web.json_response({"message": message}, status=422)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    import asyncio

    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    with pytest.raises(PycodegptError, match=r"you sent token \*\*\*") as caught:
        await asyncio.to_thread(bench.harvest, api_url=url)
    await runner.cleanup()
    assert bench.token not in str(caught.value)


async def test_objects_that_hold_tokens_do_not_show_them(bench: Any) -> None:
    users = users_of([bench.token])
    scheduler = Scheduler(users, clock=bench.clock, report=bench.log, max_wait_s=1)
    async with scheduler.lease("core") as lease:
        shown = [repr(lease), repr(users), repr(scheduler)]
    shown.append(repr(Source("http://x", [bench.token])))
    assert not any(bench.token in text for text in shown)


def test_tokens_come_from_the_environment_each_once() -> None:
    environment = {"GITHUB_TOKEN": "one", "GITHUB_TOKENS": " two, one\nthree "}
    assert tokens_of(environment) == ["one", "two", "three"]
    assert tokens_of({}) == []


def test_a_token_that_is_none_is_refused_unseen() -> None:
    with pytest.raises(UsageError) as caught:
        tokens_of({"GITHUB_TOKEN": "geheim\u200b"})
    assert "geheim" not in str(caught.value)
