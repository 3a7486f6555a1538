from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import requests

from harvest.loopback.server import Loopback
from harvest.loopback.trees import TreeCatalog, memory_catalog

Serve = Callable[..., Loopback]

# The properties that GitHub's OpenAPI description requires of a `full-repository`, less the links.
REQUIRED = {
    "id": int,
    "node_id": str,
    "name": str,
    "full_name": str,
    "owner": dict,
    "private": bool,
    "html_url": str,
    "description": (str, type(None)),
    "fork": bool,
    "url": str,
    "clone_url": str,
    "default_branch": str,
    "forks": int,
    "forks_count": int,
    "git_url": str,
    "has_issues": bool,
    "has_projects": bool,
    "has_wiki": bool,
    "has_pages": bool,
    "has_discussions": bool,
    "homepage": (str, type(None)),
    "language": (str, type(None)),
    "archived": bool,
    "disabled": bool,
    "mirror_url": (str, type(None)),
    "open_issues": int,
    "open_issues_count": int,
    "license": (dict, type(None)),
    "pushed_at": str,
    "size": int,
    "ssh_url": str,
    "stargazers_count": int,
    "svn_url": str,
    "watchers": int,
    "watchers_count": int,
    "created_at": str,
    "updated_at": str,
    "network_count": int,
    "subscribers_count": int,
}
REQUIRED_LINKS = (
    "archive",
    "assignees",
    "blobs",
    "branches",
    "collaborators",
    "comments",
    "commits",
    "compare",
    "contents",
    "contributors",
    "deployments",
    "downloads",
    "events",
    "forks",
    "git_commits",
    "git_refs",
    "git_tags",
    "hooks",
    "issue_comment",
    "issue_events",
    "issues",
    "keys",
    "labels",
    "languages",
    "merges",
    "milestones",
    "notifications",
    "pulls",
    "releases",
    "stargazers",
    "statuses",
    "subscribers",
    "subscription",
    "tags",
    "teams",
    "trees",
)


def get(server: Loopback, path: str, token: str | None = "t", **headers: str) -> Any:
    sent = {"Authorization": f"Bearer {token}", **headers} if token else headers
    return requests.get(server.url + path, headers=sent, allow_redirects=False, timeout=10)


def test_a_repository_has_the_fields_of_the_openapi_description(serve: Serve) -> None:
    server = serve()
    body = get(server, "/repos/ada/engine").json()
    for name, kind in REQUIRED.items():
        assert isinstance(body[name], kind), name
    for name in REQUIRED_LINKS:
        assert body[f"{name}_url"].startswith(f"{server.url}/repos/ada/engine/"), name
    assert body["owner"]["login"] == "ada"
    assert body["license"]["spdx_id"] == "MIT"
    assert body["created_at"] == "2015-03-01T12:00:00Z"
    assert body["stargazers_count"] == 120
    item = get(server, "/search/repositories?q=engine").json()["items"][0]
    assert item.items() >= {name: body[name] for name in item if name != "score"}.items()


def test_enterprise_addresses_stay_under_their_prefix(serve: Serve) -> None:
    server = serve()
    body = get(server, "/api/v3/repos/ada/engine").json()
    assert body["url"] == f"{server.url}/api/v3/repos/ada/engine"
    assert body["html_url"] == f"{server.url}/ada/engine"
    links = get(server, "/api/v3/search/repositories?q=fork:true&per_page=1").links
    assert links["next"]["url"].startswith(f"{server.url}/api/v3/search/repositories?")


def test_every_public_repository_is_listed_once(serve: Serve) -> None:
    wide = memory_catalog({f"o/r{number}": {"a.py": b"1"} for number in range(205)})
    server = serve(wide)
    path, seen = "/repositories?since=0", []
    while path:
        page = get(server, path)
        seen += [each["id"] for each in page.json()]
        path = page.links.get("next", {}).get("url", "").removeprefix(server.url)
    assert seen == [each.id for each in wide.repositories()]
    assert server.requests["repositories", 200] == 3
    assert "stargazers_count" not in page.json()[0]


def test_search_pages_by_link_and_stops_at_a_thousand(serve: Serve) -> None:
    wide = memory_catalog({f"o/r{number}": {"a.py": b"1"} for number in range(1_050)})
    server = serve(wide, limits=None)
    first = get(server, "/search/repositories?q=language:python&per_page=100")
    assert first.json()["total_count"] == 1_050
    assert first.json()["incomplete_results"] is False
    assert first.links["last"]["url"].endswith("page=10")
    seen = {each["id"] for each in first.json()["items"]}
    page = first
    while "next" in page.links:
        page = requests.get(page.links["next"]["url"], timeout=10)
        seen |= {each["id"] for each in page.json()["items"]}
    assert len(seen) == 1_000
    assert set(page.links) == {"prev", "first"}
    beyond = get(server, "/search/repositories?q=language:python&per_page=100&page=11")
    assert beyond.status_code == 422
    assert beyond.json()["message"] == "Only the first 1000 search results are available"


