"""From a plan to shards, in order: list, bring what is missing, write; each a step ahead.

While blobs of one shard are brought the next one's trees are, and the one before is written. What
a shard holds follows from the plan and from the shards before it, whatever came first: see
`harvest.resolve`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from corpus.events import Progress, Report
from harvest.archive import KEPT, Limits
from harvest.assemble import Finished, Resolved, assemble, drop_spools, finish, shard_path
from harvest.download import fetched
from harvest.frontier import Frontier, Outcome, Repository
from harvest.known import NOWHERE, KnownBlobs
from harvest.lending import Library
from harvest.listing import Listing
from harvest.resolve import Member, resolve, wanted
from harvest.spool import drop_spool, read_listing, sizes_of, spool_path
from harvest.threads import outlast

T = TypeVar("T")
MAX_SHARDS_AHEAD = 3  # begun and not written; their spools are on disk


class Fetches(Protocol):
    """How repositories are brought; see `harvest.fetch.Fetcher`."""

    async def begin(self, repository: Repository) -> Listing | Outcome:
        """Its listing, to be filled, or what became of it."""
        ...

    async def fill(self, repository: Repository, listing: Listing, wants: list[bytes]) -> Outcome:
        """Bring blobs of a listing."""
        ...


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where shards, spools and the ids of stored blobs are. `known` is None where blobs repeat."""

    raw: Path
    spools: Path
    known: KnownBlobs | None
    limits: Limits

    @property
    def once(self) -> bool:
        """Whether a blob gets one row in the whole harvest."""
        return self.known is not None

    def resolve(
        self, shard: int, members: Iterable[int], staged: Sequence[Mapping[bytes, int]]
    ) -> Resolved:
        """Settle the files of these repositories. Reads and blocks."""
        read = []
        for repository in members:
            listing = read_listing(spool_path(self.spools, repository))
            read.append(Member(repository, listing, sizes_of(self.spools, repository)))
        return resolve(read, self._before(shard, read, staged), self.limits, once=self.once)

    def _before(
        self, shard: int, members: Iterable[Member], staged: Sequence[Mapping[bytes, int]]
    ) -> dict[bytes, int]:
        """The blobs of earlier shards among theirs, with their sizes."""
        if self.known is None:
            return {}
        ids = list({file.blob_id for member in members for file in member.listing.files})
        where = self.known.find(ids)
        found = zip(ids, where.shard.tolist(), where.size.tolist(), strict=True)
        # A shard that is made anew has later ones behind it, which knew it.
        before = {key: size for key, at, size in found if at != NOWHERE and at < shard}
        for each in staged:
            before |= {key: each[key] for key in ids if key in each}
        return before


@dataclass(slots=True)
class _Shard:
    """A shard on its way."""

    number: int
    members: dict[int, Repository]  # in the order of the plan
    listings: dict[int, Listing] = field(default_factory=dict)  # that are to be filled
    resolved: Resolved = field(default_factory=dict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)


