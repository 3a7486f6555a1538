from __future__ import annotations

import math

import pytest

from harvest.budget import MAX_IN_FLIGHT, Budget, Host
from harvest.policy import MAX_LIMIT_HITS, RESET_MARGIN_S, Wait

NOW = 1_700_000_000.0


def told(remaining: int, *, reset: float, limit: int = 30) -> dict[str, str]:
    return {
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": str(int(reset)),
    }


def known(remaining: int, *, concurrency: int = 100, limit: int = 30) -> Budget:
    budget = Budget(concurrency=concurrency)
    budget.heard("search", told(remaining, reset=NOW + 60, limit=limit))
    return budget


def test_before_anything_is_known_one_request_finds_out() -> None:
    budget = Budget(concurrency=8)
    assert budget.opening("core", NOW).at == NOW
    budget.begin("core")
    assert budget.opening("core", NOW).at is None
    budget.heard("core", told(50, reset=NOW + 60))
    assert budget.opening("core", NOW).at == NOW
    # Another resource has a window of its own.
    budget.begin("search")
    assert budget.opening("search", NOW).at is None


def test_a_server_without_limits_is_not_asked_one_by_one() -> None:
    budget = Budget(concurrency=8)
    budget.begin("core")
    budget.end("core", NOW)
    budget.passed("core", NOW, NOW)
    budget.begin("core")
    assert budget.opening("core", NOW).at == NOW


def test_what_is_in_flight_may_use_up_the_window() -> None:
    budget = known(2)
    budget.begin("search")
    assert budget.opening("search", NOW).at == NOW
    budget.begin("search")
    assert budget.opening("search", NOW).at is None


def test_a_used_up_window_opens_at_its_reset_and_is_then_full() -> None:
    budget = known(0)
    opening = budget.opening("search", NOW)
    assert (opening.at, opening.reason) == (
        NOW + 60 + RESET_MARGIN_S,
        "the rate limit is used up",
    )
    assert opening.at is not None
    for _ in range(30):
        assert budget.opening("search", opening.at).at == opening.at
        budget.begin("search")
    assert budget.opening("search", opening.at).at is None


def test_answers_in_any_order_leave_the_least() -> None:
    budget = known(3)
    budget.heard("search", told(7, reset=NOW + 61))
    for _ in range(3):
        budget.begin("search")
    assert budget.opening("search", NOW).at is None
    # One of an earlier window that comes late says nothing of this one.
    budget.heard("search", told(0, reset=NOW))
    for _ in range(2):
        budget.end("search", NOW)
    assert budget.opening("search", NOW).at == NOW


def test_nothing_is_allowed_where_the_limit_is_nought() -> None:
    budget = Budget(concurrency=8)
    budget.heard("graphql", told(0, reset=NOW + 60, limit=0))
    assert budget.opening("graphql", NOW).at == math.inf


def test_points_of_a_minute_count_from_the_answer() -> None:
    budget = Budget(concurrency=100, points_per_minute={"rest": 2, "graphql": 5})
    for _ in range(2):
        budget.begin("core")
        budget.passed("core", NOW, NOW)
    assert budget.opening("search", NOW).at is None  # REST too, and both are in flight
    assert budget.opening("graphql", NOW).at == NOW
    assert budget.opening("graphql", NOW, points=6).at is None
    budget.end("core", NOW + 5)
    opening = budget.opening("search", NOW + 6)
    assert (opening.at, opening.reason) == (NOW + 65, "2 points a minute are used up")
    assert budget.opening("search", NOW + 65).at == NOW + 65


@pytest.mark.parametrize(("concurrency", "most"), [(3, 3), (500, MAX_IN_FLIGHT)])
def test_rest_and_graphql_are_in_flight_together(concurrency: int, most: int) -> None:
    budget = Budget(concurrency=concurrency)
    for resource in ("core", "graphql"):
        budget.heard(resource, told(5000, reset=NOW + 60, limit=5000))  # type: ignore[arg-type]
    for number in range(most):
        assert budget.opening("core", NOW).at == NOW
        budget.begin("graphql" if number % 2 else "core")
    assert budget.opening("core", NOW).at is None
    assert budget.opening("graphql", NOW).at is None


