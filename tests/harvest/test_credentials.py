from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest

from corpus.errors import ApiError, FileError, PycodegptError, UsageError
from harvest.credentials import User, anonymous, grouped, read_credentials, users_of
from harvest.database import reading
from harvest.frontier import Frontier
from harvest.loopback.server import serve_in_thread


def test_tokens_come_from_the_environment_each_once(log: Any) -> None:
    environment = {"GITHUB_TOKEN": "one", "GITHUB_TOKENS": " two, one\nthree "}
    assert read_credentials(environment, None, log).tokens == ("one", "two", "three")
    assert read_credentials({}, None, log).tokens == ()


def test_tokens_come_from_a_file_last(tmp_path: Path, log: Any) -> None:
    path, other = tmp_path / "tokens", tmp_path / "others"
    path.write_text("# of the lab\nfour  # mine\none, five\n")
    other.write_text("six")
    path.chmod(0o600)
    other.chmod(0o600)
    environment = {"GITHUB_TOKEN": "one", "GITHUB_TOKEN_FILE": str(other)}
    assert read_credentials(environment, path, log).tokens == ("one", "four", "five")
    assert read_credentials(environment, None, log).tokens == ("one", "six")
    assert log.lines == []


def test_a_file_that_others_may_read_is_warned_of(tmp_path: Path, log: Any) -> None:
    path = tmp_path / "tokens"
    path.write_text("geheim")
    path.chmod(0o644)
    read_credentials({}, path, log)
    assert log.lines == [f"{path}: other users of this machine may read it; chmod 600 {path}"]


@pytest.mark.parametrize("content", ["geheim\u200b", "geheim\x07"])
def test_what_is_no_token_is_refused_unseen(tmp_path: Path, log: Any, content: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(content, encoding="utf-8")
    path.chmod(0o600)
    for environment, file in (({"GITHUB_TOKEN": content}, None), ({}, path)):
        with pytest.raises((UsageError, FileError)) as caught:
            read_credentials(environment, file, log)
        assert "geheim" not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(FileError):
        read_credentials({}, tmp_path / "nowhere", log)


async def test_tokens_of_one_user_are_one_user() -> None:
    logins = {"a": "mona", "b": "hubot", "c": "mona"}

    async def login_of(user: User) -> str:
        return logins[str(await user.token(0.0))]

    users = await grouped(["a", "b", "c"], login_of)
    assert [user.name for user in users] == ["mona", "hubot"]
    assert [list(user.secrets()) for user in users] == [["a", "c"], ["b"]]


async def test_nobody_is_asked_about_a_single_token() -> None:
    async def login_of(user: User) -> str:
        raise AssertionError

    assert [user.name for user in await grouped(["a"], login_of)] == ["token 1"]
    assert await grouped([], login_of) == []


async def test_a_token_that_may_not_say_whose_it_is_stands_alone() -> None:
    async def login_of(user: User) -> str:
        if await user.token(0.0) == "b":
            raise ApiError("http://x/user", 403, "Resource not accessible by integration")
        return "mona"

    users = await grouped(["a", "b"], login_of)
    assert [user.name for user in users] == ["mona", "token 2"]


USERS = {"first-secret": "mona", "second-secret": "mona"}


def test_two_tokens_of_one_user_share_its_limits(make_bench: Any, catalog_of: Any) -> None:
    with serve_in_thread(catalog_of(6), users=USERS) as github:
        bench = make_bench(github)
        bench.harvest(tokens=("first-secret", "second-secret"))
        assert github.requests["user", 200] == 2
    with reading(bench.folder.frontier) as database:
        limits = Frontier(bench.folder.frontier, database).note("limits")
    assert list(limits["users"]) == ["mona"]


def test_a_wrong_token_is_named_by_its_place(make_bench: Any, catalog_of: Any) -> None:
    with serve_in_thread(catalog_of(6), users=USERS) as github:
        bench = make_bench(github)
        with pytest.raises(PycodegptError, match="token 2 of 2 is not accepted") as caught:
            bench.harvest(tokens=tuple(wrong("first-secret")))
    assert "no-such-secret" not in "".join(traceback.format_exception(caught.value))


def wrong(right: str) -> list[str]:
    return [right, "no-such-secret"]


def test_users_show_no_token() -> None:
    shown = repr([*users_of(["geheim"]), anonymous()])
    assert "geheim" not in shown
    assert shown == "[User('token 1'), User('anonymous')]"