class Jobs:
    """So many at once, those of earlier shards first."""

    def __init__(self) -> None:
        self._queue: asyncio.PriorityQueue[tuple[int, int, Any, asyncio.Future[Any]]] = (
            asyncio.PriorityQueue()
        )
        self._numbers = itertools.count()

    def put(self, shard: int, work: Callable[[], Coroutine[Any, Any, T]]) -> Awaitable[T]:
        """Queue some work; its result."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((shard, next(self._numbers), work, future))
        return future

    async def work(self) -> None:
        """Do what is queued, one after the other, for ever. Raises what the work raises."""
        while True:
            _, _, work, future = await self._queue.get()
            result = await work()
            if not future.cancelled():
                future.set_result(result)


class Pipeline:
    """Brings all unwritten shards of a frontier."""

    def __init__(self, frontier: Frontier, fetcher: Fetches, shelf: Shelf, report: Report) -> None:
        self._frontier, self._fetcher = frontier, fetcher
        self._shelf, self._report = shelf, report
        self._total = frontier.planned()
        self._missing = Counter(
            {shard: frontier.unsettled(shard) for shard in frontier.unwritten()}
        )
        self._files, self._bytes = frontier.totals()
        self._jobs = Jobs()
        self._library = None
        if shelf.once:
            self._library = Library(shelf.spools, partial(shard_path, shelf.raw), shelf.known)
        # Blobs of shards that are settled and not written, with their sizes.
        self._staged: dict[int, dict[bytes, int]] = {}

    async def run(self, workers: int) -> None:
        """Until every planned shard is written."""
        room = asyncio.Semaphore(MAX_SHARDS_AHEAD)
        begun: asyncio.Queue[_Shard | None] = asyncio.Queue()
        settled: asyncio.Queue[_Shard | None] = asyncio.Queue(maxsize=1)
        async with asyncio.TaskGroup() as tasks:
            crew = [tasks.create_task(self._jobs.work()) for _ in range(workers)]
            tasks.create_task(self._begin_all(tasks, room, begun))
            tasks.create_task(self._complete_all(begun, settled))
            await tasks.create_task(self._write_all(settled, room))
            for worker in crew:
                worker.cancel()

    async def _begin_all(
        self,
        tasks: asyncio.TaskGroup,
        room: asyncio.Semaphore,
        begun: asyncio.Queue[_Shard | None],
    ) -> None:
        for number in list(self._missing):
            await room.acquire()
            members = {each.id: each for each in self._frontier.members(number)}
            shard = _Shard(number, members)
            begun.put_nowait(shard)
            tasks.create_task(self._begin(shard))
        begun.put_nowait(None)

    async def _begin(self, shard: _Shard) -> None:
        """List all repositories of a shard; those that come as archives come whole."""
        pending = [each for each in shard.members.values() if each.state == "pending"]
        await asyncio.gather(
            *(
                self._jobs.put(shard.number, partial(self._begin_one, shard, each))
                for each in pending
            )
        )
        shard.ready.set()

    async def _begin_one(self, shard: _Shard, repository: Repository) -> None:
        begun = await self._fetcher.begin(repository)
        if isinstance(begun, Listing):
            shard.listings[repository.id] = begun
        else:
            self._settle(shard, repository, begun)

    async def _complete_all(
        self, begun: asyncio.Queue[_Shard | None], settled: asyncio.Queue[_Shard | None]
    ) -> None:
        while (shard := await begun.get()) is not None:
            await shard.ready.wait()
            await self._complete(shard)
            if self._shelf.once:
                # From here on later shards count on its blobs.
                self._staged[shard.number] = _stored(shard.resolved)
            await settled.put(shard)
        await settled.put(None)

    async def _complete(self, shard: _Shard) -> None:
        """Bring blobs until none is missing. Every round brings some, or loses a repository."""
        while wants := await self._resolve(shard):
            await asyncio.gather(
                *(
                    self._jobs.put(shard.number, partial(self._fill, shard, repository, ids))
                    for repository, ids in wants.items()
                )
            )
        for repository, listing in list(shard.listings.items()):
            # Nothing of it is new, or it was filled before the harvest was last stopped.
            outcome = fetched(listing, python_bytes=shard.resolved[repository].python_bytes)
            self._settle(shard, shard.members[repository], outcome)

    async def _resolve(self, shard: _Shard) -> dict[int, list[bytes]]:
        there = [
            key
            for key, each in shard.members.items()
            if each.state == "fetched" or key in shard.listings
        ]
        staged = [each for number, each in self._staged.items() if number < shard.number]
        work = partial(self._shelf.resolve, shard.number, there, staged)
        shard.resolved = await _in_thread(work)
        return wanted(shard.resolved)

    async def _fill(self, shard: _Shard, repository: int, wants: list[bytes]) -> None:
        member = shard.members[repository]
        listing = shard.listings.get(repository)
        if listing is None:
            listing = read_listing(spool_path(self._shelf.spools, repository))
        self._settle(shard, member, await self._fetcher.fill(member, listing, wants))

    def _settle(self, shard: _Shard, repository: Repository, outcome: Outcome) -> None:
        self._frontier.settle(repository.id, outcome)
        if outcome.state != "fetched":
            drop_spool(self._shelf.spools, repository.id)
        shard.listings.pop(repository.id, None)
        shard.members[repository.id] = replace(repository, state=outcome.state)
        if repository.state != "pending":
            return  # it was told already
        self._missing[shard.number] -= 1
        self._files += outcome.counts.get(KEPT, 0)
        self._bytes += outcome.bytes
        detail = f"{self._files} files, {self._bytes / 1e6:.0f} MB"
        done = self._total - self._missing.total()
        self._report(Progress("fetch", done, self._total, "repositories", detail))

    # -- writing ------------------------------------------------------------------------------

    async def _write_all(
        self, settled: asyncio.Queue[_Shard | None], room: asyncio.Semaphore
    ) -> None:
        while (shard := await settled.get()) is not None:
            await self._write(shard)
            room.release()

    async def _write(self, shard: _Shard) -> None:
        shelf, members = self._shelf, self._frontier.members(shard.number)
        work = partial(
            assemble,
            shelf.raw,
            shelf.spools,
            shard.number,
            members,
            shard.resolved,
            library=self._library,
        )
        finished = await _in_thread(work)
        finish(self._frontier, shard.number, finished)
        await _in_thread(partial(self._remember, shard, finished))
        drop_spools(shelf.spools, finished.outcomes)

    def _remember(self, shard: _Shard, finished: Finished) -> None:
        if self._shelf.known is None:
            return
        stored = _stored(shard.resolved)
        digest, ids = finished.shard.digest, list(stored)
        self._shelf.known.add(shard.number, digest, ids, list(stored.values()))
        del self._staged[shard.number]


def _stored(resolved: Resolved) -> dict[bytes, int]:
    """The blobs that need never be asked for again once the shard is written, with their sizes."""
    return {key: size for each in resolved.values() for key, size in each.stored.items()}


async def _in_thread(work: Callable[[], T]) -> T:
    return await outlast(asyncio.ensure_future(asyncio.to_thread(work)))