def test_pages_are_a_hundred_at_most_and_nonsense_is_ignored(serve: Serve) -> None:
    wide = memory_catalog({f"o/r{number}": {"a.py": b"1"} for number in range(120)})
    server = serve(wide)
    for query, count in (("per_page=500", 100), ("", 30), ("per_page=x&page=y", 30)):
        body = get(server, f"/search/repositories?q=language:python&{query}").json()
        assert len(body["items"]) == count


def test_a_renamed_repository_moves_to_its_id(serve: Serve, catalog: TreeCatalog) -> None:
    server = serve()
    number = next(each.id for each in catalog.repositories() if each.name == "engine")
    for rest in ("", "/languages", "/commits/HEAD"):
        moved = get(server, f"/repos/ada/difference{rest}")
        assert moved.status_code == 301
        assert moved.headers["Location"] == f"{server.url}/repositories/{number}{rest}"
        assert get(server, moved.headers["Location"].removeprefix(server.url)).status_code == 200


def test_languages_are_real_bytes(serve: Serve) -> None:
    assert get(serve(), "/repos/ada/engine/languages").json() == {"Python": 23, "C": 6}


def test_commits_by_branch_and_id_and_as_plain_text(serve: Serve) -> None:
    server = serve()
    body = get(server, "/repos/ada/engine/commits/main").json()
    sha = body["sha"]
    assert re.fullmatch(r"[0-9a-f]{40}", sha)
    assert re.fullmatch(r"[0-9a-f]{40}", body["commit"]["tree"]["sha"])
    assert get(server, f"/repos/ada/engine/commits/{sha[:7]}").json() == body
    plain = get(server, "/repos/ada/engine/commits/HEAD", Accept="application/vnd.github.sha")
    assert plain.text == sha
    missing = get(server, "/repos/ada/engine/commits/nowhere")
    assert (missing.status_code, missing.json()["message"]) == (
        422,
        "No commit found for SHA: nowhere",
    )
    empty = get(server, "/repos/bob/empty/commits/HEAD")
    assert (empty.status_code, empty.json()["message"]) == (409, "Git Repository is empty.")


def test_the_licence_file(serve: Serve) -> None:
    body = get(serve(), "/repos/ada/engine/license").json()
    assert (body["path"], body["license"]["key"]) == ("LICENSE", "mit")
    assert get(serve(), "/repos/ada/forked/license").status_code == 404


@pytest.mark.parametrize(
    "path", ["/repos/ada/nothing", "/repositories/1", "/repositories/x", "/nowhere", "/"]
)
def test_unknown_is_404_with_documentation(serve: Serve, path: str) -> None:
    answer = get(serve(), path)
    assert answer.status_code == 404
    assert answer.json()["message"] == "Not Found"
    assert answer.json()["documentation_url"].startswith("https://docs.github.com/rest")


def test_who_asks(serve: Serve) -> None:
    server = serve(users={"good": "ada"})
    assert get(server, "/user", token="good").json()["login"] == "ada"
    assert get(server, "/user", token=None).json()["message"] == "Requires authentication"
    for answer in (get(server, "/user", token="bad"), get(server, "/repos/ada/engine", "bad")):
        assert (answer.status_code, answer.json()["message"]) == (401, "Bad credentials")
    agentless = get(server, "/repos/ada/engine", token="good", **{"User-Agent": ""})
    assert agentless.status_code == 403
    assert "User-Agent" in agentless.json()["message"]


def test_api_versions(serve: Serve) -> None:
    server = serve()
    known = get(server, "/repos/ada/engine", **{"X-GitHub-Api-Version": "2022-11-28"})
    assert known.headers["X-GitHub-Api-Version-Selected"] == "2022-11-28"
    assert known.headers["X-GitHub-Request-Id"]
    unknown = get(server, "/repos/ada/engine", **{"X-GitHub-Api-Version": "1999-01-01"})
    assert unknown.status_code == 400


def test_an_unchanged_answer_is_304_and_free(serve: Serve) -> None:
    server = serve()
    first = get(server, "/repos/ada/engine")
    again = get(server, "/repos/ada/engine", **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["X-RateLimit-Remaining"] == first.headers["X-RateLimit-Remaining"]
    other = get(server, "/repos/bob/old", **{"If-None-Match": first.headers["ETag"]})
    assert other.status_code == 200
    # Without a token even a 304 costs.
    get(server, "/repos/ada/engine", token=None)
    cost = get(server, "/repos/ada/engine", None, **{"If-None-Match": first.headers["ETag"]})
    assert (cost.status_code, cost.headers["X-RateLimit-Remaining"]) == (304, "58")


def test_requests_are_counted_by_route_and_status(serve: Serve) -> None:
    server = serve()
    get(server, "/repos/ada/engine")
    get(server, "/repos/ada/nothing")
    get(server, "/api/v3/repos/ada/engine")
    assert server.requests == {("repository", 200): 2, ("repository", 404): 1}
