from __future__ import annotations

import json
from dataclasses import asdict, replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harvest.windows import (
    ANY,
    MAX_PIECES,
    MAX_SHORT_ANSWERS,
    MAX_SHORT_SPLITS,
    SEARCH_CAP,
    Reading,
    Window,
    after_count,
    at_end,
    may_split,
    pages,
    split,
)

POINT = Window(7, 7, min_stars=3, max_stars=3, min_size_kb=5, max_size_kb=5)
ends = st.integers(0, 2**20) | st.just(ANY)


def ordered(low: int, high: int) -> tuple[int, int]:
    return min(low, high), max(low, high)


windows = st.builds(
    lambda start, length, stars, sizes: Window(
        start, start + length, stars[0], stars[1], sizes[0], sizes[1]
    ),
    st.integers(0, 2**31),
    st.just(0) | st.integers(0, 2**30),
    st.builds(ordered, st.integers(0, 2**20), ends),
    st.builds(ordered, st.integers(0, 2**20), ends),
)


def read(total: int, seen: int, *, incomplete: bool = False, looks: int = 1) -> Reading:
    ids = frozenset(range(seen))
    return Reading(Window(0, 99), pages(total), total, ids, incomplete, looks)


def boxes(window: Window) -> list[tuple[int, int]]:
    return [
        (window.start, window.stop),
        (window.min_stars, window.max_stars),
        (window.min_size_kb, window.max_size_kb),
    ]


@given(windows, st.integers(2, 9))
def test_pieces_share_nothing_and_leave_nothing_out(window: Window, wanted: int) -> None:
    pieces = split(window, wanted)
    if pieces is None:
        assert all(low == high for low, high in boxes(window))
        return
    assert 2 <= len(pieces) <= wanted
    # They differ in one axis, and there each begins where the one before ended.
    [axis] = [
        place
        for place in range(3)
        if any(boxes(piece)[place] != boxes(window)[place] for piece in pieces)
    ]
    cuts = [boxes(piece)[axis] for piece in pieces]
    assert cuts[0][0] == boxes(window)[axis][0]
    assert cuts[-1][1] == boxes(window)[axis][1]
    assert all(low <= high for low, high in cuts)
    assert all(before[1] + 1 == after[0] for before, after in pairwise(cuts))


@given(windows, st.integers(0, 10**7))
def test_splitting_ends(window: Window, total: int) -> None:
    depth, narrow = 0, window
    while pieces := after_count(narrow, total):
        narrow, depth = pieces[depth % len(pieces)], depth + 1
    assert depth <= 31 + 2 * 41
    assert total <= SEARCH_CAP or all(low == high for low, high in boxes(narrow))


def test_a_window_is_split_by_time_then_stars_then_size() -> None:
    second = Window(7, 7)
    by_stars = split(second)
    assert by_stars is not None
    assert [(each.min_stars, each.max_stars) for each in by_stars] == [
        (0, 1_048_575),
        (1_048_576, ANY),
    ]
    by_size = split(replace(second, min_stars=3, max_stars=3))
    assert by_size is not None
    assert {(each.min_stars, each.max_stars) for each in by_size} == {(3, 3)}
    assert by_size[0].max_size_kb + 1 == by_size[1].min_size_kb
    assert split(POINT) is None


def test_the_more_there_is_the_more_pieces() -> None:
    sizes = [len(after_count(Window(0, 2**30), total) or ()) for total in (1001, 2500, 10**6)]
    assert sizes == [2, 4, MAX_PIECES]
    assert after_count(Window(0, 2**30), SEARCH_CAP) is None


def test_the_qualifier_names_both_ends() -> None:
    assert Window(0, 86_399).qualifier == "created:1970-01-01T00:00:00Z..1970-01-01T23:59:59Z"
    narrow = Window(0, 0, min_stars=5, min_size_kb=0, max_size_kb=9)
    assert narrow.qualifier.partition(" ")[2] == "stars:>=5 size:0..9"


@given(windows)
def test_no_qualifier_is_longer_than_a_query_may_be(window: Window) -> None:
    fixed = 'language:"Jupyter Notebook" fork:true archived:false pushed:>=2020-01-01T00:00:00Z'
    assert len(f"{fixed} {window.qualifier}") <= 256


def test_closed_only_when_all_were_seen_and_the_search_was_complete() -> None:
    assert at_end(read(250, 250)) == "closed"
    assert at_end(read(0, 0)) == "closed"
    assert at_end(read(250, 249)) == "again"
    assert at_end(read(250, 251)) == "again"
    assert at_end(read(250, 250, incomplete=True)) == "again"


def test_short_answers_lead_to_narrower_windows_and_then_to_an_end() -> None:
    reading = read(10, 9, looks=MAX_SHORT_ANSWERS)
    for _ in range(MAX_SHORT_SPLITS):
        halves = at_end(reading)
        assert isinstance(halves, tuple)
        reading = replace(reading, window=halves[0])
    assert at_end(reading) == "short"


def test_a_point_that_holds_too_many_is_reported_as_capped() -> None:
    assert at_end(replace(read(5000, 1000), window=POINT)) == "capped"
    assert at_end(replace(read(10, 9, looks=MAX_SHORT_ANSWERS), window=POINT)) == "short"


def test_splits_need_repositories_to_go_on() -> None:
    assert may_split(0, 0)
    assert may_split(2_000, 1_200_000)
    assert not may_split(2_000, 1_000)


def test_resume_in_mid_page_goes_on_with_the_next_page_and_what_was_seen() -> None:
    whole = Reading(Window(0, 99))
    pages_of_ids = [range(100), range(90, 190), range(190, 250)]
    for ids in pages_of_ids:
        assert not (whole.page and whole.at_end)
        whole = whole.after_page(ids, 250, False)
        # As it is kept and read again after a kill.
        kept = json.loads(json.dumps(asdict(whole) | {"seen": sorted(whole.seen)}))
        whole = Reading(
            **kept | {"window": Window(**kept["window"]), "seen": frozenset(kept["seen"])}
        )
    assert whole.at_end
    assert whole.page == 3
    assert at_end(whole) == "closed"


def test_an_incomplete_page_spoils_the_look_but_not_the_next_one() -> None:
    reading = Reading(Window(0, 9)).after_page([1], 2, True).after_page([2], 2, False)
    assert reading.incomplete
    assert reading.again() == Reading(Window(0, 9), seen=frozenset({1, 2}), looks=2)


def test_what_was_seen_stays_seen_unless_it_is_more_than_there_is() -> None:
    first = Reading(Window(0, 9)).after_page([1, 2, 2], 4, False)
    second = first.again().after_page([3, 4, 4], 4, False)
    assert at_end(second) == "closed"
    gone = Reading(Window(0, 9)).after_page([1, 2, 3], 2, False)
    assert at_end(gone) == "again"
    assert gone.again().seen == frozenset()


def test_pages_stop_at_the_cap() -> None:
    assert [pages(total) for total in (0, 1, 100, 101, 1000, 50_000)] == [0, 1, 1, 2, 10, 10]
