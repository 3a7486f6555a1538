"""The client against answers in GitHub's documented shapes, which we wrote down ourselves.

`python -m benchmarks.harvest --only recorded` does the same with what others recorded from GitHub.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from benchmarks.harvest.recordings import Replay, read_nock, replaying
from corpus.errors import ApiError, UnreachableError
from harvest.archive import Limits
from harvest.asking import Host
from harvest.credentials import users_of
from harvest.download import Downloader
from harvest.frontier import Repository
from harvest.github import GitHubApi
from harvest.policy import read_nodes
from harvest.scheduler import Scheduler
from harvest.spool import read_listing, spool_path

RECORDINGS = Path(__file__).parent / "recordings"
TOKEN = "ghp_SecretThatMustNeverShowUpAnywhere0001"
COMMIT = "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"
Ask = Callable[[GitHubApi], Awaitable[Any]]


@pytest.fixture
def scheduler(clock: Any, log: Any) -> Scheduler:
    return Scheduler(users_of([TOKEN]), clock=clock, report=log, max_wait_s=3600)


@pytest.fixture
def recorded(request: pytest.FixtureRequest) -> Iterator[Replay]:
    with replaying(list(read_nock(RECORDINGS / getattr(request, "param", "rest.json")))) as replay:
        yield replay
    assert not replay.unknown


@pytest.fixture
def api(recorded: Replay, scheduler: Scheduler) -> Iterator[GitHubApi]:
    api = GitHubApi(recorded.url, scheduler, timeout_s=10, retries=2)
    yield api
    api.close()


async def test_a_page_of_a_search(api: GitHubApi) -> None:
    page = await api.search("stars:10..20", 0)
    assert (page.total, page.incomplete) == (102, False)
    full, bare = page.found
    assert (full.id, full.name, full.stars, full.license) == (11, "ada/engine", 77, "MIT")
    assert full.pushed_at == "2025-02-03T04:05:06+00:00"
    assert (bare.license, bare.pushed_at, bare.size_kb) == (None, None, 0)
    assert (await api.search("incomplete", 0)).incomplete


async def test_what_a_search_and_the_list_by_id_can_also_say(api: GitHubApi) -> None:
    with pytest.raises(ApiError, match="Only the first 1000 search results") as caught:
        await api.search("too-far", 10)
    assert caught.value.status == 422
    listed = await api.repositories_since(10)
    assert [(each.id, each.fork) for each in listed] == [(11, False), (12, True)]


async def test_a_renamed_repository_is_followed_to_its_id(api: GitHubApi, recorded: Replay) -> None:
    assert (await api.repository("ada/old-name")).name == "ada/engine"
    assert [path for _, path in recorded.asked] == ["/repos/ada/old-name", "/repositories/11"]


async def test_small_answers(api: GitHubApi) -> None:
    assert await api.languages("ada/engine") == {"Python": 4096, "C": 12, "Jupyter Notebook": 7}
    assert await api.head_commit("ada/engine") == COMMIT
    assert await api.head_commit("ada/digits") == "1234567890" * 4
    quotas = await api.rate_limit()
    assert {name: quota.limit for name, quota in quotas.items()} == {
        "core": 5000,
        "search": 30,
        "graphql": 5000,
    }


@pytest.mark.parametrize(
    ("name", "status", "told"),
    [
        ("bad-token", 401, "check GITHUB_TOKEN"),
        ("forbidden", 403, "SAML"),
        ("blocked", 403, "access blocked"),
        ("gone", 404, "Not Found"),
        ("dmca", 451, "access blocked"),
        ("lasting-503", 503, "No server is currently available"),
        ("cut-short", 200, "is api_url right?"),
        ("wrong-type", 200, "is api_url right?"),
        ("unchanged", 200, "is api_url right?"),  # a 304 that nobody asked for
    ],
)
async def test_final_answers_are_errors_with_their_status(
    api: GitHubApi, clock: Any, name: str, status: int, told: str
) -> None:
    with pytest.raises(ApiError, match=told.replace("?", r"\?")) as caught:
        await api.repository(f"ada/{name}")
    assert caught.value.status == status
    assert "<html" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sum(clock.slept) < 10  # none of these is a rate limit


@pytest.mark.parametrize(("name", "status"), [("hollow", 409), ("no-head", 422)])
async def test_a_repository_without_a_commit(api: GitHubApi, name: str, status: int) -> None:
    with pytest.raises(ApiError) as caught:
        await api.head_commit(f"ada/{name}")
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("name", "least", "most", "reason"),
    [
        ("spent", 28, 32, "the rate limit is used up"),
        ("secondary-told", 7, 7.1, "HTTP 403 with Retry-After"),
        ("secondary", 60, 60.1, "HTTP 403: a secondary rate limit"),
        ("too-many", 60, 60.1, "HTTP 429: a secondary rate limit"),
    ],
)
async def test_limits_are_waited_for_as_told(
    api: GitHubApi, clock: Any, log: Any, name: str, least: float, most: float, reason: str
) -> None:
    assert (await api.repository(f"ada/{name}")).id == 11
    assert least - 0.1 <= sum(clock.slept) <= most
    assert any(reason in line for line in log.lines)


@pytest.mark.parametrize("name", ["trouble-500", "trouble-502", "trouble-503", "hung-up"])
async def test_what_may_pass_is_asked_for_again(api: GitHubApi, clock: Any, name: str) -> None:
    assert (await api.repository(f"ada/{name}")).id == 11
    assert 0 < sum(clock.slept) < 5


@pytest.mark.parametrize("recorded", ["graphql-limited.json"], indirect=True)
async def test_graphql_says_limited_with_a_200(api: GitHubApi, clock: Any) -> None:
    body = await api.graphql("query", {})
    assert body["data"]["nodes"][0]["databaseId"] == 11
    assert 28 <= sum(clock.slept) <= 32


@pytest.mark.parametrize("recorded", ["graphql-partial.json"], indirect=True)
async def test_graphql_says_partly(api: GitHubApi) -> None:
    nodes = read_nodes(["R_kept", "R_gone"], await api.graphql("query", {}))
    assert (list(nodes.found), nodes.gone, nodes.again) == (["R_kept"], ("R_gone",), ())


@pytest.mark.parametrize("recorded", ["graphql-forbidden.json"], indirect=True)
async def test_graphql_keeps_one_back(api: GitHubApi) -> None:
    nodes = read_nodes(["R_kept"], await api.graphql("query", {}))
    assert (nodes.found, nodes.gone, nodes.again) == ({}, (), ("R_kept",))


@pytest.mark.parametrize("recorded", ["graphql-timeout.json"], indirect=True)
async def test_graphql_takes_too_long(api: GitHubApi) -> None:
    with pytest.raises(ApiError) as caught:
        await api.graphql("query", {})
    assert caught.value.status == 502


@pytest.mark.parametrize("recorded", ["graphql-page.json"], indirect=True)
async def test_a_page_of_text_is_no_graphql(api: GitHubApi) -> None:
    with pytest.raises(ApiError, match="is api_url right"):
        await api.graphql("query", {})


async def test_nobody_there(scheduler: Scheduler) -> None:
    api = GitHubApi("http://127.0.0.1:9", scheduler, timeout_s=5, retries=2)
    with pytest.raises(UnreachableError, match="no connection"):
        await api.repository("ada/engine")


@pytest.mark.parametrize("recorded", ["tarball.json"], indirect=True)
async def test_an_archive_by_its_redirect(
    recorded: Replay, scheduler: Scheduler, tmp_path: Path
) -> None:
    repository = Repository(
        id=11, node_id="R_", name="ada/engine", stars=1, fork=False, license="MIT",
        pushed_at=None, shard=0, commit=COMMIT, languages=None, state="pending",
    )  # fmt: skip
    limits = Limits(
        max_file_bytes=1000, max_license_bytes=1000, max_archive_bytes=1 << 20,
        max_archive_members=10,
    )  # fmt: skip
    with ThreadPoolExecutor(1) as executor:
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            host = Host(session, scheduler, retries=0)
            downloader = Downloader(
                host, executor, api_url=recorded.url, spools=tmp_path, limits=limits
            )
            outcome = await downloader.fetch(repository)
    assert (outcome.state, outcome.rows) == ("fetched", 2)
    listing = read_listing(spool_path(tmp_path, 11))
    assert [file.path for file in listing.files] == ["LICENSE", "engine.py"]
