"""Fetch a repository's trees, then exactly the wanted blobs, from its git host.

Everything that git hosts can refuse or break ends in `NoBlobsError`, whose reason is counted, and
the repository's archive is fetched instead: the API has the last word on what became of it.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import TypeVar

import aiohttp

from corpus.errors import HarvestError
from corpus.events import Notice, Report
from corpus.files import named_errors
from harvest.api import USER_AGENT
from harvest.archive import Limits
from harvest.asking import Host, PassingError, Question, blames_server, read_most
from harvest.download import MAX_FAILED_IN_A_ROW, in_executor
from harvest.frontier import Repository
from harvest.git import protocol
from harvest.git.errors import RefusedError
from harvest.git.pack import PackLimits, PackReader
from harvest.git.protocol import FetchAnswer, fetch_request
from harvest.git.store import MemoryStore, Store
from harvest.gunzip import DamagedError
from harvest.listing import Listing, list_trees
from harvest.policy import Answer, Hop, may_pass
from harvest.spool import BlobWriter, spool_path, write_listing
from harvest.transport import repository_address

T = TypeVar("T")
MAX_TREE_BYTES = 64 << 20  # in memory; a hundred thousand files need some six
MAX_WANTS = 16_384  # of one request: 0.8 MB, or 0.4 gzipped
MAX_MISSES = 5  # in a row of a host that has never served a repository
_NO_GIT = ("http_404", "not_git")
_COMMIT_DIGITS = 40  # SHA-1
_MAX_ADVERTISEMENT_BYTES = 1 << 20
_GZIP_FROM_BYTES = 1 << 10


class NoBlobsError(Exception):
    """The repository can't be had this way. `reason`: None where that says nothing about it."""

    def __init__(self, reason: str | None) -> None:
        self.reason = reason
        super().__init__(reason)


