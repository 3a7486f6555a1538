"""Repositories from GH Archive's hour files, over HTTP or from a folder, each hour by itself.

GH Archive has holes, some never filled: what is missing, cut off or damaged is counted and named,
and never stops a harvest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from corpus.errors import UnreachableError
from corpus.events import Notice, Progress, Report
from corpus.files import named_errors
from harvest.api import USER_AGENT, is_local
from harvest.enumerate.hours import DamagedError, Hour, HourReader, hour_names
from harvest.frontier import Frontier, Part
from harvest.nodes import made_node_id
from harvest.policy import backoff_s, may_pass, retry_after_s
from harvest.scheduler import Clock
from harvest.selection import Found, Judge
from harvest.workers import work_off

SOURCE = "gharchive"
MAX_AT_ONCE = 4  # hours; a gift of others, and one of them keeps a core busy
MAX_WAIT_S = 3_600.0  # whatever Retry-After says
_CHUNK_BYTES = 1 << 18
# What a server that is well does not say about a file that it has or has not.
_NOT_THERE = (403, 404, 410)  # 403: object stores that list nothing


class GhArchive:
    """Reads hours until none is open. Safe to kill at any point: hours are kept whole."""

    def __init__(
        self,
        place: str,
        frontier: Frontier,
        judge: Judge,
        *,
        at_once: int,
        retries: int,
        timeout_s: float,
        clock: Clock,
        report: Report,
    ) -> None:
        self._place, self._frontier, self._judge = place.rstrip("/"), frontier, judge
        self._at_once, self._retries = min(at_once, MAX_AT_ONCE), retries
        self._timeout_s, self._clock, self._report = timeout_s, clock, report
        self._shut_until = 0.0

    async def run(self, first: datetime, last: datetime) -> None:
        """Read the hours, or those that are left. Raises UnreachableError or FileError."""
        names = list(hour_names(first, last))
        self._frontier.add_parts(SOURCE, ((name, 0) for name in names))
        left = self._frontier.open_parts(SOURCE)
        self._total, self._done = len(names), len(names) - len(left)
        if left:
            async with self._session() as session:
                self._session_in_use = session
                await work_off(left, self._read, at_once=self._at_once)
        holes = {
            state: number
            for state, number in self._frontier.count_parts(SOURCE).items()
            if state != "closed"
        }
        if holes:
            named = ", ".join(f"{number} {state}" for state, number in holes.items())
            text = f"GH Archive: of {self._total} hours {named}; the manifest names them"
            self._report(Notice(text, warning=True))

    async def _read(self, part: Part) -> Iterable[Part]:
        hour, state = await self._hour(part.key)
        facts = {
            "events": hour.events,
            "damaged_lines": hour.damaged,
            "repositories": len(hour.repositories),
        }
        if state == "closed" and hour.damaged:
            state = "damaged"
        found = (
            self._judge.listed(Found(id=number, node_id=made_node_id(number), name=name, fork=fork))
            for number, (name, fork) in hour.repositories.items()
        )
        with self._frontier.together():
            self._frontier.add_found(found, SOURCE)
            self._frontier.keep_parts([replace(part, state=state, facts=facts)])
        self._done += 1
        self._report(Progress("gharchive", self._done, self._total, "hours"))
        return ()

    async def _hour(self, name: str) -> tuple[Hour, str]:
        """What an hour holds, and whether that is all: closed, missing, truncated, ..."""
        if not is_address(self._place):
            return await asyncio.to_thread(read_file, Path(self._place) / f"{name}.json.gz")
        failures = 0
        while True:
            if self._told_wait():
                await self._clock.pause(self._told_wait())
            reader = HourReader()
            state = await self._attempt(f"{self._place}/{name}.json.gz", reader)
            if state not in _PASSING or failures == self._retries:
                break
            failures += 1
            await self._clock.pause(backoff_s(failures))
        if state == "unreachable":
            problem = "no connection; check gharchive and the network, then run again to go on"
            raise UnreachableError(f"{self._place}: {problem}")
        return reader.hour, "failed" if state == "server_error" else state

    async def _attempt(self, url: str, reader: HourReader) -> str:
        answered = False
        try:
            async with self._session_in_use.get(url) as response:
                answered = True
                if response.status in _NOT_THERE:
                    return "missing"
                if response.status != 200:
                    self._note_wait(response)
                    busy = response.status == 429 or may_pass(response.status)
                    return "server_error" if busy else "failed"
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    reader.feed(chunk)
            reader.close()
        except DamagedError as damage:
            return damage.reason
        except (aiohttp.ClientError, TimeoutError):
            return "lost" if answered else "unreachable"
        return "closed"

    def _note_wait(self, response: aiohttp.ClientResponse) -> None:
        """Whoever asks us to come later is obeyed by all hours at once."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        wait_s = retry_after_s(headers, self._clock.now())
        if wait_s is None:
            return
        self._shut_until = max(self._shut_until, self._clock.now() + min(wait_s, MAX_WAIT_S))
        text = f"waiting {self._told_wait():.0f} s before the next hour file"
        self._report(Notice(f"{text}: HTTP {response.status} with Retry-After", warning=True))

    def _told_wait(self) -> float:
        return max(0.0, self._shut_until - self._clock.now())

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        timeout = aiohttp.ClientTimeout(total=None, sock_read=self._timeout_s)
        local = is_local(urlsplit(self._place).hostname or "")
        async with aiohttp.ClientSession(
            timeout=timeout,
            auto_decompress=False,  # the file is gzip; the transfer must not undo that
            trust_env=not local,
            headers={"User-Agent": USER_AGENT},
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as session:
            yield session


_PASSING = ("server_error", "lost", "unreachable")


def read_file(path: Path) -> tuple[Hour, str]:
    """The same from a folder. Raises FileError for a file that is there and can't be read."""
    reader = HourReader()
    try:
        with named_errors(path):
            if path.parent.is_dir() and not path.exists():
                return reader.hour, "missing"
            file = path.open("rb")
        with named_errors(path), file:
            while chunk := file.read(_CHUNK_BYTES):
                reader.feed(chunk)
        reader.close()
    except DamagedError as damage:
        return reader.hour, damage.reason
    return reader.hour, "closed"


def is_address(place: str) -> bool:
    """Whether hour files come over HTTP."""
    return place.startswith(("http://", "https://"))
