from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest.policy import (
    Answer,
    BadRedirectError,
    Wait,
    backoff_s,
    graphql_delay,
    may_pass,
    next_hop,
    on_our_clock,
    read_nodes,
    repository_state,
    retry_delay,
)

NOW = 1_700_000_000.0
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes."


def seconds(answer: Answer, attempt: int = 1) -> float | None:
    wait = retry_delay(answer, now=NOW, attempt=attempt)
    return None if wait is None else wait.seconds


def test_403_that_is_no_limit_is_final() -> None:
    assert (
        seconds(Answer(403, {"x-ratelimit-remaining": "12"}, "Repository access blocked")) is None
    )


def test_403_of_the_secondary_limit_waits_a_minute_then_doubles() -> None:
    answer = Answer(403, {"x-ratelimit-remaining": "4000"}, SECONDARY)
    assert [seconds(answer, attempt) for attempt in (1, 2, 3)] == [60.0, 120.0, 240.0]


def test_429_without_any_hint_waits_a_minute() -> None:
    assert seconds(Answer(429)) == 60.0


@pytest.mark.parametrize("status", [403, 429])
def test_retry_after_in_seconds_is_obeyed(status: int) -> None:
    assert seconds(Answer(status, {"retry-after": "17"}, SECONDARY), attempt=4) == 17.0


def test_retry_after_as_a_date_is_obeyed() -> None:
    headers = {"retry-after": formatdate(NOW + 90, usegmt=True)}
    assert seconds(Answer(429, headers)) == pytest.approx(90.0, abs=1.0)


def test_retry_after_in_the_past_or_unreadable_is_no_excuse_to_crash() -> None:
    assert seconds(Answer(429, {"retry-after": formatdate(NOW - 90, usegmt=True)})) == 0.0
    assert seconds(Answer(429, {"retry-after": "soon"})) == 60.0


def test_retry_after_goes_before_the_reset() -> None:
    headers = {
        "retry-after": "5",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": str(int(NOW) + 3000),
    }
    assert seconds(Answer(403, headers)) == 5.0


def test_used_up_limit_waits_for_the_reset() -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW) + 100)}
    assert seconds(Answer(403, headers, "API rate limit exceeded for user ID 1.")) == 101.0


def test_a_reset_that_is_past_or_unreadable() -> None:
    past = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}
    assert seconds(Answer(403, past)) == 1.0
    assert seconds(Answer(403, {"x-ratelimit-remaining": "0"})) == 60.0


@pytest.mark.parametrize("status", [200, 301, 404, 409, 451, 500, 503])
def test_other_statuses_are_no_limits(status: int) -> None:
    assert seconds(Answer(status, {"retry-after": "9"}, SECONDARY)) is None


@given(
    st.sampled_from([403, 429]),
    st.dictionaries(
        st.sampled_from(["retry-after", "x-ratelimit-remaining", "x-ratelimit-reset"]),
        st.text(max_size=12) | st.integers(-5, 10**10).map(str),
    ),
    st.text(max_size=40),
    st.integers(1, 8),
)
def test_any_headers_give_a_wait_that_is_not_negative_or_none(
    status: int, headers: dict[str, str], message: str, attempt: int
) -> None:
    wait = retry_delay(Answer(status, headers, message), now=NOW, attempt=attempt)
    assert wait is None or wait.seconds >= 0
    assert wait is not None or status == 403


def test_backoff_grows_to_a_cap() -> None:
    waits = [backoff_s(attempt) for attempt in range(1, 12)]
    assert waits == sorted(waits)
    assert waits[0] == 0.5
    assert waits[-1] == 30.0


def test_which_failures_may_pass() -> None:
    assert [s for s in (200, 403, 404, 408, 422, 429, 500, 502, 503, 504) if may_pass(s)] == [
        408,
        500,
        502,
        503,
        504,
    ]


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Answer(404), ("gone", "not_found")),
        (Answer(409, {}, "Git Repository is empty."), ("empty", "no_commits")),
        (Answer(451), ("blocked", "legal")),
        (Answer(403, {}, "Repository access blocked"), ("blocked", "blocked")),
        (Answer(403, {}, "Resource not accessible"), ("blocked", "forbidden")),
        (Answer(418), None),
    ],
)
def test_what_an_answer_says_of_a_repository(answer: Answer, state: Any) -> None:
    assert repository_state(answer) == state