class BlobFetcher:
    """Fetches trees and blobs, any number at once, within one event loop."""

    def __init__(
        self,
        host: Host,
        executor: Executor,
        *,
        git_url: str,
        with_token: bool,
        spools: Path,
        limits: Limits,
        report: Report,
    ) -> None:
        self._host, self._executor = host, executor
        self._git_url, self._with_token = git_url, with_token
        self._spools, self._limits, self._report = spools, limits, report
        self._introducing, self._introduced = asyncio.Lock(), False
        self._served = 0  # repositories
        self._misses = 0  # in a row
        self._given_up = False
        self._refusal: str | None = None

    async def list(self, repository: Repository) -> Listing:
        """The repository's files, also on disk from here on. Raises NoBlobsError.

        Raises HarvestError where a host that has worked fails again and again.
        """
        if self._given_up:
            raise NoBlobsError(self._refusal)
        if len(repository.commit or "") != _COMMIT_DIGITS:
            raise NoBlobsError("object_format")
        try:
            listing = await self._host.persist(lambda: self._list(repository))
        except (PassingError, RefusedError, DamagedError) as error:
            raise self._missed(repository, error.reason) from None
        self._served += 1
        self._misses = 0
        return listing

    async def fill(self, repository: Repository, wants: Sequence[bytes]) -> int:
        """Bring these blobs into the repository's spool; their bytes. Raises NoBlobsError."""
        total = 0
        for start in range(0, len(wants), MAX_WANTS):
            batch = wants[start : start + MAX_WANTS]
            try:
                total += await self._host.persist(partial(self._fill, repository, batch))
            except (PassingError, RefusedError, DamagedError) as error:
                raise self._missed(repository, error.reason) from None
        return total

    def _missed(self, repository: Repository, reason: str) -> NoBlobsError:
        self._misses += 1
        if not self._served:
            if self._misses >= MAX_MISSES and not self._given_up:
                self._given_up = True
                text = f"{self._git_url} serves no git that blobs can be fetched by ({reason})"
                self._report(Notice(f"{text}; archives are fetched instead"))
            # That there is no git says nothing about the repositories; a refusal does.
            self._refusal = None if reason in _NO_GIT else reason
            return NoBlobsError(self._refusal)
        if self._misses >= MAX_FAILED_IN_A_ROW and blames_server(reason):
            raise HarvestError(
                f"{self._git_url}: {self._misses} repositories in a row failed, the last one "
                f"{repository.name} ({reason}); run again later to go on"
            )
        return NoBlobsError(reason)

    async def _list(self, repository: Repository) -> Listing:
        commit, store = str(repository.commit), MemoryStore()
        await self._introduce(repository)
        body = self._request([commit], depth=1, filter_spec=protocol.BLOB_NONE)
        limits = PackLimits(
            max_objects=self._limits.max_archive_members + 2,  # the commit and the root
            max_bytes=min(MAX_TREE_BYTES, self._limits.max_archive_bytes),
        )
        try:
            reader = await self._fetch(repository, body, store, limits)
        except DamagedError:
            # A server that refuses the filter may die of it without a word.
            await self._check(repository)
            raise
        now = int(self._host.scheduler.clock.now())

        def read() -> Listing:
            listing = list_trees(commit, reader.entries, store, self._limits, now)
            write_listing(spool_path(self._spools, repository.id), listing)
            return listing

        return await in_executor(self._executor, read)

    async def _fill(self, repository: Repository, wants: Sequence[bytes]) -> int:
        limits = PackLimits(max_objects=len(wants), max_bytes=self._limits.max_archive_bytes)
        body = self._request([want.hex() for want in wants])
        with BlobWriter(self._spools, repository.id) as writer:
            reader = await self._fetch(repository, body, writer.store, limits)

            def finish() -> int:
                for want in wants:
                    entry = reader.entries.get(want)
                    if entry is None or entry.kind != "blob":
                        problem = f"the server did not send {want.hex()}"
                        raise DamagedError("missing_object", problem)
                    writer.place(want, entry.position, entry.size)
                writer.commit()
                return sum(reader.entries[want].size for want in wants)

            return await in_executor(self._executor, finish)

    def _request(self, wants: Sequence[str], **how: object) -> bytes:
        return fetch_request(wants, agent=USER_AGENT, **how)  # type: ignore[arg-type]

    async def _fetch(
        self, repository: Repository, body: bytes, store: Store, limits: PackLimits
    ) -> PackReader:
        """Send a fetch, and read its pack. Raises what `Host.ask` raises, and RefusedError."""
        headers = {
            "Content-Type": protocol.REQUEST_TYPE,
            "Accept": protocol.RESULT_TYPE,
            protocol.VERSION_HEADER[0]: protocol.VERSION_HEADER[1],
        }
        if len(body) >= _GZIP_FROM_BYTES:
            body = gzip.compress(body, mtime=0)
            headers["Content-Encoding"] = "gzip"
        question = self._question(
            repository, protocol.SERVICE, method="POST", headers=headers, body=body
        )

        async def take(response: aiohttp.ClientResponse) -> PackReader:
            if response.content_type != protocol.RESULT_TYPE:
                raise DamagedError("not_git", f"an answer of type {response.content_type}")
            answer, reader = FetchAnswer(), PackReader(store, limits)

            def read(chunk: bytes) -> None:
                with named_errors(self._spools):
                    for piece in answer.feed(chunk):
                        reader.feed(piece)

            def finish() -> None:
                answer.close()
                with named_errors(self._spools):
                    reader.close()

            async for chunk in response.content.iter_any():
                await in_executor(self._executor, partial(read, chunk))
            await in_executor(self._executor, finish)
            return reader

        return _refused_or(await self._host.ask(question, take))

    async def _introduce(self, repository: Repository) -> None:
        """Ask once what the host can do; all its repositories are alike, or say so themselves."""
        async with self._introducing:
            if self._given_up:
                raise NoBlobsError(self._refusal)
            if not self._introduced:
                await self._check(repository)
                self._introduced = True

    async def _check(self, repository: Repository) -> None:
        """Ask what the server can do for this repository. Raises RefusedError."""

        async def take(response: aiohttp.ClientResponse) -> bytes:
            if response.content_type != protocol.ADVERTISEMENT_TYPE:
                raise DamagedError("not_git", f"an answer of type {response.content_type}")
            return await read_most(response, _MAX_ADVERTISEMENT_BYTES)

        question = self._question(
            repository,
            f"info/refs?service={protocol.SERVICE}",
            headers=dict([protocol.VERSION_HEADER]),
        )
        body = _refused_or(await self._host.ask(question, take))
        refused = protocol.read_advertisement(body).why_not()
        if refused is not None:
            raise refused

    def _question(self, repository: Repository, path: str, **how: object) -> Question:
        url = f"{repository_address(self._git_url, repository.name)}/{path}"
        return Question(
            Hop(url, with_token=self._with_token),
            resources=("git", "git"),
            repository=repository.id,
            authorize=_basic,
            **how,  # type: ignore[arg-type]
        )


def _refused_or(answer: T | Answer) -> T:
    if not isinstance(answer, Answer):
        return answer
    if may_pass(answer.status):
        raise PassingError(f"http_{answer.status}")
    raise DamagedError(f"http_{answer.status}", "no git repository there")


def _basic(token: str) -> str:
    """As git hosts take a token (GitHub documentation, "Authenticating as an installation")."""
    return "Basic " + base64.b64encode(f"x-access-token:{token}".encode()).decode()
