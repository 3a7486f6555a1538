from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import FileError
from harvest.database import reading, writing
from harvest.frontier import SOURCES, Details, Frontier, Outcome, Part
from harvest.frontier.records import source_bits, source_names
from harvest.selection import Found, Judge, Judged, OptOut, Rules
from harvest.windows import ANY, Reading, Window, split


@contextmanager
def fresh() -> Iterator[Frontier]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "frontier.sqlite"
        with writing(path) as database:
            yield Frontier(path, database)


def found(number: int, **facts: Any) -> Found:
    return Found(id=number, node_id=f"R_{number}", name=facts.pop("name", f"o/n{number}"), **facts)


def listed(*numbers: int) -> list[Judged]:
    return [Judged(found(number, stars=number)) for number in numbers]


def details(number: int, **facts: Any) -> Details:
    return Details(
        id=number, name=f"o/n{number}", commit="c" * 40, languages={"Python": number}, **facts
    )


numbers = st.sets(st.integers(1, 12), max_size=5)
steps = st.one_of(
    st.tuples(st.just("add"), numbers, st.sampled_from(SOURCES)),
    st.tuples(st.just("reject"), numbers, st.sampled_from(["fork", "license"])),
    st.tuples(st.just("want"), st.none() | st.integers(0, 4)),
    st.tuples(st.just("details"), numbers),
    st.tuples(st.just("settle"), numbers, st.sampled_from(["gone", "failed", "done"])),
    st.tuples(st.just("plan"), numbers),
    st.tuples(st.just("retry")),
)


def take(frontier: Frontier, step: Sequence[Any]) -> None:
    match step:
        case ["add", ids, source]:
            frontier.add_found(listed(*ids), source)
        case ["reject", ids, reason]:
            judged = [replace(each, state="rejected", reason=reason) for each in listed(*ids)]
            frontier.add_found(judged, "ids")
        case ["want", limit]:
            frontier.want(limit)
        case ["details", ids]:
            frontier.keep_details([details(each) for each in ids])
        case ["settle", ids, state]:
            for each in ids:
                frontier.settle(each, Outcome(state=state, reason=f"by_{state}"))
        case ["plan", ids]:
            frontier.keep_plan([sorted(ids)])
        case ["retry"]:
            frontier.retry_failed()


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=12))
def test_counters_are_what_counting_would_say(sequence: list[Sequence[Any]]) -> None:
    with fresh() as frontier:
        for step in sequence:
            take(frontier, step)
        rows = frontier._all("SELECT state, reason FROM repositories")
        assert frontier.states() == Counter(row["state"] for row in rows)
        assert frontier.reasons() == Counter(
            f"{row['state']}_{row['reason']}" for row in rows if row["reason"]
        )
        assert frontier.found() == len(rows)


LISTINGS = [
    ("search", found(1, name="new/name", stars=5, archived=False, size_kb=7, license="MIT")),
    ("ids", found(1, name="new/name", fork=True)),
    ("gharchive", found(1, name="old/name")),
    ("earlier", found(1, name="older/name", fork=True)),
]


@given(st.permutations(LISTINGS))
def test_sources_make_one_row_in_whatever_order_they_come(order: list[tuple[str, Found]]) -> None:
    judge = Judge(Rules(forks=False))
    with fresh() as frontier:
        for source, each in order:
            frontier.add_found([judge.listed(each)], source)
        [row] = frontier.with_states(*frontier.states())
    assert row.sources == ("search", "ids", "gharchive", "earlier")
    assert (row.name, row.stars, row.fork, row.license) == ("new/name", 5, True, "MIT")
    assert (row.state, row.reason) == ("rejected", "fork")


@given(st.lists(st.sampled_from(SOURCES), unique=True))
def test_sources_are_kept_as_bits(names: list[str]) -> None:
    assert set(source_names(source_bits(tuple(names)))) == set(names)


def test_a_name_that_opted_out_settles_it_whichever_source_knows_it() -> None:
    judge = Judge(Rules(), OptOut(frozenset({"old/name"})))
    with fresh() as frontier:
        frontier.add_found([judge.listed(found(1, name="new/name"))], "search")
        frontier.add_found([judge.listed(found(1, name="old/name"))], "gharchive")
        assert frontier.states() == {"opted_out": 1}


def test_details_say_how_it_is_today_and_leave_what_they_do_not_know() -> None:
    with fresh() as frontier:
        frontier.add_found([Judged(found(1, stars=5, license="MIT", size_kb=3))], "search")
        frontier.keep_details([details(1, stars=9, archived=True)])
        [row] = frontier.with_states("eligible")
    assert (row.stars, row.license, row.size_kb, row.archived) == (9, "MIT", 3, True)
    assert (row.python_bytes, row.commit) == (1, "c" * 40)


def test_the_most_starred_are_wanted_first_and_then_the_next() -> None:
    with fresh() as frontier:
        frontier.add_found(listed(1, 2, 3, 4, 5), "search")
        assert frontier.want(2) == 2
        assert [each.id for each in frontier.wanted(0, 9)] == [4, 5]
        assert [each.id for each in frontier.wanted(4, 9)] == [5]
        frontier.keep_details([details(4), details(5)])
        assert frontier.want(-1 + 1) == 0
        assert frontier.want(1) == 1
        assert [each.id for each in frontier.wanted(0, 9)] == [3]


