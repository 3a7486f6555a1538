from __future__ import annotations

from typing import Any

import pytest

from corpus.errors import ApiError
from harvest.lanes import Lanes
from harvest.policy import Wait


def lanes_of(bench: Any, *tokens: str, max_wait_s: float = 100.0) -> Lanes:
    return Lanes(tokens, clock=bench.clock, report=bench.log, max_wait_s=max_wait_s)


def test_tokens_take_turns(bench: Any) -> None:
    lanes = lanes_of(bench, "a", "b")
    assert [lanes.choose("core").token for _ in range(4)] in (list("abab"), list("baba"))


def test_a_shut_lane_is_passed_by_and_waited_for_when_all_are_shut(bench: Any) -> None:
    lanes = lanes_of(bench, "a", "b")
    first, second = lanes.choose("core"), lanes.choose("core")
    lanes.shut(first, "core", Wait(50, "x"), "url")
    assert {lanes.choose("core") for _ in range(3)} == {second}
    assert {lanes.choose("search") for _ in range(2)} == {first, second}
    lanes.shut(second, "core", Wait(20, "x"), "url")
    chosen = lanes.choose("core")
    assert chosen is second
    lanes.wait(chosen, "core")
    assert sum(bench.clock.slept) == pytest.approx(20, abs=1)
    lanes.wait(first, "core")
    assert sum(bench.clock.slept) == pytest.approx(50, abs=1)


async def test_a_gate_that_is_shut_again_while_waiting_stays_shut(bench: Any) -> None:
    lanes = lanes_of(bench)
    lane = lanes.choose("core")
    lanes.shut(lane, "core", Wait(10, "x"), "url")
    pause = bench.clock.pause

    async def shut_again(seconds: float) -> None:
        await pause(seconds)
        if len(bench.clock.slept) == 1:
            lanes.shut(lane, "core", Wait(30, "y"), "url")

    bench.clock.pause = shut_again
    await lanes.wait_async(lane, "core")
    assert [round(seconds) for seconds in bench.clock.slept] == [10, 30]


def test_waits_are_announced_once_with_their_reason(bench: Any) -> None:
    lanes = lanes_of(bench)
    lane = lanes.choose("search")
    lanes.shut(lane, "search", Wait(60, "a secondary rate limit"), "url")
    lanes.shut(lane, "search", Wait(59, "a secondary rate limit"), "url")
    expected = "waiting 60 s before the next search request: a secondary rate limit"
    assert bench.log.lines == [expected]


def test_a_wait_beyond_patience_is_an_error(bench: Any) -> None:
    lanes = lanes_of(bench, max_wait_s=30)
    with pytest.raises(ApiError, match="max_wait_s = 30"):
        lanes.shut(lanes.choose("core"), "core", Wait(31, "x"), "https://host/x")