API = "https://api.github.com/repos/a/b/tarball/c"


def test_the_token_stays_at_its_origin() -> None:
    moved = next_hop(API, "/repositories/7/tarball/c", with_token=True)
    assert moved.url == "https://api.github.com/repositories/7/tarball/c"
    assert moved.with_token
    archive = next_hop(API, "https://codeload.github.com/a/b?token=signed", with_token=True)
    assert not archive.with_token
    back = next_hop(archive.url, API, with_token=archive.with_token)
    assert not back.with_token


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://api.github.com:8443/x",
        "https://api.github.com.evil.example/x",
        "//evil.example/x",
        "https://user@evil.example/x",
    ],
)
def test_another_port_or_host_gets_no_token(elsewhere: str) -> None:
    assert not next_hop(API, elsewhere, with_token=True).with_token


@pytest.mark.parametrize("bad", [None, "", "http://api.github.com/x", "file:///etc/passwd"])
def test_redirects_that_are_not_followed(bad: str | None) -> None:
    with pytest.raises(BadRedirectError):
        next_hop(API, bad, with_token=True)


def node(name: str) -> dict[str, Any]:
    return {"nameWithOwner": name}


def test_graphql_answers_in_part() -> None:
    body = {
        "data": {"nodes": [node("a/a"), None, None]},
        "errors": [
            {"type": "NOT_FOUND", "path": ["nodes", 1], "message": "Could not resolve"},
            {"path": ["nodes", 2], "message": "Something went wrong"},
        ],
    }
    nodes = read_nodes(["A", "B", "C"], body)
    assert nodes.found == {"A": node("a/a")}
    assert nodes.gone == ("B",)
    assert nodes.again == ("C",)


def test_graphql_null_without_an_error_is_gone() -> None:
    assert read_nodes(["A"], {"data": {"nodes": [None]}}).gone == ("A",)


@pytest.mark.parametrize("body", [None, {}, [], {"data": None, "errors": [{}]}, {"data": {}}])
def test_graphql_without_data_is_asked_again(body: Any) -> None:
    assert read_nodes(["A", "B"], body).again == ("A", "B")


def test_graphql_says_200_and_means_a_limit() -> None:
    body = {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW) + 30)}
    wait = graphql_delay(body, headers, now=NOW, attempt=1)
    assert wait is not None and wait.seconds == 31.0
    assert graphql_delay({"data": {}}, headers, now=NOW, attempt=1) is None
    assert graphql_delay({"errors": [{"message": "x"}]}, headers, now=NOW, attempt=1) is None


def test_moments_of_a_server_whose_clock_differs_are_moved_to_ours() -> None:
    theirs = NOW - 3_600
    headers = {
        "date": formatdate(theirs, usegmt=True),
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": str(int(theirs) + 60),
        "retry-after": formatdate(theirs + 90, usegmt=True),
    }
    moved = on_our_clock(headers, NOW)
    assert int(moved["x-ratelimit-reset"]) == NOW + 60
    assert seconds(Answer(429, moved)) == 90
    in_step = headers | {"date": formatdate(NOW - 3, usegmt=True)}
    assert on_our_clock(in_step, NOW) == in_step
    assert on_our_clock({"date": "soon", "retry-after": "7"}, NOW)["retry-after"] == "7"


@given(st.dictionaries(
    st.sampled_from(["date", "retry-after", "x-ratelimit-reset"]),
    st.text(max_size=30) | st.integers(0, 10**10).map(lambda at: formatdate(at, usegmt=True)),
))  # fmt: skip
def test_no_clock_of_a_server_makes_us_fail(headers: dict[str, str]) -> None:
    moved = on_our_clock(headers, NOW)
    assert moved.keys() == headers.keys()
    assert (retry_delay(Answer(429, moved), now=NOW, attempt=1) or Wait(0, "")).seconds >= 0
