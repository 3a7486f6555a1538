from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest.loopback.problems import ProblemError
from harvest.loopback.repository import Repository
from harvest.loopback.search import MAX_QUERY_CHARS, ordered, parse_query

NOON = datetime(2020, 2, 29, 12, tzinfo=UTC)
PLAIN = Repository(
    id=1,
    owner="ada",
    name="engine",
    created_at=NOON,
    pushed_at=NOON,
    stars=10,
    size_bytes=5_000,
    languages={"Python": 10, "C++": 5},
    description="An Analytical Engine",
    license="MIT",
)


def matches(query: str, **facts: object) -> bool:
    return parse_query(query).matches(replace(PLAIN, **facts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("stars:10", True),
        ("stars:>=10", True),
        ("stars:>10", False),
        ("stars:<=10", True),
        ("stars:<10", False),
        ("stars:5..10", True),
        ("stars:11..20", False),
        ("stars:10..*", True),
        ("stars:*..9", False),
        ("-stars:10", False),
        ("NOT stars:10", False),
        ("size:5", True),
        ("size:<5", False),
        ("forks:0", True),
        ("language:python", True),
        ("language:Python stars:>5", True),
        ("language:c++", False),  # only the primary language counts
        ("language:rust language:python", True),  # values of one qualifier are alternatives
        ("user:ADA", True),
        ("org:bob", False),
        ("repo:ada/engine", True),
        ("license:mit", True),
        ("license:other", False),
        ("archived:false", True),
        ("archived:true", False),
        ("created:2020-02-29", True),  # the whole day
        ("created:>2020-02-29", False),
        ("created:>=2020-02-29", True),
        ("created:<2020-02-29", False),
        ("created:<=2020-02-29", True),
        ("created:2020-02-28..2020-02-29", True),
        ("created:2020-02-28..2020-02-28", False),
        ("pushed:2020-02-29T12:00:00Z", True),
        ("pushed:2020-02-29T11:00:00Z..2020-02-29T11:59:59Z", False),
        ("pushed:2020-02-29T14:00:00+02:00", True),
        ("engine", True),
        ("analytical in:description", True),
        ('"an analytical"', True),
        ("steam", False),
        ("-engine", False),
        ("colour:blue", False),  # no such qualifier: a word that is not there
    ],
)
def test_qualifiers(query: str, expected: bool) -> None:
    assert matches(query) is expected


@pytest.mark.parametrize(
    ("query", "plain", "fork"),
    [("stars:10", True, False), ("stars:10 fork:true", True, True), ("fork:only", False, True)],
)
def test_forks_are_left_out_unless_asked_for(query: str, plain: bool, fork: bool) -> None:
    assert (matches(query), matches(query, fork=True)) == (plain, fork)


@pytest.mark.parametrize(
    ("query", "field", "part"),
    [
        ("", "q", "missing"),
        ("  ", "q", "missing"),
        ("x" * (MAX_QUERY_CHARS + 1), "q", "longer than 256"),
        ("stars:many", "q", '"many" is not'),
        ("created:yesterday", "q", "not a recognized date/time format"),
        ("created:2021-02-30", "q", "2021-02-30"),
        ("created:>9999-12-31", "q", "9999-12-31"),
        ("a OR b OR c OR d OR e OR f OR g", "q", "More than five"),
    ],
)
def test_bad_queries_are_422(query: str, field: str, part: str) -> None:
    with pytest.raises(ProblemError) as caught:
        parse_query(query)
    assert caught.value.status == 422
    (error,) = caught.value.body["errors"]
    assert error["field"] == field
    assert part in error.get("message", error["code"])


@given(st.text(max_size=MAX_QUERY_CHARS))
def test_any_text_is_a_query_or_a_422(text: str) -> None:
    try:
        parse_query(text).matches(PLAIN)
    except ProblemError as problem:
        assert problem.status == 422


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_two_windows_split_what_one_holds(low: int, middle: int, stars: int) -> None:
    high = 50
    low, middle = sorted((low, middle))
    whole = matches(f"stars:{low}..{high}", stars=stars)
    lower = matches(f"stars:{low}..{middle}", stars=stars)
    upper = matches(f"stars:{middle + 1}..{high}", stars=stars) if middle < high else False
    assert whole == (lower or upper)
    assert not (lower and upper)


@given(st.integers(-100_000, 100_000))
def test_a_day_is_in_exactly_one_of_before_on_after(seconds: int) -> None:
    moment = NOON + timedelta(seconds=seconds)
    found = [matches(f"created:{sign}2020-02-29", created_at=moment) for sign in ("<", "", ">")]
    assert found.count(True) == 1


def test_order_is_total() -> None:
    many = [replace(PLAIN, id=number, stars=number % 3) for number in (5, 2, 4, 1, 3)]
    assert [each.id for each in ordered(many, "stars", "desc")] == [2, 5, 1, 4, 3]
    assert [each.id for each in ordered(many, "stars", "asc")] == [3, 1, 4, 2, 5]
    assert ordered(many, None, "asc") == ordered(many, "stars", "desc")