def test_a_plan_may_be_added_to() -> None:
    with fresh() as frontier:
        frontier.add_found(listed(1, 2, 3, 4, 5, 6), "search")
        frontier.want(5)
        frontier.keep_details([details(each) for each in (2, 3, 4, 5)])
        frontier.keep_plan([[4, 2], [3]])
        assert frontier.note("shards") == 2
        assert [each.id for each in frontier.members(0)] == [4, 2]
        assert frontier.states() == {"left_out": 2, "pending": 3, "wanted": 1}
        frontier.keep_details([details(6)])
        frontier.keep_plan([[6]], first=2)
        assert frontier.note("shards") == 3
        assert [each.id for each in frontier.members(2)] == [6]
        assert frontier.planned() == 4
        assert [each.id for each in frontier.planned_after(2, 2)] == [3, 4]


def test_a_list_that_grew_is_honoured_before_and_after_the_plan() -> None:
    wishes = OptOut(frozenset({"o/n1", "o/n2", "o/n3"}))
    with fresh() as frontier:
        frontier.add_found(listed(1, 2, 3, 4), "search")
        frontier.keep_details([details(2), details(3), details(4)])
        frontier.keep_plan([[2, 3, 4]])
        frontier.settle(3, Outcome(state="done"))
        assert frontier.opt_out(OptOut()) == []
        assert frontier.opt_out(wishes) == ["o/n3"]
        assert frontier.states() == {"done": 1, "opted_out": 2, "pending": 1}


def test_what_can_not_be_had_is_named_and_of_the_rest_of_github_only_the_first() -> None:
    with fresh() as frontier:
        frontier.add_found(listed(*range(1, 10)), "ids")
        frontier.keep_plan([[9, 8]])
        for each in (2, 3, 4, 9):
            frontier.settle(each, Outcome(state="empty", reason="no_commits"))
        frontier.settle(8, Outcome(state="gone", reason="not_found"))
        frontier.settle(1, Outcome(state="opted_out"))
        ended = frontier.ended(unplanned=2)
    assert [each.id for each, _ in ended] == [9, 8, 2, 3]
    assert all(since for _, since in ended)


def test_what_failed_before_the_plan_is_asked_for_again() -> None:
    with fresh() as frontier:
        frontier.add_found(listed(1, 2), "search")
        frontier.settle(1, Outcome(state="failed", reason="http_502"))
        frontier.retry_failed()
        assert frontier.states() == {"found": 1, "wanted": 1}
        assert frontier.reasons() == {}


def test_blocks_are_kept_whole_or_not_at_all() -> None:
    with fresh() as frontier:
        with pytest.raises(ZeroDivisionError), frontier.together():
            frontier.add_found(listed(1), "search")
            with frontier.together():
                frontier.keep_note("a", 1)
            _ = 1 / 0
        assert (frontier.found(), frontier.note("a")) == (0, None)
        frontier.keep_note("a", {"b": [2]})
        assert frontier.note("a") == {"b": [2]}


readings = st.builds(
    Reading,
    st.builds(Window, st.integers(0, 99), st.integers(100, 999), st.integers(0, 5), st.just(ANY)),
    page=st.integers(0, 9),
    total=st.integers(0, 10**6),
    seen=st.frozensets(st.integers(1, 2**62), max_size=20),
    incomplete=st.booleans(),
    looks=st.integers(1, 3),
)


@given(readings)
def test_an_open_window_is_kept_whole_and_a_closed_one_without_its_ids(read: Reading) -> None:
    with fresh() as frontier:
        frontier.open_window(read.window)
        frontier.open_window(Window(5, 6))  # one is known already
        frontier.keep_reading(read)
        assert frontier.open_readings() == [read]
        frontier.close_window(read, "short")
        [(kept, state)] = frontier.coverage()
        assert (state, kept.seen, kept.seen_count) == ("short", frozenset(), read.seen_count)
        assert (kept.window, kept.total, kept.looks) == (read.window, read.total, read.looks)
        assert frontier.open_readings() == []


def test_a_split_window_stands_for_nothing_any_more() -> None:
    with fresh() as frontier:
        whole = Window(0, 9)
        frontier.open_window(whole)
        halves = split(whole)
        assert halves is not None
        frontier.split_window(Reading(whole), halves)
        assert [each.window for each in frontier.open_readings()] == list(halves)
        assert frontier.count_windows() == {"open": 2, "split": 1}


def test_parts_begin_once_and_are_kept_as_they_go() -> None:
    with fresh() as frontier:
        frontier.add_parts("ids", [("a", 5), ("b", 7)])
        read = Part(source="ids", key="a", state="closed", position=6, facts={"pages": 2})
        frontier.keep_parts([read])
        frontier.add_parts("ids", [("a", 0), ("c", 1)])
        assert frontier.parts("ids", "closed") == [read]
        assert [(each.key, each.position) for each in frontier.open_parts("ids")] == [
            ("b", 7),
            ("c", 1),
        ]
        assert frontier.count_parts("ids") == {"closed": 1, "open": 2}
        assert frontier.parts("list") == []
        frontier.begin({"a": 1}, until=5)
        assert frontier.parts("ids") == []
        assert (frontier.note("selection"), frontier.note("until")) == ({"a": 1}, 5)


def test_a_frontier_of_another_format_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "frontier.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 1")
    database.close()
    for opened in (writing, reading):
        refused = pytest.raises(FileError, match=r"format 1.*format 2.*run folder")
        with refused as caught, opened(path):
            pass
        assert "\n" not in str(caught.value)
