"""Fetch every pending repository side by side, and write each shard when its last one is in."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from corpus.events import Progress, Report
from harvest.api import is_local
from harvest.archive import KEPT, Limits
from harvest.assemble import Finished, assemble, drop_spools, finish
from harvest.download import Downloader
from harvest.frontier import Frontier, Outcome, Repository
from harvest.recipe import HarvestRecipe
from harvest.scheduler import Scheduler
from harvest.threads import outlast

_READ_BUFFER_BYTES = 1 << 18


async def fetch_all(
    recipe: HarvestRecipe,
    raw: Path,
    spools: Path,
    frontier: Frontier,
    api_url: str,
    scheduler: Scheduler,
    report: Report,
) -> None:
    """Bring the frontier's pending repositories into shards.

    Raises HarvestError and its kinds, FileError, DiskFullError; what is done stays done.
    """
    limits = Limits(
        max_file_bytes=recipe.max_file_bytes,
        max_license_bytes=recipe.max_license_bytes if recipe.keep_license_files else None,
        max_archive_bytes=recipe.max_archive_bytes,
        max_archive_members=recipe.max_archive_members,
    )

    async def run() -> None:
        # The threads decompress and write; more of them than cores gain little.
        with ThreadPoolExecutor(max_workers=min(8, recipe.concurrency)) as executor:
            async with _session(recipe, api_url) as session:
                downloader = Downloader(
                    session,
                    executor,
                    scheduler,
                    api_url=api_url,
                    spools=spools,
                    limits=limits,
                    retries=recipe.retries,
                )
                await Pipeline(frontier, downloader, raw, spools, report).run(recipe.concurrency)

    if not frontier.unwritten():
        return
    try:
        await run()
    except BaseExceptionGroup as group:
        # Tasks fail together when the disk is full or the network gone: one line says it.
        raise _first(group) from None
    if spools.is_dir() and not any(spools.iterdir()):
        spools.rmdir()


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _session(recipe: HarvestRecipe, api_url: str) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(
        total=None,  # a large archive takes as long as it takes, while bytes keep coming
        sock_connect=recipe.connect_timeout_s,
        sock_read=recipe.read_timeout_s,
    )
    return aiohttp.ClientSession(
        timeout=timeout,
        connector=aiohttp.TCPConnector(limit=recipe.concurrency),
        # An archive is compressed itself; another layer would only hide what it is.
        auto_decompress=False,
        read_bufsize=_READ_BUFFER_BYTES,
        # A proxy from the environment leads to the world, never to this machine.
        trust_env=not is_local(urlsplit(api_url).hostname or ""),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


class Pipeline:
    """Workers fetch in the order of the plan; one writer turns complete shards into files."""

    def __init__(
        self, frontier: Frontier, downloader: Downloader, raw: Path, spools: Path, report: Report
    ) -> None:
        self._frontier, self._downloader = frontier, downloader
        self._raw, self._spools, self._report = raw, spools, report
        self._total = frontier.planned()
        self._missing = Counter(
            {shard: frontier.unsettled(shard) for shard in frontier.unwritten()}
        )
        self._complete: asyncio.Queue[int] = asyncio.Queue()
        self._left = len(self._missing)
        self._files, self._bytes = frontier.totals()

    async def run(self, workers: int) -> None:
        """Until every planned shard is written."""
        for shard, missing in self._missing.items():
            if not missing:
                self._complete.put_nowait(shard)
        work = self._work()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write())
            for _ in range(workers):
                tasks.create_task(self._fetch(work))

    def _work(self) -> Iterator[Repository]:
        for shard in self._frontier.unwritten():
            yield from self._frontier.pending(shard)

    async def _fetch(self, work: Iterator[Repository]) -> None:
        for repository in work:
            outcome = await self._downloader.fetch(repository)
            self._settle(repository, outcome)

    def _settle(self, repository: Repository, outcome: Outcome) -> None:
        self._frontier.settle(repository.id, outcome)
        self._missing[repository.shard] -= 1
        if not self._missing[repository.shard]:
            self._complete.put_nowait(repository.shard)
        self._files += outcome.counts.get(KEPT, 0)
        self._bytes += outcome.bytes
        detail = f"{self._files} files, {self._bytes / 1e6:.0f} MB"
        done = self._total - self._missing.total()
        self._report(Progress("fetch", done, self._total, "repositories", detail))

    async def _write(self) -> None:
        while self._left:
            shard = await self._complete.get()
            members = self._frontier.members(shard)
            finished = await self._in_thread(shard, members)
            finish(self._frontier, shard, finished)
            drop_spools(self._spools, finished.outcomes)
            self._left -= 1

    async def _in_thread(self, shard: int, members: list[Repository]) -> Finished:
        work = asyncio.to_thread(assemble, self._raw, self._spools, shard, members)
        return await outlast(asyncio.ensure_future(work))
