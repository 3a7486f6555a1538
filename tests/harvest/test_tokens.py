"""A token goes into one header of one origin, and nowhere else."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from corpus.errors import PycodegptError
from harvest.credentials import users_of
from harvest.loopback.faults import Blocked, Drop, Fault, SecondaryLimit, ServerError
from harvest.scheduler import Scheduler
from harvest.source import Source


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


@asynccontextmanager
async def echoing(before: str) -> AsyncIterator[str]:
    """A server that sends back what was to be secret."""

    async def echo(request: web.Request) -> web.Response:
        message = f"{before}you sent {request.headers['Authorization']}"
        return web.json_response({"message": message}, status=422)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


# With so many characters before it, the message is cut in the middle of the token.
@pytest.mark.parametrize("before", ["", "x" * 265 + " "], ids=["whole", "cut"])
async def test_a_server_that_sends_the_token_back(bench: Any, before: str) -> None:
    async with echoing(before) as url:
        with pytest.raises(PycodegptError, match=r"you sent token \*\*\*") as caught:
            await asyncio.to_thread(bench.harvest, api_url=url)
    told = "".join(traceback.format_exception(caught.value))
    assert bench.token[:12] not in told


FAULTS = (
    Fault(action=SecondaryLimit(status=429, retry_after_s=0), route="*", every=5),
    Fault(action=ServerError(status=502), route="archive", every=2),
    Fault(action=Drop(), route="search", count=1),
)


@pytest.mark.parametrize("fate", ["survives", "is refused", "is cut off"])
def test_a_process_prints_and_writes_no_token(bench: Any, tmp_path: Path, fate: str) -> None:
    """All that a faulty harvest leaves: both streams, every file, logs of libraries included."""
    bench.github.set_faults(*FAULTS)
    if fate == "is refused":
        bench.github.set_faults(Fault(action=Blocked(), route="*"))
    url = "http://127.0.0.1:9" if fate == "is cut off" else bench.github.url
    second = bench.token.replace("0001", "0002")
    (tmp_path / "recipe.toml").write_text(
        f'run = "{bench.folder.root}"\n[harvest]\napi_url = "{url}"\n'
        "created_until = '2030-01-01'\nretries = 1\n"
    )
    program = (
        "import logging, sys; logging.basicConfig(level=logging.DEBUG);"
        "from pycodegpt.__main__ import run; sys.exit(run(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "harvest", "run", "-r", str(tmp_path / "recipe.toml")],
        env=os.environ | {"GITHUB_TOKEN": bench.token, "GITHUB_TOKENS": f"{second},{bench.token}"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode == 0) == (fate == "survives")
    written = everything_written(bench) if bench.folder.root.exists() else b""
    for secret in (bench.token, second):
        everything = done.stdout + done.stderr + written
        assert secret.encode() not in everything
        assert base64.b64encode(secret.encode()).rstrip(b"=")[:-1] not in everything
    assert b"urllib3.connectionpool" in done.stderr  # the logs were on


async def test_objects_that_hold_tokens_do_not_show_them(bench: Any) -> None:
    users = users_of([bench.token])
    scheduler = Scheduler(users, clock=bench.clock, report=bench.log, max_wait_s=1)
    async with scheduler.lease("core") as lease:
        shown = [repr(lease), repr(users), repr(scheduler)]
    shown.append(repr(Source("http://x", [bench.token])))
    assert not any(bench.token in text for text in shown)
