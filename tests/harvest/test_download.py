"""Redirects of a real server: the token is held back where it must be."""

from __future__ import annotations

import asyncio
import gc
import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from harvest.archive import Limits
from harvest.asking import Host
from harvest.credentials import users_of
from harvest.download import Downloader, in_executor
from harvest.frontier import Outcome, Repository
from harvest.scheduler import Scheduler
from harvest.spool import Contents, read_listing, spool_path

LIMITS = Limits(max_file_bytes=1000, max_archive_bytes=1 << 20, max_archive_members=50)


class Recorder:
    """Two hosts (two ports) that note what was sent to them."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str | None]] = []
        self.body = b""
        self.runners: list[web.AppRunner] = []

    async def listen(self) -> str:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.runners.append(runner)
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def answer(self, request: web.Request) -> web.Response:
        path = request.path
        self.seen.append((path, request.headers.get("Authorization")))
        if path.startswith("/repos/"):
            raise web.HTTPMovedPermanently("/repositories/7/tarball")
        if path.startswith("/repositories/"):
            raise web.HTTPFound(f"{self.archives}/signed?token=x")
        if path == "/signed":
            raise web.HTTPFound(f"{self.api}/back")
        return web.Response(body=self.body, content_type="application/x-gzip")

    async def close(self) -> None:
        for runner in self.runners:
            await runner.cleanup()

    async def __aenter__(self) -> Recorder:
        self.api, self.archives = await self.listen(), await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def repository() -> Repository:
    return Repository(
        id=7,
        node_id="R_7",
        name="old/name",
        stars=1,
        fork=False,
        license=None,
        pushed_at=None,
        shard=0,
        commit="c" * 40,
        languages=None,
        state="pending",
    )


async def fetch(hosts: Recorder, spools: Path, bench: Any) -> Outcome:
    scheduler = Scheduler(
        users_of([bench.token]), clock=bench.clock, report=bench.log, max_wait_s=9
    )
    with ThreadPoolExecutor(1) as executor:
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            host = Host(session, scheduler, retries=1)
            downloader = Downloader(host, executor, api_url=hosts.api, spools=spools, limits=LIMITS)
            return await downloader.fetch(repository())


async def test_the_token_is_sent_to_the_api_and_never_again(
    bench: Any, tmp_path: Path, tar_of_one: bytes
) -> None:
    async with Recorder() as hosts:
        hosts.body = gzip.compress(tar_of_one)
        outcome = await fetch(hosts, tmp_path, bench)
    assert (outcome.state, outcome.rows) == ("fetched", 1)
    with_token = f"token {bench.token}"
    assert hosts.seen == [
        (f"/repos/old/name/tarball/{'c' * 40}", with_token),
        ("/repositories/7/tarball", with_token),
        ("/signed", None),
        ("/back", None),
    ]
    listing = read_listing(spool_path(tmp_path, 7))
    assert (listing.transport, [file.path for file in listing.files]) == ("archive", ["x.py"])
    with Contents(tmp_path, 7) as contents:
        assert contents.read(listing.files[0].blob_id) == b"x = 1\n"


async def test_redirects_in_a_circle_end(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def circle(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.path)

    async with Recorder() as hosts:
        monkeypatch.setattr(hosts, "answer", circle)
        hosts.api = await hosts.listen()
        outcome = await fetch(hosts, tmp_path, bench)
    assert (outcome.state, outcome.reason) == ("failed", "too_many_redirects")
    assert not list(tmp_path.iterdir())


def test_a_thread_that_fails_after_its_task_was_cancelled_fails_in_silence() -> None:
    """A full disk fails many downloads at once; one of them tells it, in one line."""
    going, cancelled = threading.Event(), threading.Event()
    complaints: list[Any] = []

    def work() -> None:
        going.set()
        cancelled.wait(10)
        raise OSError("full")

    async def cancel(executor: ThreadPoolExecutor) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        task = asyncio.create_task(in_executor(executor, work))
        await asyncio.to_thread(going.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
        cancelled.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        gc.collect()

    with ThreadPoolExecutor(1) as executor:
        asyncio.run(cancel(executor))
    assert complaints == []
