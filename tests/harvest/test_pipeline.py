"""The order of work, with a frontier and a fetcher of the test's own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from corpus.events import silent
from corpus.schema import git_blob_id
from corpus.shards import open_shard, read_rows
from harvest.archive import Limits
from harvest.assemble import shard_path
from harvest.download import fetched
from harvest.frontier import Outcome, Repository
from harvest.known import KnownBlobs
from harvest.listing import ListedFile, Listing
from harvest.pipeline import MAX_SHARDS_AHEAD, Jobs, Pipeline, Shelf
from harvest.spool import BlobWriter, spool_path, write_listing

LIMITS = Limits(max_file_bytes=99, max_archive_bytes=9_999, max_archive_members=9)


def content(number: int) -> bytes:
    return b"value = %d\n" % number


def blob(number: int) -> bytes:
    return bytes.fromhex(git_blob_id(content(number)))


class Plan:
    """So many shards of two repositories each, in memory."""

    def __init__(self, shards: int) -> None:
        self.rows = {
            number: Repository(
                id=number, node_id="", name=f"a/{number}", stars=0, fork=False, license=None,
                pushed_at=None, shard=number // 2, commit="c" * 40, languages=None,
                state="pending",
            )
            for number in range(shards * 2)
        }  # fmt: skip
        self.finished: list[int] = []

    def unwritten(self) -> list[int]:
        return sorted({each.shard for each in self.rows.values()})

    def members(self, shard: int) -> list[Repository]:
        return [each for each in self.rows.values() if each.shard == shard]

    def planned(self) -> int:
        return len(self.rows)

    def unsettled(self, shard: int) -> int:
        return len(self.members(shard))

    def totals(self) -> tuple[int, int]:
        return 0, 0

    def settle(self, repository: int, outcome: Outcome) -> None:
        self.rows[repository] = replace(
            self.rows[repository], state=outcome.state, rows=outcome.rows
        )

    def finish_shard(self, shard: int, **_: Any) -> None:
        self.finished.append(shard)


class Hand:
    """Lists and fills without a network; `log` keeps the order."""

    def __init__(self, spools: Path, files: Callable[[int], list[int]]) -> None:
        self.log: list[tuple[str, int]] = []
        self._spools, self._files = spools, files

    async def begin(self, repository: Repository) -> Listing | Outcome:
        self.log.append(("begin", repository.id))
        files = tuple(
            ListedFile(f"{place}.py", blob(number))
            for place, number in enumerate(self._files(repository.id))
        )
        listing = Listing("c" * 40, "blobs", 0, files, Counter())
        write_listing(spool_path(self._spools, repository.id), listing)
        return listing

    async def fill(self, repository: Repository, listing: Listing, wants: list[bytes]) -> Outcome:
        self.log.append(("fill", repository.id))
        with BlobWriter(self._spools, repository.id) as writer:
            for number in self._files(repository.id):
                if blob(number) in wants:
                    writer.add(content(number))
            writer.commit()
        return fetched(listing, python_bytes=0)


async def run(plan: Plan, hand: Any, root: Path, *, workers: int) -> None:
    shelf = Shelf(root / "raw", root / "spools", KnownBlobs.open(root / "known"), LIMITS)
    pipeline = Pipeline(plan, hand, shelf, silent)  # type: ignore[arg-type]
    await asyncio.wait_for(pipeline.run(workers), timeout=30)


def paths(root: Path, shard: int) -> list[tuple[int, str]]:
    rows = read_rows(open_shard(shard_path(root / "raw", shard)))
    return list(zip(rows["repo_id"].to_pylist(), rows["path"].to_pylist(), strict=True))


async def test_trees_of_the_next_shard_come_while_blobs_of_this_one_do(tmp_path: Path) -> None:
    next_began = asyncio.Event()

    class Waiting(Hand):
        async def begin(self, repository: Repository) -> Listing | Outcome:
            if repository.shard == 1:
                next_began.set()
            return await super().begin(repository)

        async def fill(self, repository: Repository, *how: Any) -> Outcome:
            await next_began.wait()  # for ever, if shards came one after the other
            return await super().fill(repository, *how)

    plan = Plan(2)
    await run(plan, Waiting(tmp_path / "spools", lambda n: [n]), tmp_path, workers=3)
    assert plan.finished == [0, 1]


async def test_only_so_many_shards_are_on_their_way(tmp_path: Path) -> None:
    plan, most = Plan(12), 0

    class Watching(Hand):
        async def begin(self, repository: Repository) -> Listing | Outcome:
            nonlocal most
            most = max(most, repository.shard - len(plan.finished) + 1)
            return await super().begin(repository)

    await run(plan, Watching(tmp_path / "spools", lambda n: [n]), tmp_path, workers=30)
    assert plan.finished == list(range(12))
    assert most == MAX_SHARDS_AHEAD


async def test_shards_count_on_those_before_them_before_they_are_written(tmp_path: Path) -> None:
    """The second shard's files are all in the first one, the third's in the second."""
    plan, hand = Plan(3), Hand(tmp_path / "spools", lambda n: [n // 3, n // 3 + 1])
    await run(plan, hand, tmp_path, workers=4)
    filled = [number for what, number in hand.log if what == "fill"]
    assert sorted(filled) == [0, 3]
    assert paths(tmp_path, 0) == [(0, "0.py"), (0, "1.py")]
    assert paths(tmp_path, 1) == [(3, "1.py")]
    assert paths(tmp_path, 2) == []
    assert {each.state for each in plan.rows.values()} == {"fetched"}
    assert not list((tmp_path / "spools").iterdir())


async def test_what_is_lost_ends_its_shard_without_it(tmp_path: Path) -> None:
    class Losing(Hand):
        async def fill(self, repository: Repository, *how: Any) -> Outcome:
            if repository.id == 0:
                return Outcome(state="gone", reason="not_found")
            return await super().fill(repository, *how)

    plan = Plan(1)
    await run(plan, Losing(tmp_path / "spools", lambda n: [7]), tmp_path, workers=2)
    assert paths(tmp_path, 0) == [(1, "0.py")]
    assert [each.state for each in plan.rows.values()] == ["gone", "fetched"]


async def test_jobs_of_earlier_shards_go_first() -> None:
    jobs, done = Jobs(), []

    async def work(name: str) -> str:
        done.append(name)
        return name

    waiting = [
        jobs.put(shard, lambda name=f"{shard}{letter}": work(name))
        for shard, letter in ((2, "a"), (0, "a"), (1, "a"), (0, "b"))
    ]
    worker = asyncio.create_task(jobs.work())
    assert await asyncio.gather(*waiting) == ["2a", "0a", "1a", "0b"]
    assert done == ["0a", "0b", "1a", "2a"]
    worker.cancel()


async def test_the_first_error_ends_it(tmp_path: Path) -> None:
    class Failing(Hand):
        async def begin(self, repository: Repository) -> Listing | Outcome:
            raise ValueError("the disk is on fire")

    with pytest.raises(BaseExceptionGroup) as caught:
        await run(Plan(3), Failing(tmp_path, lambda n: [n]), tmp_path, workers=3)
    assert caught.group_contains(ValueError, match="on fire")
