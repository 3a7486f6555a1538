from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest.plan import (
    Asked,
    Assumptions,
    Kind,
    Limits,
    Plan,
    alike,
    least_seconds,
    make_plan,
    search_requests,
)
from pycodegpt.commands import harvest_shown as shown

WANTED = Kind(eligible=True, python_bytes=100_000)
UNWANTED = Kind(eligible=False)
GITHUB = Limits()


def planned(asked: Asked, limits: Limits = GITHUB, **options: object) -> Plan:
    return make_plan(asked, limits, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("requests", "seconds"),
    [(0, 0), (1, 0), (30, 0), (31, 61), (60, 61), (61, 122), (3_000, 99 * 61)],
)
def test_searches_take_a_minute_for_each_thirty(requests: int, seconds: float) -> None:
    assert least_seconds("search", requests, Limits(), request_s=0.0) == seconds


def test_a_point_each_hundred_is_hours_for_millions() -> None:
    hours = least_seconds("graphql", 12_000, Limits(concurrency=50), request_s=2.0) / 3600
    assert 2.0 < hours < 2.1  # two full windows, and the rest of the third
    both = least_seconds("graphql", 12_000, Limits(concurrency=50, users=2), request_s=2.0)
    assert 1.0 < both / 3600 < 1.1


@given(st.integers(0, 10**7), st.integers(0, 10**6))
def test_more_requests_never_take_less(requests: int, more: int) -> None:
    few = least_seconds("core", requests, Limits(), request_s=0.5)
    assert 0 <= few <= least_seconds("core", requests + more, Limits(), request_s=0.5)


def test_search_pages() -> None:
    assert search_requests(0, Assumptions()) == 1
    assert search_requests(1_000, Assumptions()) == 10
    assert 11_000 < search_requests(1_000_000, Assumptions()) < 13_000


def test_a_plan_of_a_search() -> None:
    asked = Asked(search_total=1_200_000, sample=alike(1_200_000, [WANTED, WANTED, UNWANTED]))
    plan = planned(asked, Limits(concurrency=50))
    assert plan.repositories == 1_200_000
    assert plan.to_fetch == 800_000
    assert [step.name for step in plan.steps] == ["search", "details", "fetch"]
    assert plan.requests["graphql"] == 12_600
    assert plan.requests["git"] == 2_400_000
    # 100 KB each, of which 22% are new, at 0.246 a byte, and 6 KB of trees.
    assert plan.wire_bytes == pytest.approx(800_000 * (100_000 * 0.22 * 0.246 + 6_000))
    assert 7 < plan.steps[0].seconds / 3600 < 9
    assert plan.hours == pytest.approx(sum(step.seconds for step in plan.steps) / 3600)


def test_known_blobs_are_paid_for_where_the_recipe_wants_every_copy() -> None:
    asked = Asked(search_total=1_000, sample=alike(1_000, [WANTED]))
    once, each = planned(asked), planned(asked, each_blob_once=False)
    assert each.disk_bytes - 1e6 == pytest.approx((once.disk_bytes - 1e6) / 0.22)
    assert each.wire_bytes > once.wire_bytes


def test_archives_cost_requests_of_the_api() -> None:
    archive = replace(WANTED, transport="archive")
    plan = planned(Asked(search_total=10_000, sample=alike(10_000, [archive, WANTED])))
    assert (plan.requests["core"], plan.requests["codeload"]) == (5_000, 5_000)
    assert plan.requests["git"] == 15_000


def test_without_a_token_details_are_rest() -> None:
    plan = planned(
        Asked(search_total=500, sample=alike(500, [WANTED])), Limits(core=60), by_graphql=False
    )
    assert plan.requests["core"] == 1_500
    assert "graphql" not in plan.requests
    assert plan.hours > 24


def test_a_few_of_the_most_starred_need_few_requests() -> None:
    asked = Asked(search_total=1_000_000, sample=alike(1_000_000, [WANTED]), enough=200)
    plan = planned(asked, max_repositories=200)
    assert plan.requests["search"] == 2
    assert plan.requests["graphql"] == 3
    assert (plan.repositories, plan.to_fetch) == (200, 200)


def test_nothing_found_is_a_plan_too() -> None:
    plan = planned(Asked(search_total=0))
    assert (plan.to_fetch, plan.wire_bytes) == (0, 0)
    assert shown.plan(plan).splitlines()[0] == "0 repositories to look at, about 0 to fetch"


def test_a_plan_is_told_to_people_and_to_programs() -> None:
    asked = Asked(listed=10, hours=24, sample=[WANTED], looked_at=1, requests={"core": 3})
    plan = planned(asked, notes=["sources overlap"])
    lines = shown.plan(plan)
    for text in ("ids: ", "gharchive: ", "24 hour files", "fetch: ", "note: sources overlap"):
        assert text in lines
    told = json.loads(json.dumps(plan.as_json()))
    assert told["requests"] == plan.requests
    assert told["assumptions"]["known_share"] == 0.78
    assert told["sampled"] == 1


def test_sources_are_read_side_by_side() -> None:
    plan = planned(Asked(search_total=100_000, listed=1_000_000, sample=[UNWANTED]))
    search, ids, details, fetch = (step.seconds for step in plan.steps)
    assert 0 < search < ids
    assert plan.hours == pytest.approx((ids + details + fetch) / 3600)


def test_what_was_looked_at_stands_for_its_own_source() -> None:
    """A large sample of a small source does not outvote a small one of a large source."""
    sample = [*alike(1_000, [UNWANTED] * 50), *alike(9_000, [WANTED, UNWANTED, UNWANTED])]
    plan = planned(Asked(search_total=1_000, listed=9_000, sample=sample))
    assert (plan.repositories, plan.to_fetch) == (10_000, 3_000)
