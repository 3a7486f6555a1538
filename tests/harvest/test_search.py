from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harvest.search
import harvest.windows
from corpus.events import Report, silent
from harvest.api import Page
from harvest.certificate import certificate
from harvest.database import writing
from harvest.frontier import Frontier
from harvest.loopback.catalog import memory_catalog
from harvest.loopback.server import serve_in_thread
from harvest.search import Search
from harvest.selection import Found, Judge, Rules
from harvest.windows import Window

CAP, PAGE = 12, 4
WHOLE = Window(0, 2**16)


class KilledError(Exception):
    """The run ends here."""


@dataclass(frozen=True)
class Known:
    created: int
    stars: int = 1
    size_kb: int = 1


Fault = Literal["none", "short", "twice", "more", "incomplete", "killed"]


class FakeApi:
    """GitHub's search over a catalog, with its cap and its pages, and with faults by request."""

    def __init__(self, catalog: Mapping[int, Known], faults: Mapping[int, Fault] = {}) -> None:
        self.catalog = catalog
        self.faults = faults
        self.asked = 0
        self.always: Fault = "none"
        self.at_once = self.most_at_once = 0

    async def search(self, query: str, page: int) -> Page:
        self.asked += 1
        fault = self.faults.get(self.asked, self.always)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if fault == "killed":
            raise KilledError
        assert page < CAP // PAGE, "page past the cap: 422"
        matching = self.matching(query)
        shown = matching[: max(0, len(matching) - (fault == "short"))]
        ids = shown[page * PAGE : (page + 1) * PAGE]
        if fault == "twice" and ids:
            ids[-1] = ids[0]
        total = len(matching) + (fault == "more")
        return Page(tuple(map(self.found, ids)), total, incomplete=fault == "incomplete")

    def matching(self, query: str) -> list[int]:
        bounds = re.search(r"created:(\S+)\.\.(\S+)", query)
        assert bounds is not None
        start, stop = (datetime.fromisoformat(text).timestamp() for text in bounds.groups())
        return [
            each
            for each, known in sorted(self.catalog.items())
            if start <= known.created <= stop
            and inside(query, "stars", known.stars)
            and inside(query, "size", known.size_kb)
        ]

    def found(self, number: int) -> Found:
        known = self.catalog[number]
        return Found(
            id=number,
            node_id=f"R_{number}",
            name=f"o/n{number}",
            stars=known.stars,
            fork=False,
            size_kb=known.size_kb,
        )


class LyingApi(FakeApi):
    """Counts thousands everywhere, and shows the same few."""

    def matching(self, query: str) -> list[int]:
        return sorted(self.catalog) * 1000


