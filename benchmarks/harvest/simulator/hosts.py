"""The fetch, as traffic: each planned repository by its planned way, through the real leases.

No content is made up: a repository is so many requests and bytes on a line that all share. How
many of a repository's blobs are known already is drawn for each; forks bring hardly anything new.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from benchmarks.harvest.simulator.api import languages_at
from benchmarks.harvest.simulator.github import Answered, GitHub
from benchmarks.harvest.simulator.world import World
from harvest.plan import Assumptions
from harvest.policy import Answer
from harvest.scheduler import Scheduler
from harvest.transport import plan_transport

_FORK_KNOWN = 0.97
_OK = Answer(200)


@dataclass(slots=True)
class Traffic:
    """What went over the line."""

    requests: Counter[str] = field(default_factory=Counter)
    wire_bytes: float = 0.0
    python_bytes: int = 0  # of all repositories, whether or not they were known
    archives: int = 0


class Line:
    """One line to the world: whoever sends waits for those before."""

    def __init__(self, bytes_per_s: float) -> None:
        self._bytes_per_s, self._free_at = bytes_per_s, 0.0

    async def carry(self, size: float) -> None:
        """Wait until so many bytes are through."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(now, self._free_at) + size / self._bytes_per_s
        await asyncio.sleep(self._free_at - now)


class Fetching:
    """Fetches repositories of the world, `at_once` side by side."""

    def __init__(
        self, world: World, github: GitHub, scheduler: Scheduler, assumed: Assumptions, seed: int
    ) -> None:
        self._world, self._github, self._scheduler = world, github, scheduler
        self._assumed, self._random = assumed, random.Random(seed)
        self._line = Line(assumed.line_bytes_per_s)
        # So that all together, forks too, are as assumed.
        self._new = 1 - assumed.known_share
        self.traffic = Traffic()

    async def run(self, ids: Iterable[int], *, at_once: int) -> None:
        """All of them."""
        places = self._places(ids)

        async def worker() -> None:
            for place in places:
                await self._fetch(place)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(at_once):
                tasks.create_task(worker())

    def _places(self, ids: Iterable[int]) -> Iterator[int]:
        for number in ids:
            place = self._world.place(number)
            assert place is not None
            yield place

    async def _fetch(self, place: int) -> None:
        world, traffic = self._world, self.traffic
        python = int(world.python[place])
        disk = int(world.size_kb[place]) * 1024
        traffic.python_bytes += python
        if plan_transport("auto", languages_at(world, place), disk) == "blobs":
            await self._blobs(int(world.ids[place]), python * self._new_share(place))
        else:
            await self._archive(python)

    def _new_share(self, place: int) -> float:
        if self._world.fork[place]:
            return 1 - _FORK_KNOWN
        return self._random.betavariate(2 * self._new, 2 * (1 - self._new))

    async def _blobs(self, repository: int, new_bytes: float) -> None:
        assumed = self._assumed
        size = new_bytes * assumed.blobs_wire_per_byte + assumed.tree_wire_bytes
        async with self._scheduler.lease("git", repository=repository) as lease:
            seconds = assumed.git_request_s * self._random.uniform(0.5, 1.5)
            await asyncio.sleep(assumed.blobs_requests * seconds)
            await self._line.carry(size)
            lease.answered(200, {})
        self.traffic.requests["git"] += assumed.blobs_requests
        self.traffic.wire_bytes += size

    async def _archive(self, python: int) -> None:
        assumed = self._assumed
        size = python * assumed.archive_wire_per_byte
        limited = True
        while limited:
            async with self._scheduler.lease("core") as lease:
                came = await self._github.exchange(
                    str(lease.token), "core", 0.1, lambda: Answered(_OK)
                )
                answer = came.answer
                limited = lease.answered(answer.status, answer.headers, answer.message)
        async with self._scheduler.lease("codeload") as lease:
            await asyncio.sleep(assumed.git_request_s * self._random.uniform(0.5, 1.5))
            await self._line.carry(size)
            lease.answered(200, {})
        self.traffic.requests["codeload"] += 1
        self.traffic.requests["core"] += 1
        self.traffic.archives += 1
        self.traffic.wire_bytes += size
