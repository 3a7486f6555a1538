"""Fetch one repository's archive with aiohttp, straight into its spool."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import aiohttp

from corpus.errors import ApiError, ArchiveError, HarvestError, UnreachableError
from harvest.api import USER_AGENT
from harvest.archive import ArchiveReader, Limits
from harvest.budget import Resource
from harvest.frontier import Outcome, Repository
from harvest.policy import (
    MAX_REDIRECTS,
    Answer,
    BadRedirectError,
    Hop,
    backoff_s,
    may_pass,
    next_hop,
    repository_state,
)
from harvest.scheduler import Lease, Scheduler
from harvest.spool import Spool, spool_path
from harvest.threads import outlast

T = TypeVar("T")
MAX_FAILED_IN_A_ROW = 25
_MAX_MESSAGE_BYTES = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)
# Another try may bring other bytes; a limit that was passed once is passed again.
_DAMAGE = frozenset({"truncated", "corrupt", "not_gzip", "wrong_commit"})


class _LimitedError(Exception):
    """A rate limit was met; the next lease waits for its end."""


class _PassingError(Exception):
    """What another try may cure; `reason` is counted if none does."""

    def __init__(self, reason: str, *, answered: bool = True) -> None:
        self.reason, self.answered = reason, answered
        super().__init__(reason)


class Downloader:
    """Fetches repositories, any number at once, within one event loop."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        executor: Executor,
        scheduler: Scheduler,
        *,
        api_url: str,
        spools: Path,
        limits: Limits,
        retries: int,
    ) -> None:
        self._session, self._executor, self._scheduler = session, executor, scheduler
        self._api_url, self._spools = api_url.rstrip("/"), spools
        self._limits, self._retries = limits, retries
        self._answers = 0  # of the server, to anything
        self._failed_in_a_row = 0

    async def fetch(self, repository: Repository) -> Outcome:
        """What became of it; rows are in its spool if it was fetched.

        Raises UnreachableError if the server answers nobody, ApiError if it wants us to stop,
        DiskFullError and FileError.
        """
        outcome = await self._with_retries(repository)
        troubled = outcome.state == "failed" and _blames_server(outcome.reason or "")
        self._failed_in_a_row = self._failed_in_a_row + 1 if troubled else 0
        if self._failed_in_a_row >= MAX_FAILED_IN_A_ROW:
            raise HarvestError(
                f"{self._api_url}: {self._failed_in_a_row} repositories in a row failed, the last "
                f"one {repository.name} ({outcome.reason}); run again later to go on"
            )
        return outcome

    async def _with_retries(self, repository: Repository) -> Outcome:
        failures = 0
        answers = self._answers
        while True:
            try:
                return await self._attempt(repository)
            except _LimitedError:
                continue
            except ArchiveError as error:
                if error.reason not in _DAMAGE:
                    return Outcome(state="failed", reason=error.reason)
                last = _PassingError(error.reason)
            except _PassingError as error:
                last = error
            if failures == self._retries:
                if not last.answered and self._answers == answers:
                    problem = "no connection; check the network, then run again to go on"
                    raise UnreachableError(f"{self._api_url}: {problem}")
                return Outcome(state="failed", reason=last.reason)
            failures += 1
            await self._scheduler.clock.pause(backoff_s(failures))

    async def _attempt(self, repository: Repository) -> Outcome:
        """One try, through redirects. The token goes to the API's own origin only."""
        path = f"/repos/{quote(repository.name)}/tarball/{repository.commit}"
        hop = Hop(self._api_url + path, with_token=True)
        for _ in range(MAX_REDIRECTS + 1):
            resource: Resource = "core" if hop.with_token else "codeload"
            async with self._scheduler.lease(resource, url=_bare(hop.url)) as lease:
                answer = await self._ask(repository, hop, lease)
            if isinstance(answer, Outcome):
                return answer
            if answer.status not in _REDIRECTS:
                return self._judge(answer, hop.url)
            hop = _followed(hop, answer.headers)
        raise _PassingError("too_many_redirects")

    async def _ask(self, repository: Repository, hop: Hop, lease: Lease) -> Outcome | Answer:
        """Send one request; take in the archive if that is what comes back."""
        try:
            async with self._session.get(
                hop.url, headers=_headers(lease, hop), allow_redirects=False
            ) as response:
                self._answers += 1
                if response.status == 200:
                    lease.answered(200, _lowered(response.headers))
                    return await self._receive(response, repository)
                answer = await _read_answer(response)
                if lease.answered(answer.status, answer.headers, answer.message):
                    raise _LimitedError
                return answer
        except TimeoutError:
            raise _PassingError("timeout", answered=False) from None
        except aiohttp.ClientError:
            # Not chained: aiohttp's errors carry the request with its headers.
            raise _PassingError("connection_lost", answered=False) from None

    def _judge(self, answer: Answer, url: str) -> Outcome:
        """What an answer that is neither an archive nor a redirect says."""
        if may_pass(answer.status):
            raise _PassingError(f"http_{answer.status}")
        if answer.status == 401:
            problem = "the token is not accepted: check GITHUB_TOKEN"
            raise ApiError(_bare(url), 401, problem)
        state = repository_state(answer)
        if state is None:
            return Outcome(state="failed", reason=f"http_{answer.status}")
        return Outcome(state=state[0], reason=state[1])

    async def _receive(self, response: aiohttp.ClientResponse, repository: Repository) -> Outcome:
        assert repository.commit is not None
        reader = ArchiveReader(repository.name, repository.commit, self._limits)
        path = spool_path(self._spools, repository.id)
        with Spool(path, repository, self._scheduler.clock.now()) as spool:

            def take(chunk: bytes) -> None:
                for file in reader.feed(chunk):
                    spool.add(file)

            def finish() -> None:
                reader.close()
                spool.commit()

            async for chunk in response.content.iter_any():
                await self._in_thread(partial(take, chunk))
            await self._in_thread(finish)
        return Outcome(state="fetched", rows=spool.rows, bytes=spool.bytes, counts=reader.counts)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run it beside the event loop."""
        loop = asyncio.get_running_loop()
        return await outlast(loop.run_in_executor(self._executor, work))


def _blames_server(reason: str) -> bool:
    """Whether the server failed, as opposed to sending an archive that can't be used."""
    return reason.startswith("http_5") or reason in ("connection_lost", "timeout")


def _headers(lease: Lease, hop: Hop) -> dict[str, str]:
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    if hop.with_token and lease.token:
        headers["Authorization"] = f"token {lease.token}"
    return headers


def _followed(hop: Hop, headers: Mapping[str, str]) -> Hop:
    try:
        return next_hop(hop.url, headers.get("location"), with_token=hop.with_token)
    except BadRedirectError as error:
        raise _PassingError("bad_redirect") from error


async def _read_answer(response: aiohttp.ClientResponse) -> Answer:
    body = await response.content.read(_MAX_MESSAGE_BYTES)
    try:
        message = str(json.loads(body).get("message", ""))
    except (ValueError, AttributeError):
        message = body[:300].decode("utf-8", "replace")
    return Answer(response.status, _lowered(response.headers), message)


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {key.lower(): value for key, value in headers.items()}


def _bare(url: str) -> str:
    """Without the query: archive addresses are signed."""
    return url.partition("?")[0]