def inside(query: str, name: str, value: int) -> bool:
    ranges = re.findall(rf"\b{name}:(?:>=(\d+)|(\d+)\.\.(\d+))", query)
    assert len(ranges) <= 1, "two ranges of one qualifier"
    return all(
        value >= int(least) if least else int(low) <= value <= int(high)
        for least, low, high in ranges
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


def run(
    api: Any,
    frontier: Frontier,
    enough: int | None = None,
    report: Report = silent,
    rules: Rules | None = None,
    whole: Window = WHOLE,
) -> None:
    search = Search(
        api,
        frontier,
        query="language:Python",
        judge=Judge(rules or Rules()),
        enough=enough,
        at_once=4,
        report=report,
    )
    asyncio.run(search.run(whole))


def found_ids(frontier: Frontier) -> set[int]:
    frontier.want(None)
    return {each.id for each in frontier.wanted(-1, 10_000)}


# Some crowd into the same second, and some of these have the same stars.
catalogs = st.dictionaries(
    st.integers(1, 10**6),
    st.builds(
        Known,
        created=st.integers(0, 2**16) | st.sampled_from([5, 6]),
        stars=st.integers(0, 3) | st.integers(0, 10**5),
        size_kb=st.integers(0, 10**6),
    ),
    max_size=70,
)
transient: st.SearchStrategy[Fault] = st.sampled_from(
    ["none", "short", "twice", "more", "incomplete", "killed"]
)


@settings(max_examples=60, deadline=None)
@given(catalogs, st.dictionaries(st.integers(1, 60), transient, max_size=8))
def test_the_catalog_is_found_exactly_or_what_is_not_closed_is_named(
    catalog: dict[int, Known], faults: dict[int, Fault]
) -> None:
    api = FakeApi(catalog, faults)
    with TemporaryDirectory() as folder, small_cap():
        for _ in range(len(faults) + 1):
            with frontier_at(Path(folder) / "frontier.sqlite") as frontier:
                try:
                    run(api, frontier)
                except KilledError:
                    continue
                break
        with frontier_at(Path(folder) / "frontier.sqlite") as frontier:
            missing = set(catalog) - found_ids(frontier)
            windows = frontier.coverage()
            shown = certificate(frontier)
    assert api.asked < 3_000
    closed = [reading.window for reading, state in windows if state == "closed"]
    for each in catalog:
        holding = [r.window for r, _ in windows if holds(r.window, catalog[each])]
        assert len(holding) == 1, "each repository is in exactly one window"
        if each in missing:
            assert holding[0] not in closed, "closed, and yet it was missed"
    assert len(shown["not_closed"]) == len(windows) - len(closed)


@settings(max_examples=30, deadline=None)
@given(catalogs)
def test_without_faults_everything_is_closed(catalog: dict[int, Known]) -> None:
    api = FakeApi(distinct(catalog))
    with (
        TemporaryDirectory() as folder,
        small_cap(),
        frontier_at(Path(folder) / "frontier.sqlite") as frontier,
    ):
        run(api, frontier)
        assert found_ids(frontier) == set(catalog)
        assert {state for _, state in frontier.coverage()} == {"closed"}


def distinct(catalog: Mapping[int, Known]) -> dict[int, Known]:
    """No two alike in all three axes, so that every window can be closed."""
    return {
        each: replace(known, size_kb=place) for place, (each, known) in enumerate(catalog.items())
    }


def holds(window: Window, known: Known) -> bool:
    return (
        window.start <= known.created <= window.stop
        and window.min_stars <= known.stars <= window.max_stars
        and window.min_size_kb <= known.size_kb <= window.max_size_kb
    )


def test_a_killed_page_is_asked_for_again_and_no_other(tmp_path: Path) -> None:
    api = FakeApi({number: Known(5) for number in range(1, 11)}, {3: "killed"})
    with small_cap(), frontier_at(tmp_path / "frontier.sqlite") as frontier:
        with pytest.raises(KilledError):
            run(api, frontier)
        run(api, frontier)
        assert frontier.found() == 10
    assert api.asked == 4  # three pages, the last of them twice


def test_several_windows_are_read_at_once(tmp_path: Path) -> None:
    api = FakeApi({number: Known(number * 600) for number in range(1, 100)})
    with small_cap(), frontier_at(tmp_path / "frontier.sqlite") as frontier:
        run(api, frontier)
        assert frontier.found() == 99
    assert api.most_at_once == 4


def test_a_crowded_second_is_split_by_stars_and_by_size(tmp_path: Path) -> None:
    catalog = {n: Known(77, stars=n if n < 20 else 50, size_kb=n) for n in range(1, 50)}
    api = FakeApi(catalog)
    with small_cap(), frontier_at(tmp_path / "frontier.sqlite") as frontier:
        run(api, frontier, whole=Window(0, 2**16, min_stars=1, max_stars=10**5))
        assert found_ids(frontier) == set(catalog)
        assert {state for _, state in frontier.coverage()} == {"closed"}


def test_what_can_not_be_told_apart_ends_as_capped(tmp_path: Path, log: Any) -> None:
    api = FakeApi({number: Known(77) for number in range(1, 40)})
    with small_cap(), frontier_at(tmp_path / "frontier.sqlite") as frontier:
        run(api, frontier, report=log)
        states = sorted(state for _, state in frontier.coverage())
        [capped] = certificate(frontier)["not_closed"]
        assert frontier.found() == CAP
    assert states.count("capped") == 1
    assert set(states) == {"capped", "closed"}
    assert any("capped: 12 of 39" in line for line in log.lines)
    assert (capped["stars"], capped["size_kb"]) == ([1, 1], [1, 1])
    assert (capped["total"], capped["seen"]) == (39, CAP)
    assert api.asked < 400


@pytest.mark.parametrize("always", ["short", "incomplete", "more"])
def test_a_search_that_never_completes_ends_as_short(tmp_path: Path, always: Fault) -> None:
    api = FakeApi({number: Known(number * 100) for number in range(1, 11)})
    api.always = always
    with small_cap(), frontier_at(tmp_path / "frontier.sqlite") as frontier:
        run(api, frontier)
        states = {state for _, state in frontier.coverage()}
    assert "short" in states
    assert api.asked < 200


class UnsettledApi(FakeApi):
    """Equals in the order of stars come in another order for every page."""

    def __init__(self, catalog: Mapping[int, Known]) -> None:
        super().__init__(catalog)
        self.draw = random.Random(1)

    def matching(self, query: str) -> list[int]:
        found = super().matching(query)
        self.draw.shuffle(found)
        return found


def test_pages_that_repeat_some_and_lack_others_are_read_until_all_were_seen(
    tmp_path: Path,
) -> None:
    api = UnsettledApi({number: Known(number * 100) for number in range(1, 200)})
    with small_cap(), frontier_at(tmp_path / "frontier.sqlite") as frontier:
        run(api, frontier)
        assert frontier.found() == 199
        assert {state for _, state in frontier.coverage()} == {"closed"}
    assert api.asked < 400


def test_a_server_that_counts_what_it_never_shows_comes_to_an_end(tmp_path: Path, log: Any) -> None:
    api = LyingApi({number: Known(number) for number in range(1, 9)})
    with small_cap(), frontier_at(tmp_path / "frontier.sqlite") as frontier:
        run(api, frontier, report=log)
        named = certificate(frontier)["not_closed"]
        assert frontier.found() == 8
    assert {each["state"] for each in named} == {"capped"}
    assert api.asked < 10_000
    assert any("the manifest names them" in line for line in log.lines)


def test_enough_is_enough(tmp_path: Path) -> None:
    api = FakeApi({number: Known(number) for number in range(1, 500)})
    with small_cap(), frontier_at(tmp_path / "frontier.sqlite") as frontier:
        run(api, frontier, enough=6)
        assert frontier.found() == 8
    assert api.asked == 2


def test_first_pages_are_not_enough_where_a_rule_may_still_reject(tmp_path: Path) -> None:
    api = FakeApi({number: Known(number) for number in range(1, 30)})
    rules = Rules(min_python_bytes=1)
    with small_cap(), frontier_at(tmp_path / "frontier.sqlite") as frontier:
        run(api, frontier, enough=6, rules=rules)
        assert frontier.found() == 29


def test_more_than_a_thousand_from_a_server_with_the_real_cap(
    make_bench: Callable[[Any], Any],
) -> None:
    names = [f"o/n{number}" for number in range(1100)]
    start = datetime(2015, 1, 1, tzinfo=UTC)
    facts = {
        name: {"created_at": start + timedelta(hours=5 * number), "empty": number > 0}
        for number, name in enumerate(names)
    }
    contents = {name: {"a.py": b"a"} for name in names}
    with serve_in_thread(memory_catalog(contents, facts), limits=None) as github:
        bench = make_bench(github)
        manifest = bench.harvest()
    assert manifest.counts["repositories_found"] == 1100
    assert manifest.counts["repositories_empty_no_commits"] == 1099
    assert set(manifest.facts["coverage"]["windows"]) == {"closed"}
    assert github.requests["search", 200] >= 13
    assert github.requests["graphql", 200] == 11
