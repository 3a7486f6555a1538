"""The server: start it, learn its address, count what was asked, switch faults.

    async with Loopback(installed_catalog(), limits=None) as github:
        ...  # github.url is a base URL for PyGithub and for `pycodegpt harvest --api-url`

It listens on 127.0.0.1 only: the API on one port, the archives on another.
"""

from __future__ import annotations

import asyncio
import errno
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType

from aiohttp import web

from corpus.errors import UsageError
from harvest.loopback import archives, githttp, problems, rest
from harvest.loopback.exchange import ENTERPRISE_PREFIX, Exchange, Reply, Server, endpoint
from harvest.loopback.faults import Fault, FaultBoard
from harvest.loopback.graphql import graphql
from harvest.loopback.index import Index
from harvest.loopback.installations import Installations, Installed
from harvest.loopback.limits import Accounts, Limits
from harvest.loopback.repository import Catalog

ADDRESS = "127.0.0.1"
GITHUB_LIMITS = Limits()


class Loopback:
    """GitHub on loopback, as an async context manager.

    `limits=None` switches rate limits off. `users` maps tokens to logins, and any other token is
    refused; without it every token is taken, each as a user of its own. `installations` are
    those of GitHub Apps, whose tokens are taken too, until they end. `port` 0 takes any free one.
    Raises UsageError if a port is in use.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        limits: Limits | None = GITHUB_LIMITS,
        faults: Iterable[Fault] = (),
        users: Mapping[str, str] | None = None,
        port: int = 0,
        archive_port: int = 0,
        installations: Mapping[int, Installed] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ports = (port, archive_port)
        self._server = Server(
            index=Index(catalog),
            accounts=Accounts(limits, clock) if limits is not None else None,
            users=users,
            board=FaultBoard(faults),
            installations=Installations(installations or {}, clock),
        )
        self._runners: list[web.AppRunner] = []
        self.url = ""

    @property
    def requests(self) -> Counter[tuple[str, int]]:
        """Requests answered so far by (route, status); status 0 is a dropped connection."""
        return self._server.requests

    @property
    def archive_url(self) -> str:
        """The address of the archive host, as redirects name it."""
        return self._server.archive_url

    @archive_url.setter
    def archive_url(self, url: str) -> None:
        """Let redirects lead to something before it, as a relay is."""
        self._server.archive_url = url

    def set_faults(self, *faults: Fault) -> None:
        """Replace all faults. Safe from any thread while the server runs."""
        self._server.board.replace(faults)

    async def __aenter__(self) -> Loopback:
        try:
            self._server.archive_url = await self._listen(self._archive_app(), self._ports[1])
            self.url = await self._listen(self._api_app(), self._ports[0])
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop listening and hang up on those still connected."""
        while self._runners:
            await self._runners.pop().cleanup()

    async def _listen(self, app: web.Application, port: int) -> str:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, ADDRESS, port)
        try:
            await site.start()
        except OSError as error:
            raise UsageError(_port_problem(port, error)) from error
        return f"http://{ADDRESS}:{runner.addresses[0][1]}"

    def _api_app(self) -> web.Application:
        app = web.Application()
        for start in ("", ENTERPRISE_PREFIX):
            for route, path, handler in rest.ROUTES:
                app.router.add_get(start + path, endpoint(self._server, route, handler))
            for route, path, handler in rest.POST_ROUTES:
                app.router.add_post(start + path, endpoint(self._server, route, handler))
        for path in ("/graphql", "/api/graphql"):
            app.router.add_post(path, endpoint(self._server, "graphql", graphql))
        for method, path in githttp.PATHS:
            app.router.add_route(method, path, githttp.git_endpoint(self._server))
        app.router.add_route("*", "/{rest:.*}", endpoint(self._server, "unknown", _unknown))
        return app

    def _archive_app(self) -> web.Application:
        app = web.Application()
        app.router.add_get(archives.PATH, archives.archive_endpoint(self._server))
        return app


@contextmanager
def serve_in_thread(
    catalog: Catalog,
    *,
    limits: Limits | None = GITHUB_LIMITS,
    faults: Iterable[Fault] = (),
    users: Mapping[str, str] | None = None,
    port: int = 0,
    archive_port: int = 0,
    installations: Mapping[int, Installed] | None = None,
    clock: Callable[[], float] = time.time,
) -> Iterator[Loopback]:
    """Run a server in a thread of its own while the block runs; the block gets the server.

    Raises UsageError if a port is in use.
    """
    loopback = Loopback(
        catalog,
        limits=limits,
        faults=faults,
        users=users,
        port=port,
        archive_port=archive_port,
        installations=installations,
        clock=clock,
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loopback", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(loopback.__aenter__(), loop).result()
        yield loopback
    finally:
        asyncio.run_coroutine_threadsafe(loopback.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _unknown(exchange: Exchange) -> Reply:
    raise problems.not_found()


def _port_problem(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use; choose another one, or 0 for any that is free"
    return f"can't listen on {ADDRESS}:{port}: {error.strerror or error}"