def test_a_primary_limit_shuts_its_resource_a_secondary_one_the_user() -> None:
    budget = Budget(concurrency=8)
    primary = Wait(50, "used up", "resource")
    budget.limited("search", primary, sent_at=NOW, now=NOW)
    assert budget.opening("search", NOW).at == NOW + 50
    assert budget.opening("core", NOW).at == NOW
    budget.limited("core", Wait(60, "secondary"), sent_at=NOW + 1, now=NOW + 1)
    assert [budget.opening(each, NOW + 1).at for each in ("core", "search", "graphql")] == [
        NOW + 61
    ] * 3


def test_answers_of_one_burst_are_one_limit_and_waits_only_grow() -> None:
    budget = Budget(concurrency=8)
    for _ in range(5):
        budget.limited("core", Wait(60, "secondary"), sent_at=NOW - 1, now=NOW)
    assert budget.gate.next_attempt(NOW - 1) == 1
    assert budget.gate.next_attempt(NOW + 61) == 2
    budget.limited("core", Wait(1, "secondary"), sent_at=NOW - 1, now=NOW)
    assert budget.opening("core", NOW).at == NOW + 60
    budget.passed("core", NOW + 61, NOW + 61)
    assert budget.gate.next_attempt(NOW + 62) == 1


def test_limits_without_end_are_given_up() -> None:
    budget = Budget(concurrency=8)
    for hit in range(MAX_LIMIT_HITS + 1):
        now = NOW + 100 * hit
        assert budget.opening("core", now).at == now
        budget.limited("core", Wait(60, "secondary"), sent_at=now, now=now)
    opening = budget.opening("core", now)
    assert opening.at == math.inf
    assert opening.reason == f"secondary, still after {MAX_LIMIT_HITS} waits"


def room_of(budget: Budget, now: float) -> int:
    """How many requests go at once; they are answered a minute ago."""
    room = 0
    while budget.opening("core", now).at == now:
        budget.begin("core")
        room += 1
    for _ in range(room):
        budget.end("core", now - 60)
    return room


def test_after_a_secondary_limit_requests_begin_again_one_by_one() -> None:
    budget = Budget(concurrency=16)
    budget.passed("core", NOW, NOW)
    assert room_of(budget, NOW) == 16
    budget.limited("core", Wait(60, "secondary"), sent_at=NOW, now=NOW)
    rooms = []
    for answer in range(12):
        now = NOW + 60 + answer
        rooms.append(room_of(budget, now))
        budget.passed("core", now, now)
    assert rooms == [1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8]  # to half of where it went wrong


def test_beyond_half_of_where_it_went_wrong_requests_grow_by_the_minute() -> None:
    budget = Budget(concurrency=4)
    budget.passed("core", NOW, NOW)
    budget.limited("core", Wait(60, "secondary"), sent_at=NOW, now=NOW)
    rooms = []
    for minute in range(1, 16):
        now = NOW + 60 * minute
        for _ in range(9):
            budget.passed("core", now, now)
        rooms.append(room_of(budget, now))
    assert rooms == [2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4]


def test_a_host_has_lanes_and_reads_a_second_of_each_repository() -> None:
    host = Host(concurrency=2, reads_per_second=3)
    for _ in range(3):
        assert host.opening("git", 7, NOW).at == NOW
        host.begin(7, NOW)
        host.end()
    opening = host.opening("git", 7, NOW + 0.5)
    assert (opening.at, opening.of_repository) == (NOW + 1.0, True)
    assert host.opening("git", 8, NOW + 0.5).at == NOW + 0.5
    assert host.opening("git", 7, NOW + 1.0).at == NOW + 1.0
    host.begin(8, NOW)
    host.begin(9, NOW)
    assert host.opening("codeload", None, NOW + 5).at is None
    host.gate.penalise(None, Wait(9, "busy"), sent_at=NOW, now=NOW)
    assert host.opening("git", 8, NOW).at == NOW + 9
