from __future__ import annotations

from collections.abc import Callable

import requests
from hypothesis import given
from hypothesis import strategies as st

from harvest.loopback.limits import Accounts, Caller, Limits
from harvest.loopback.server import Loopback

Serve = Callable[..., Loopback]
ADA = Caller("ada", anonymous=False)
SOMEONE = Caller("127.0.0.1", anonymous=True)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@given(st.integers(0, 20), st.integers(0, 30))
def test_never_more_than_the_limit_in_one_window(limit: int, asked: int) -> None:
    clock = Clock()
    accounts = Accounts(Limits(core_per_hour=limit), clock)
    granted = sum(accounts.charge(ADA, "core") for _ in range(asked))
    assert granted == min(limit, asked)
    standing = accounts.standing(ADA, "core")
    assert standing is not None
    assert (standing.remaining, standing.reset) == (limit - granted, 4_600)
    clock.now += 3_600
    renewed = accounts.standing(ADA, "core")
    assert renewed is not None
    assert renewed.remaining == limit


def test_callers_and_resources_do_not_share() -> None:
    accounts = Accounts(Limits(core_per_hour=1, search_per_minute=1), Clock())
    assert accounts.charge(ADA, "core")
    assert not accounts.charge(ADA, "core")
    assert accounts.charge(ADA, "search")
    assert accounts.charge(SOMEONE, "core")


def test_none_is_off_and_zero_is_nothing() -> None:
    off = Accounts(Limits(core_per_hour=None), Clock())
    assert off.charge(ADA, "core")
    assert off.standing(ADA, "core") is None
    assert not Accounts(Limits(core_per_hour=0), Clock()).charge(ADA, "core")


def test_a_refund_is_as_if_never_asked() -> None:
    accounts = Accounts(Limits(core_per_hour=1), Clock())
    accounts.charge(ADA, "core")
    accounts.refund(ADA, "core")
    assert accounts.charge(ADA, "core")


def test_secondary_limits_count_what_is_under_way_and_the_pace() -> None:
    clock = Clock()
    accounts = Accounts(Limits(concurrent=2, rest_per_minute=3), clock)
    assert accounts.begin(ADA, "core")
    assert accounts.begin(ADA, "search")
    assert not accounts.begin(ADA, "core")
    for _ in range(3):
        accounts.end(ADA)
    assert not accounts.begin(ADA, "core")  # the fourth in a minute
    accounts.end(ADA)
    clock.now += 60
    assert accounts.begin(ADA, "core")


def test_the_primary_limit_as_clients_see_it(serve: Serve) -> None:
    server = serve(limits=Limits(core_anonymous_per_hour=2))
    answers = [requests.get(f"{server.url}/repos/ada/engine", timeout=10) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 403]
    remaining = [each.headers["X-RateLimit-Remaining"] for each in answers]
    assert remaining == ["1", "0", "0"]
    assert "API rate limit exceeded" in answers[2].json()["message"]
    assert answers[2].headers["X-RateLimit-Resource"] == "core"
    assert "Retry-After" not in answers[2].headers
    shown = requests.get(f"{server.url}/rate_limit", timeout=10).json()["resources"]
    assert (shown["core"]["remaining"], shown["search"]["remaining"]) == (0, 10)


def test_two_tokens_of_one_user_share_one_limit(serve: Serve) -> None:
    server = serve(limits=Limits(core_per_hour=10), users={"one": "ada", "two": "ada"})
    for token, remaining in (("one", "9"), ("two", "8")):
        headers = {"Authorization": f"token {token}"}
        answer = requests.get(f"{server.url}/repos/ada/engine", headers=headers, timeout=10)
        assert answer.headers["X-RateLimit-Remaining"] == remaining


def test_the_secondary_limit_as_clients_see_it(serve: Serve) -> None:
    server = serve(limits=Limits(rest_per_minute=1, retry_after_s=7))
    requests.get(f"{server.url}/repos/ada/engine", timeout=10)
    answer = requests.get(f"{server.url}/repos/ada/engine", timeout=10)
    assert (answer.status_code, answer.headers["Retry-After"]) == (403, "7")
    assert answer.headers["X-RateLimit-Remaining"] != "0"
    assert "secondary rate limit" in answer.json()["message"]


def test_switched_off_there_are_no_headers(serve: Serve) -> None:
    server = serve(limits=None)
    for _ in range(70):
        answer = requests.get(f"{server.url}/repos/ada/engine", timeout=10)
    assert answer.status_code == 200
    assert "X-RateLimit-Limit" not in answer.headers
    assert requests.get(f"{server.url}/rate_limit", timeout=10).status_code == 404
