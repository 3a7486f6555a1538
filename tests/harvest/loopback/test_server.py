from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import aiohttp
import github
import pytest
import requests

from corpus.errors import UsageError
from harvest.loopback.server import Loopback, serve_in_thread
from harvest.loopback.trees import TreeCatalog, memory_catalog

Serve = Callable[..., Loopback]


def client(server: Loopback, prefix: str = "") -> github.Github:
    return github.Github(
        base_url=server.url + prefix,
        auth=github.Auth.Token("t"),
        retry=None,
        seconds_between_requests=None,
        per_page=40,
    )


@pytest.mark.parametrize("prefix", ["", "/api/v3"])
def test_pygithub_works_unmodified(serve: Serve, catalog: TreeCatalog, prefix: str) -> None:
    server = serve()
    hub = client(server, prefix)
    (found,) = hub.search_repositories("language:python stars:>=100", sort="stars", order="desc")
    assert (found.full_name, found.stargazers_count) == ("ada/engine", 120)
    assert found.pushed_at == datetime(2024, 5, 6, tzinfo=UTC)
    assert found.license.spdx_id == "MIT"
    renamed = hub.get_repo("ada/difference")
    assert (renamed.id, renamed.full_name) == (found.id, "ada/engine")
    assert renamed.organization.login == "ada"
    assert renamed.get_languages()["Python"] == 23
    assert renamed.get_license().decoded_content == b"MIT License"
    commit = catalog.commit(catalog.repositories()[0], "HEAD")
    assert commit is None or len(commit.id) == 40
    sha = renamed.get_commit("main").sha
    assert renamed.get_archive_link("tarball", sha).endswith(f"/legacy.tar.gz/{sha}")
    assert hub.get_user().login.startswith("user-")
    assert hub.get_rate_limit().resources.core.limit == 5_000
    _, answer = hub.requester.graphql_query("{ viewer { login } }", {})
    assert answer["data"]["viewer"]["login"].startswith("user-")
    with pytest.raises(github.UnknownObjectException):
        hub.get_repo("ada/nothing")


def test_pygithub_pages_through_everything(serve: Serve) -> None:
    names = {f"o/r{number}": {"a.py": b"1"} for number in range(230)}
    server = serve(memory_catalog(names))
    hub = client(server)
    assert {each.full_name for each in hub.search_repositories("language:python")} == set(names)
    ids = [each.id for each in hub.get_repos()]
    assert len(ids) == 230
    assert all(low < high for low, high in pairwise(ids))


async def test_it_runs_in_an_event_loop(catalog: TreeCatalog) -> None:
    async with Loopback(catalog) as server, aiohttp.ClientSession() as session:
        answer = await session.get(f"{server.url}/repos/ada/engine/tarball")
        assert (await answer.read())[:2] == b"\x1f\x8b"
        assert str(answer.url).startswith(server.archive_url)
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=10)


def test_only_this_machine_can_reach_it(serve: Serve) -> None:
    server = serve()
    assert server.url.startswith("http://127.0.0.1:")
    assert server.archive_url.startswith("http://127.0.0.1:")


def test_a_port_in_use_is_one_clear_line(catalog: TreeCatalog) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(UsageError, match=f"port {port} is in use"),
            serve_in_thread(catalog, port=port),
        ):
            raise AssertionError("it was not")


def test_a_server_stops_while_clients_are_connected(catalog: TreeCatalog) -> None:
    with serve_in_thread(catalog) as server:
        session = requests.Session()
        assert session.get(f"{server.url}/repos/ada/engine", timeout=10).ok
    with pytest.raises(requests.ConnectionError):
        session.get(f"{server.url}/repos/ada/engine", timeout=10)
