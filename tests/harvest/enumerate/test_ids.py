from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.events import Report, silent
from harvest.api import Listed
from harvest.certificate import certificate
from harvest.database import writing
from harvest.enumerate.ids import Ids, after_page, last_of, parts_of
from harvest.frontier import Frontier, Part
from harvest.selection import Judge, OptOut, Rules

PAGE = 3


class KilledError(Exception):
    """The run ends here."""


class FakeApi:
    """`GET /repositories?since=` over some ids."""

    def __init__(self, ids: set[int], dies_at: set[int] | None = None) -> None:
        self.ids, self.dies_at = sorted(ids), dies_at or set()
        self.asked: list[int] = []
        self.at_once = self.most_at_once = 0

    async def repositories_since(self, number: int) -> Sequence[Listed]:
        self.asked.append(number)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if len(self.asked) in self.dies_at:
            raise KilledError
        page = [each for each in self.ids if each > number][:PAGE]
        return [Listed(each, f"R_{each}", f"o/n{each}", each % 2 == 0) for each in page]


class StuckApi(FakeApi):
    """Gives the same page for ever."""

    async def repositories_since(self, number: int) -> Sequence[Listed]:
        self.asked.append(number)
        return [Listed(each, f"R_{each}", f"o/n{each}", False) for each in self.ids[:PAGE]]


def run(
    api: Any,
    frontier: Frontier,
    first: int,
    last: int | None,
    *,
    judge: Judge | None = None,
    report: Report = silent,
) -> None:
    ids = Ids(api, frontier, judge or Judge(Rules()), at_once=4, report=report)
    asyncio.run(ids.run(first, last))


def known(frontier: Frontier) -> set[int]:
    return {each.id for each in frontier.with_states(*frontier.states())}


@given(st.integers(0, 10**9), st.integers(0, 10**7))
def test_parts_share_no_id_and_leave_none_out(first: int, length: int) -> None:
    parts = [
        Part(source="ids", key=key, position=at) for key, at in parts_of(first, first + length)
    ]
    begin = max(1, first)
    for part in parts:
        last = last_of(part)
        assert last is not None
        assert part.position == begin - 1
        assert last >= begin or length == 0
        begin = last + 1
    assert begin == max(1, first + length + 1)
    assert 1 <= len(parts) <= 64
    assert [part.key for part in parts] == sorted(part.key for part in parts)


def test_a_page_moves_a_part_on_or_ends_it() -> None:
    [(key, at)] = parts_of(5, 90)
    part = Part(source="ids", key=key, position=at)
    on = after_page(part, [5, 9])
    assert (on.state, on.position) == ("open", 9)
    assert after_page(on, []).state == "closed"
    end = after_page(on, [80, 95])
    assert (end.state, end.facts) == ("closed", {"pages": 2, "listed": 3})
    assert after_page(on, [9, 7]).state == "stuck"


@settings(max_examples=40, deadline=None)
@given(
    st.sets(st.integers(1, 9_000), max_size=60),
    st.integers(0, 9_000),
    st.none() | st.integers(0, 9_000),
    st.sets(st.integers(1, 30), max_size=4),
)
def test_exactly_the_range_is_found_however_often_the_run_dies(
    ids: set[int], first: int, length: int | None, dies_at: set[int]
) -> None:
    last = None if length is None else first + length
    api = FakeApi(ids, dies_at)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "frontier.sqlite"
        for _ in range(len(dies_at) + 1):
            with writing(path) as database:
                try:
                    run(api, Frontier(path, database), first, last)
                except KilledError:
                    continue
                break
        with writing(path) as database:
            frontier = Frontier(path, database)
            assert known(frontier) == {
                each for each in ids if each >= first and (last is None or each <= last)
            }
            shown = certificate(frontier)["ids"]
            assert set(shown["parts"]) == {"closed"}
            assert shown["listed"] == frontier.found()


def test_parts_are_read_side_by_side(frontier: Frontier) -> None:
    api = FakeApi(set(range(1, 8_000, 100)))
    run(api, frontier, 1, 8_000)
    assert frontier.found() == 80
    assert api.most_at_once == 4


def test_a_killed_run_asks_for_no_page_twice(frontier: Frontier) -> None:
    api = FakeApi(set(range(1, 13)), dies_at={3})
    with pytest.raises(KilledError):
        run(api, frontier, 0, None)
    run(api, frontier, 0, None)
    assert api.asked == [0, 3, 6, 6, 9, 12]
    run(api, frontier, 0, None)
    assert len(api.asked) == 6


def test_a_list_that_goes_nowhere_ends_and_is_named(frontier: Frontier, log: Any) -> None:
    api = StuckApi({4, 5, 6})
    run(api, frontier, 0, None, report=log)
    assert len(api.asked) == 2
    [named] = certificate(frontier)["ids"]["not_closed"]
    assert (named["state"], named["read_to"]) == ("stuck", 6)
    assert "after id 6" in log.lines[0]


def test_forks_and_wishes_are_told_apart_at_once(frontier: Frontier) -> None:
    judge = Judge(Rules(forks=False), OptOut(frozenset({"o/n3"})))
    run(FakeApi({1, 2, 3, 4}), frontier, 0, None, judge=judge)
    assert frontier.states() == {"found": 1, "opted_out": 1, "rejected": 2}
    assert frontier.reasons() == {"rejected_fork": 2}
