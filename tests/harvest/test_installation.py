from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from github import GithubException

from corpus.errors import UnreachableError, UsageError
from corpus.layout import RunFolder
from harvest.credentials import read_credentials
from harvest.github import GitHubApi
from harvest.installation import (
    RENEWAL_MARGIN_S,
    App,
    Installation,
    Issued,
    end_on_our_clock,
    issue,
    must_renew,
    read_app,
)
from harvest.loopback.installations import Installed
from harvest.loopback.server import Loopback, serve_in_thread
from harvest.run import harvest


def make_keys() -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    return make_keys()


@pytest.fixture
def github(keys: tuple[str, str], catalog_of: Any, bench: Any) -> Iterator[Loopback]:
    installed = {42: Installed("7", keys[1])}
    with serve_in_thread(
        catalog_of(6), users={}, installations=installed, clock=bench.clock.now
    ) as server:
        yield server


def environment(key_file: Path) -> dict[str, str]:
    return {
        "GITHUB_APP_ID": "7",
        "GITHUB_APP_INSTALLATION_ID": "42",
        "GITHUB_APP_PRIVATE_KEY_FILE": str(key_file),
    }


def test_an_app_is_read_from_the_environment_and_shown_to_nobody(
    tmp_path: Path, keys: tuple[str, str], log: Any
) -> None:
    path = tmp_path / "key.pem"
    path.write_text(keys[0])
    path.chmod(0o640)
    found = read_credentials(environment(path), None, log)
    assert found.app is not None
    assert (found.app.app_id, found.app.installation_id) == ("7", 42)
    assert "PRIVATE" not in repr(found)
    assert len(log.lines) == 1  # others may read it
    assert read_app({}, Path.read_text) is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"GITHUB_APP_ID": ""}, "all of them"),
        ({"GITHUB_APP_INSTALLATION_ID": "x"}, "must be a number"),
        ({}, "no private key"),
    ],
)
def test_half_an_app_is_refused_unseen(tmp_path: Path, changes: Any, told: str) -> None:
    path = tmp_path / "key.pem"
    path.write_text("-----BEGIN RSA PRIVATE KEY-----\ngeheim\n-----END RSA PRIVATE KEY-----\n")
    with pytest.raises(UsageError, match=told) as caught:
        read_app(environment(path) | changes, Path.read_text)
    assert "geheim" not in "".join(traceback.format_exception(caught.value))


def test_a_token_is_renewed_before_it_ends() -> None:
    issued = Issued("t", 3600.0)
    assert must_renew(None, 0.0)
    assert not must_renew(issued, 3600.0 - RENEWAL_MARGIN_S - 1)
    assert must_renew(issued, 3600.0 - RENEWAL_MARGIN_S)
    assert "'t'" not in repr(issued)


@pytest.mark.parametrize("wrong_by", [-9000, -1800, 0, 1800, 9000])
def test_a_clock_that_is_wrong_ends_no_token_late(wrong_by: float) -> None:
    now = 10_000.0  # by our clock; the server's is `wrong_by` ahead
    ends = end_on_our_clock(now + wrong_by + 3600, now)
    assert now + 2 * RENEWAL_MARGIN_S <= ends <= now + 3600


class Server:
    """Issues tokens for an hour, or fails as told."""

    def __init__(self, *fates: Any) -> None:
        self.fates, self.asked, self.now = list(fates), 0, 0.0

    def ask(self, app: App, url: str) -> Issued:
        self.asked += 1
        fate = self.fates.pop(0) if self.fates else None
        if fate is not None:
            raise fate
        return Issued(f"ghs_{self.asked}", self.now + 3600.0)


def failure(status: int, **headers: str) -> GithubException:
    return GithubException(status, {"message": "you sent geheim"}, headers)


class Waits:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def installation(server: Server, waits: Waits | None = None) -> Installation:
    app = App("7", 42, "geheim")
    return Installation(app, "http://host", waits or Waits(), ask=server.ask)


async def test_one_token_serves_until_it_must_be_renewed() -> None:
    server = Server()
    user = installation(server)
    tokens = await asyncio.gather(*(user.token(1.0) for _ in range(9)))
    assert set(tokens) == {"ghs_1"}
    assert await user.token(3299.0) == "ghs_1"
    server.now = 3301.0
    assert await user.token(3301.0) == "ghs_2"
    assert list(user.secrets()) == ["ghs_1", "ghs_2"]
    assert server.asked == 2


async def test_trouble_is_waited_out_or_named() -> None:
    waits = Waits()
    troubled = Server(
        failure(502), requests.ConnectionError(), failure(429, **{"Retry-After": "9"})
    )
    assert await installation(troubled, waits).token(0.0) == "ghs_4"
    assert waits.seconds == [0.5, 1.0, 9.0]
    with pytest.raises(UnreachableError, match="5 requests for a token of installation 42"):
        await installation(Server(*[failure(500)] * 5)).token(0.0)
    with pytest.raises(UsageError, match=r"HTTP 401 .* GitHub App 7, installation 42") as caught:
        await installation(Server(failure(401))).token(0.0)
    assert "geheim" not in "".join(traceback.format_exception(caught.value))


async def test_trouble_is_no_reason_to_stop_while_the_old_token_lasts() -> None:
    server = Server(None, failure(401), failure(502))
    user = installation(server)
    assert await user.token(0.0) == "ghs_1"
    assert [await user.token(now) for now in (3400.0, 3401.0, 3431.0)] == ["ghs_1"] * 3
    assert server.asked == 3  # not with every request
    server.now = 3470.0
    assert await user.token(3470.0) == "ghs_4"


def test_the_server_gives_tokens_to_who_signs_with_the_key(
    github: Loopback, keys: tuple[str, str]
) -> None:
    assert issue(App("7", 42, keys[0]), github.url).token.startswith("ghs_")
    others, _ = make_keys()
    for app in (App("8", 42, keys[0]), App("7", 42, others)):
        with pytest.raises(GithubException) as caught:
            issue(app, github.url)
        assert caught.value.status == 401
    with pytest.raises(GithubException) as caught:
        issue(App("7", 43, keys[0]), github.url)
    assert caught.value.status == 404


def test_a_harvest_outlives_its_tokens_without_one_refused_request(
    github: Loopback, keys: tuple[str, str], bench: Any, tmp_path: Path
) -> None:
    """Each search page takes a quarter of an hour on this clock."""
    app = App("7", 42, keys[0])
    recipe = bench.recipe(api_url=github.url, concurrency=1)
    original, bench_clock = GitHubApi._call, bench.clock

    async def slowly(self: Any, *arguments: Any, **options: Any) -> Any:
        bench_clock.slept.append(900.0)
        return await original(self, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GitHubApi, "_call", slowly)
        for folder in ("a", "b", "c"):
            harvest(
                recipe, RunFolder(tmp_path / folder), app=app, report=bench.log, clock=bench_clock
            )
    renewed = github.requests["access_tokens", 201]
    assert renewed >= 3
    assert not any(status in (401, 403) for _, status in github.requests)
