"""Fetch one repository's archive with aiohttp, straight into its spool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import aiohttp

from corpus.errors import ApiError, ArchiveError, HarvestError, UnreachableError
from harvest.archive import KEPT, ArchiveReader, Limits
from harvest.asking import Host, PassingError, Question, bare, blames_server
from harvest.frontier import Outcome, Repository
from harvest.listing import ListedFile, Listing, archive_listing
from harvest.policy import Answer, Hop, may_pass, repository_state
from harvest.spool import BlobWriter, drop_spool, spool_path, write_listing
from harvest.threads import outlast

T = TypeVar("T")
MAX_FAILED_IN_A_ROW = 25


class Downloader:
    """Fetches archives, any number at once, within one event loop."""

    def __init__(
        self, host: Host, executor: Executor, *, api_url: str, spools: Path, limits: Limits
    ) -> None:
        self._host, self._executor = host, executor
        self._api_url, self._spools = api_url.rstrip("/"), spools
        self._limits = limits
        self._failed_in_a_row = 0

    async def fetch(self, repository: Repository) -> Outcome:
        """What became of it; its files are in its spool if it was fetched.

        Raises UnreachableError if the server answers nobody, ApiError if it wants us to stop,
        DiskFullError and FileError.
        """
        outcome = await self._with_retries(repository)
        troubled = outcome.state == "failed" and blames_server(outcome.reason or "")
        self._failed_in_a_row = self._failed_in_a_row + 1 if troubled else 0
        if self._failed_in_a_row >= MAX_FAILED_IN_A_ROW:
            raise HarvestError(
                f"{self._api_url}: {self._failed_in_a_row} repositories in a row failed, the last "
                f"one {repository.name} ({outcome.reason}); run again later to go on"
            )
        return outcome

    async def _with_retries(self, repository: Repository) -> Outcome:
        answers = self._host.answers
        try:
            return await self._host.persist(lambda: self._attempt(repository))
        except ArchiveError as error:
            return Outcome(state="failed", reason=error.reason)
        except PassingError as error:
            if not error.answered and self._host.answers == answers:
                problem = "no connection; check the network, then run again to go on"
                raise UnreachableError(f"{self._api_url}: {problem}") from None
            return Outcome(state="failed", reason=error.reason)

    async def _attempt(self, repository: Repository) -> Outcome:
        path = f"/repos/{quote(repository.name)}/tarball/{repository.commit}"
        question = Question(
            Hop(self._api_url + path, with_token=True), resources=("core", "codeload")
        )
        answer = await self._host.ask(question, lambda body: self._receive(body, repository))
        return answer if isinstance(answer, Outcome) else _judge(answer, question.hop.url)

    async def _receive(self, response: aiohttp.ClientResponse, repository: Repository) -> Outcome:
        assert repository.commit is not None
        reader = ArchiveReader(repository.name, repository.commit, self._limits)
        files: list[ListedFile] = []
        python_bytes = 0
        drop_spool(self._spools, repository.id)  # of an earlier try, or of another transport
        with BlobWriter(self._spools, repository.id) as writer:

            def take(chunk: bytes) -> None:
                nonlocal python_bytes
                for file in reader.feed(chunk):
                    files.append(ListedFile(file.path, writer.add(file.content)))
                    python_bytes += len(file.content) if file.is_python else 0

            def finish() -> Listing:
                reader.close()
                writer.commit()
                now = int(self._host.scheduler.clock.now())
                listing = archive_listing(str(repository.commit), now, files, reader.counts)
                write_listing(spool_path(self._spools, repository.id), listing)
                return listing

            async for chunk in response.content.iter_any():
                await in_executor(self._executor, partial(take, chunk))
            listing = await in_executor(self._executor, finish)
        return fetched(listing, python_bytes=python_bytes)


def fetched(listing: Listing, *, python_bytes: int, reason: str | None = None) -> Outcome:
    """The outcome of a repository whose files are spooled; assembling settles the counts."""
    python = sum(file.is_python for file in listing.files)
    return Outcome(
        state="fetched",
        reason=reason,
        rows=len(listing.files),
        bytes=python_bytes,
        counts={**listing.counts, KEPT: python},
    )


async def in_executor(executor: Executor, work: Callable[[], T]) -> T:
    """Run it beside the event loop, to its end."""
    return await outlast(asyncio.get_running_loop().run_in_executor(executor, work))


def _judge(answer: Answer, url: str) -> Outcome:
    """What an answer that is neither an archive nor a redirect says."""
    if may_pass(answer.status):
        raise PassingError(f"http_{answer.status}")
    if answer.status == 401:
        problem = "the token is not accepted: check GITHUB_TOKEN"
        raise ApiError(bare(url), 401, problem)
    state = repository_state(answer)
    if state is None:
        return Outcome(state="failed", reason=f"http_{answer.status}")
    return Outcome(state=state[0], reason=state[1])
