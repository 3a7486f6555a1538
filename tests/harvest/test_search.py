from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harvest.search
import harvest.windows
from corpus.events import Report, silent
from harvest.api import Page
from harvest.database import writing
from harvest.frontier import Frontier
from harvest.loopback.catalog import memory_catalog
from harvest.loopback.server import serve_in_thread
from harvest.search import Search
from harvest.selection import Found, OptOut
from harvest.windows import Window

CAP, PAGE = 12, 4
WHOLE = Window(0, 2**16)


class KilledError(Exception):
    """The run ends here."""


class FakeApi:
    """GitHub's search over (id, created) pairs, with its cap and its pages."""

    def __init__(self, created: dict[int, int]) -> None:
        self.created = created
        self.asked = 0
        self.dies_at: set[int] = set()
        self.hides = 0  # so many results are missing, and it says so

    async def search(self, query: str, page: int) -> Page:
        self.asked += 1
        if self.asked in self.dies_at:
            raise KilledError
        assert page < CAP // PAGE, "page past the cap: 422"
        bounds = re.search(r"created:(\S+)\.\.(\S+)", query)
        assert bounds is not None
        start, stop = (datetime.fromisoformat(text).timestamp() for text in bounds.groups())
        matching = [each for each, when in sorted(self.created.items()) if start <= when <= stop]
        shown = matching[: max(0, len(matching) - self.hides)]
        found = tuple(map(found_of, shown[page * PAGE : (page + 1) * PAGE]))
        return Page(found, len(matching), incomplete=self.hides > 0)


def found_of(number: int) -> Found:
    return Found(
        id=number,
        node_id=f"R_{number}",
        name=f"o/n{number}",
        stars=1,
        fork=False,
        size_kb=1,
        license=None,
        pushed_at=None,
    )


@contextmanager
def small_cap() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harvest.windows, "SEARCH_CAP", CAP)
        patch.setattr(harvest.windows, "PAGE_SIZE", PAGE)
        patch.setattr(harvest.search, "SEARCH_CAP", CAP)
        yield


@contextmanager
def frontier_at(path: Path) -> Iterator[Frontier]:
    with writing(path) as database:
        yield Frontier(path, database)


def run(api: Any, frontier: Frontier, enough: int | None = None, report: Report = silent) -> None:
    search = Search(
        api, frontier, query="language:Python", opt_out=OptOut(), enough=enough, report=report
    )
    asyncio.run(search.run(WHOLE))


# Crowded enough to be split; two never share a second, so that every window can be closed.
creations = st.sets(st.integers(0, 2**16), max_size=60).map(lambda each: dict(enumerate(each, 1)))


@settings(max_examples=25)
@given(creations, st.sets(st.integers(1, 60), max_size=6))
def test_every_repository_is_found_however_often_the_run_dies(
    created: dict[int, int], dies_at: set[int]
) -> None:
    api = FakeApi(created)
    api.dies_at = dies_at
    with TemporaryDirectory() as folder, small_cap():
        for _ in range(len(dies_at) + 1):
            with frontier_at(Path(folder) / "frontier.sqlite") as frontier:
                try:
                    run(api, frontier)
                except KilledError:
                    continue
                break
        with frontier_at(Path(folder) / "frontier.sqlite") as frontier:
            assert {each for each, _, _ in frontier.candidates()} == set(created)
            states = {state for _, state in frontier.coverage()}
            windows = sorted(reading.window for reading, _ in frontier.coverage())
    assert states == {"closed"}
    assert windows[0].start == WHOLE.start
    assert windows[-1].stop == WHOLE.stop
    for before, after in pairwise(windows):
        assert before.stop + 1 == after.start


def test_a_killed_page_is_asked_for_again_and_no_other(tmp_path: Path) -> None:
    created = dict.fromkeys(range(1, 11), 5)
    api = FakeApi(created)
    api.dies_at = {3}
    with small_cap(), frontier_at(tmp_path / "frontier.sqlite") as frontier:
        with pytest.raises(KilledError):
            run(api, frontier)
        run(api, frontier)
        assert frontier.found() == 10
    assert api.asked == 4  # three pages, the last of them twice


def test_a_second_with_too_many_ends_as_capped(tmp_path: Path, log: Any) -> None:
    api = FakeApi(dict.fromkeys(range(1, 40), 77))
    with small_cap(), frontier_at(tmp_path / "frontier.sqlite") as frontier:
        run(api, frontier, report=log)
        states = sorted(state for _, state in frontier.coverage())
        assert frontier.found() == CAP
    assert states.count("capped") == 1
    assert set(states) == {"capped", "closed"}
    assert any("capped: 12 of 39" in line for line in log.lines)
    assert api.asked < 60


def test_a_search_that_never_completes_ends_as_short(tmp_path: Path) -> None:
    api = FakeApi({number: number * 100 for number in range(1, 11)})
    api.hides = 1
    with small_cap(), frontier_at(tmp_path / "frontier.sqlite") as frontier:
        run(api, frontier)
        assert {state for _, state in frontier.coverage()} == {"short"}
    assert api.asked < 100


def test_enough_is_enough(tmp_path: Path) -> None:
    api = FakeApi({number: number for number in range(1, 500)})
    with small_cap(), frontier_at(tmp_path / "frontier.sqlite") as frontier:
        run(api, frontier, enough=6)
        assert frontier.found() == 8
    assert api.asked == 2


def test_more_than_a_thousand_from_a_server_with_the_real_cap(
    make_bench: Callable[[Any], Any],
) -> None:
    names = [f"o/n{number}" for number in range(1100)]
    start = datetime(2015, 1, 1, tzinfo=UTC)
    facts = {
        name: {"created_at": start + timedelta(hours=5 * number), "empty": True}
        for number, name in enumerate(names)
    }
    contents = {name: {"a.py": b"a"} for name in names}
    with serve_in_thread(memory_catalog(contents, facts), limits=None) as github:
        bench = make_bench(github)
        manifest = bench.harvest()
    assert manifest.counts["repositories_found"] == 1100
    assert manifest.counts["repositories_empty_no_commits"] == 1100
    assert set(manifest.facts["coverage"]["windows"]) == {"closed"}
    assert github.requests["search", 200] >= 13
    assert github.requests["graphql", 200] == 11
