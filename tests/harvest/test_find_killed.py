"""A process that ends without a word at any write of enumerating, asking and planning.

The child is forked and leaves by `os._exit` in the middle of a transaction or right after it, as
`kill -9` would have it; then the parent goes on, and must end with the same frontier as a run that
nobody disturbed.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import harvest.windows
from corpus.events import silent
from harvest.api import Listed, Page
from harvest.database import writing
from harvest.frontier import Frontier
from harvest.frontier.table import Table
from harvest.loopback.catalog import memory_catalog
from harvest.loopback.graphql import run_query
from harvest.loopback.graphql_schema import Context
from harvest.loopback.index import Index
from harvest.loopback.repository import Repository
from harvest.loopback.search import ordered, parse_query
from harvest.recipe import HarvestRecipe
from harvest.run import find
from harvest.scheduler import Clock
from harvest.selection import Found, OptOut

CAP, PAGE = 8, 3
FILES = {
    f"o{number % 3}/n{number}": {"a.py": b"1"} if number % 4 else {"a.c": b"1", "b.md": b""}
    for number in range(24)
}
FACTS: dict[str, dict[str, Any]] = {
    name: {"stars": number % 7, "fork": number == 5, "empty": number == 6}
    for number, name in enumerate(FILES)
}


class InProcess:
    """Loopback's answers without HTTP, so that a forked child can ask."""

    def __init__(self) -> None:
        self._index = Index(memory_catalog(FILES, FACTS))

    async def search(self, query: str, page: int) -> Page:
        await asyncio.sleep(0)
        asked = parse_query(query)
        found = ordered([each for each in self._index.all if asked.matches(each)], "stars", "desc")
        assert page * PAGE < CAP
        shown = found[:CAP][page * PAGE : (page + 1) * PAGE]
        return Page(tuple(map(_found, shown)), len(found), False)

    async def repositories_since(self, number: int) -> Sequence[Listed]:
        await asyncio.sleep(0)
        page = self._index.after(number, PAGE)
        return [Listed(each.id, each.node_id, each.full_name, each.fork) for each in page]

    async def graphql(self, query: str, variables: Mapping[str, Any]) -> Any:
        await asyncio.sleep(0)
        context = Context(index=self._index, web="http://x", login="ada", standing=None)
        return run_query(query, variables, None, context)


def _found(each: Repository) -> Found:
    return Found(
        id=each.id,
        node_id=each.node_id,
        name=each.full_name,
        stars=each.stars,
        fork=each.fork,
        archived=each.archived,
        size_kb=each.size_kb,
        created_at=each.created_at.isoformat(),
        pushed_at=each.pushed_at.isoformat(),
    )


@pytest.fixture
def recipe(tmp_path: Path) -> HarvestRecipe:
    """All sources at once."""
    hours = tmp_path / "hours"
    hours.mkdir()
    numbers = [each.id for each in memory_catalog(FILES, FACTS).repositories()]
    for hour in range(3):
        lines = [
            json.dumps({"repo": {"id": number, "name": "was/called"}})
            for number in (numbers[hour], 77)
        ]
        (hours / f"2015-01-01-{hour}.json.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join([*list(FILES)[:5], "no/more", str(numbers[9])]))
    return HarvestRecipe(
        sources=("search", "ids", "gharchive", "list"),
        language=None,
        min_python_bytes=1,
        gharchive=str(hours),
        gharchive_from="2015-01-01-0",
        gharchive_until="2015-01-01-3",
        list_file=listed,
        repositories_per_shard=5,
        concurrency=3,
        created_until="2030-01-01",
    )


@contextmanager
def small_pages() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("SEARCH_CAP", CAP), ("PAGE_SIZE", PAGE)):
            patch.setattr(harvest.windows, name, value)
        patch.setattr(harvest.search, "SEARCH_CAP", CAP)
        patch.setattr("harvest.batches.MAX_BATCH", 4)
        yield


def run(recipe: HarvestRecipe, path: Path) -> None:
    with writing(path) as database:
        frontier = Frontier(path, database)
        if frontier.note("until") is None:
            frontier.begin(recipe.selection | {"list_file": "", "gharchive": ""}, until=2**31)
        asyncio.run(
            find(
                recipe,
                frontier,
                InProcess(),  # type: ignore[arg-type]
                OptOut(frozenset({"o1"})),
                by_graphql=True,
                clock=Clock(),
                report=silent,
            )
        )


def run_and_die(recipe: HarvestRecipe, path: Path, *, write: int, committed: bool) -> bool:
    """Run in a child that ends at its `write`-th transaction; whether it came that far."""
    child = os.fork()
    if not child:
        status = 1
        try:
            with dying(write, committed=committed):
                run(recipe, path)
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9), "the child failed before its end"
    return status == 9


@contextmanager
def dying(write: int, *, committed: bool) -> Iterator[None]:
    together, writes = Table.together, 0

    @contextmanager
    def counted(self: Table) -> Iterator[None]:
        nonlocal writes
        outermost = not self._depth
        with together(self):
            yield
            if outermost:
                writes += 1
            if outermost and writes == write and not committed:
                os._exit(9)
        if outermost and writes == write:
            os._exit(9)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Table, "together", counted)
        yield


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All that the frontier holds; counters that have come back to zero are none."""
    tables = {
        "repositories": "1",
        "windows": "1",
        "parts": "1",
        "run": "1",
        "counters": "n != 0",
    }
    with writing(path) as database:
        return {
            table: sorted(
                map(tuple, database.execute(f"SELECT * FROM {table} WHERE {those}")), key=repr
            )
            for table, those in tables.items()
        }


def check(recipe: HarvestRecipe, folder: Path, writes: Sequence[int]) -> None:
    with small_pages():
        run(recipe, folder / "expected.sqlite")
        expected = contents(folder / "expected.sqlite")
        assert len(expected["repositories"]) == 25
        for write in writes:
            for committed in (False, True):
                path = folder / f"{write}-{committed}.sqlite"
                if not run_and_die(recipe, path, write=write, committed=committed):
                    return
                # Killed once more, on the way from there.
                run_and_die(recipe, path, write=1 + write // 2, committed=not committed)
                run(recipe, path)
                assert contents(path) == expected, (write, committed)


def test_killed_at_some_writes(recipe: HarvestRecipe, tmp_path: Path) -> None:
    check(recipe, tmp_path, [1, 2, 9, 23, 40, 58, 77])


@pytest.mark.slow
def test_killed_at_every_write(recipe: HarvestRecipe, tmp_path: Path) -> None:
    check(recipe, tmp_path, range(1, 10_000))
