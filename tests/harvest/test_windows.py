from __future__ import annotations

import json
from dataclasses import asdict, replace

from hypothesis import given
from hypothesis import strategies as st

from harvest.windows import (
    MAX_SHORT_ANSWERS,
    MAX_SHORT_SPLITS,
    SEARCH_CAP,
    Reading,
    Window,
    after_count,
    at_end,
    pages,
    split,
)

windows = st.builds(
    lambda start, length: Window(start, start + length),
    st.integers(0, 2**31),
    st.integers(0, 2**30),
)


def read(total: int, seen: int, *, incomplete: bool = False, looks: int = 1) -> Reading:
    ids = frozenset(range(seen))
    return Reading(Window(0, 99), pages(total), total, ids, incomplete, looks)


@given(windows)
def test_halves_share_nothing_and_leave_nothing_out(window: Window) -> None:
    halves = split(window)
    if window.start == window.stop:
        assert halves is None
    else:
        assert halves is not None
        first, second = halves
        assert first.start == window.start
        assert first.stop + 1 == second.start
        assert second.stop == window.stop
        assert first.start <= first.stop and second.start <= second.stop


@given(windows, st.integers(0, 10**7))
def test_splitting_ends(window: Window, total: int) -> None:
    depth, narrow = 0, window
    while halves := after_count(narrow, total):
        narrow, depth = halves[1], depth + 1
    assert depth <= 31
    assert total <= SEARCH_CAP or narrow.start == narrow.stop


def test_the_qualifier_names_both_ends() -> None:
    assert Window(0, 86_399).qualifier == "created:1970-01-01T00:00:00Z..1970-01-01T23:59:59Z"


def test_closed_only_when_all_were_seen_and_the_search_was_complete() -> None:
    assert at_end(read(250, 250)) == "closed"
    assert at_end(read(0, 0)) == "closed"
    assert at_end(read(250, 249)) == "again"
    assert at_end(read(250, 250, incomplete=True)) == "again"


def test_short_answers_lead_to_narrower_windows_and_then_to_an_end() -> None:
    reading = read(10, 9, looks=MAX_SHORT_ANSWERS)
    for _ in range(MAX_SHORT_SPLITS):
        halves = at_end(reading)
        assert isinstance(halves, tuple)
        reading = replace(reading, window=halves[0])
    assert at_end(reading) == "short"


def test_a_second_that_holds_too_many_is_reported_as_capped() -> None:
    assert at_end(replace(read(5000, 1000), window=Window(7, 7))) == "capped"
    assert at_end(replace(read(10, 9, looks=MAX_SHORT_ANSWERS), window=Window(7, 7))) == "short"


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
    assert reading.again() == Reading(Window(0, 9), looks=2)


def test_pages_stop_at_the_cap() -> None:
    assert [pages(total) for total in (0, 1, 100, 101, 1000, 50_000)] == [0, 1, 1, 2, 10, 10]
