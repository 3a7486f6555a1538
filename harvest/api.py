"""GitHub's API through PyGithub: typed calls and paging from it, waiting and retrying from us.

PyGithub's own retries and pauses are switched off: they sleep silently and can't be resumed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, TypeVar

import requests
from github import Auth, Github, GithubException
from github.Repository import RepositorySearchResult
from github.Requester import (
    HTTPRequestsConnectionClass,
    HTTPSRequestsConnectionClass,
    Requester,
)
from urllib3.exceptions import NewConnectionError

from corpus.errors import ApiError, UnreachableError
from harvest.lanes import Lane, Lanes, Resource
from harvest.policy import (
    MAX_LIMIT_HITS,
    Answer,
    backoff_s,
    graphql_delay,
    may_pass,
    retry_delay,
    spent_delay,
)
from harvest.selection import Found
from harvest.windows import PAGE_SIZE

T = TypeVar("T")
_BARE_ID = "application/vnd.github.sha"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
USER_AGENT = "pycodegpt-harvest"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search."""

    found: tuple[Found, ...]
    total: int
    incomplete: bool


class GitHubApi:
    """Calls that wait as told and retry what may pass; blocking, for one thread.

    Everything final is an ApiError with its status; a server that never answers, an
    UnreachableError.
    """

    def __init__(self, url: str, lanes: Lanes, *, timeout_s: float, retries: int) -> None:
        self.url = url.rstrip("/")
        self._lanes = lanes
        self._retries = retries
        self._timeout_s = max(1, round(timeout_s))
        self._clients: dict[int, Github] = {}
        self._reached = False
        Requester.injectConnectionClasses(_Plain, _Secure)

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()

    def search(self, query: str, page: int) -> Page:
        """Page `page` (from 0) of the repositories that match, the most starred first."""

        def send(client: Github) -> Page:
            results = client.search_repositories(query, sort="stars", order="desc")
            found = tuple(_found(item) for item in results.get_page(page))
            return Page(found, int(results.totalCount), bool(results.incomplete_results))

        return self._call("search", "/search/repositories", send)

    def head_commit(self, name: str) -> str:
        """The id of the newest commit of the default branch."""
        path = f"/repos/{name}/commits/HEAD"

        def send(client: Github) -> str:
            # The bare id; the commit as JSON would bring its whole difference along.
            ask = client.requester.requestJsonAndCheck
            _, answer = ask("GET", path, headers={"Accept": _BARE_ID})
            commit = answer["data"] if isinstance(answer, dict) else ""
            # An id without letters is taken for a number on the way.
            return commit if _COMMIT.fullmatch(commit) else str(ask("GET", path)[1]["sha"])

        return self._call("core", path, send)

    def languages(self, name: str) -> dict[str, int]:
        """Bytes by language."""
        return self._call(
            "core",
            f"/repos/{name}/languages",
            # What has no "url" gets one from PyGithub.
            lambda client: {
                key: int(size)
                for key, size in client.get_repo(name).get_languages().items()
                if key != "url"
            },
        )

    def graphql(self, query: str, variables: Mapping[str, Any]) -> Any:
        """The body of a GraphQL answer, its `errors` included (but for rate limits)."""
        for attempt in range(1, MAX_LIMIT_HITS + 1):
            lane, (headers, body) = self._send_graphql(query, dict(variables))
            wait = graphql_delay(body, headers, now=self._lanes.clock.now(), attempt=attempt)
            if wait is None:
                return body
            self._lanes.shut(lane, "graphql", wait, f"{self.url}/graphql")
        raise ApiError(f"{self.url}/graphql", 200, f"still rate limited after {attempt} waits")

    def _send_graphql(
        self, query: str, variables: dict[str, Any]
    ) -> tuple[Lane, tuple[dict[str, str], Any]]:
        lane = self._lanes.choose("graphql")

        def send(client: Github) -> tuple[dict[str, str], Any]:
            # graphql_query() would drop the data that comes beside errors.
            return client.requester.requestJsonAndCheck(
                "POST",
                client.requester.graphql_url,
                input={"query": query, "variables": variables},
            )

        return lane, self._call("graphql", "/graphql", send, lane)

    def _call(
        self,
        resource: Resource,
        path: str,
        send: Callable[[Github], T],
        lane: Lane | None = None,
    ) -> T:
        failures = limits = 0
        while True:
            chosen = lane or self._lanes.choose(resource)
            self._lanes.wait(chosen, resource)
            try:
                result = send(self._client(chosen))
            except GithubException as error:
                self._reached = True
                answer = _answer(error)
                wait = retry_delay(answer, now=self._lanes.clock.now(), attempt=limits + 1)
                if wait is not None and limits < MAX_LIMIT_HITS:
                    limits += 1
                    self._lanes.shut(chosen, resource, wait, self.url + path)
                    continue
                if not may_pass(answer.status) or failures == self._retries:
                    raise self._error(path, answer) from error
            except requests.RequestException as error:
                # Where nobody listens and nobody has answered yet, the address is wrong.
                hopeless = _refused(error) and not self._reached
                if hopeless or failures == self._retries:
                    raise self._unreachable(error) from None
            except _NOT_AN_ANSWER as error:
                problem = "that is not what a GitHub API answers; is api_url right?"
                raise ApiError(self.url + path, 200, problem) from error
            else:
                self._answered(chosen, resource, path)
                return result
            failures, limits = failures + 1, 0
            self._lanes.clock.sleep(backoff_s(failures))

    def _answered(self, lane: Lane, resource: Resource, path: str) -> None:
        self._reached = True
        requester = self._client(lane).requester
        headers = {
            "x-ratelimit-remaining": str(requester.rate_limiting[0]),
            "x-ratelimit-reset": str(requester.rate_limiting_resettime),
        }
        wait = spent_delay(headers, now=self._lanes.clock.now())
        if wait is not None:
            self._lanes.shut(lane, resource, wait, self.url + path)

    def _client(self, lane: Lane) -> Github:
        if id(lane) not in self._clients:
            self._clients[id(lane)] = Github(
                base_url=self.url,
                auth=Auth.Token(lane.token) if lane.token else None,
                timeout=self._timeout_s,
                user_agent=USER_AGENT,
                per_page=PAGE_SIZE,
                retry=None,
                seconds_between_requests=0,
                seconds_between_writes=0,
                lazy=True,
            )
        return self._clients[id(lane)]

    def _error(self, path: str, answer: Answer) -> ApiError:
        problem = self._lanes.scrub(answer.message) or "no reason given"
        if answer.status == 401:
            problem += "; the token is not accepted: check GITHUB_TOKEN"
        return ApiError(self.url + path, answer.status, problem)

    def _unreachable(self, error: requests.RequestException) -> UnreachableError:
        kind = "no answer in time" if isinstance(error, requests.Timeout) else "no connection"
        return UnreachableError(
            f"{self.url}: {kind}; check api_url and the network, then run again to go on"
        )


# What PyGithub raises when the body is no JSON or lacks the fields that it names.
_NOT_AN_ANSWER = (
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
)


class _Plain(HTTPRequestsConnectionClass):
    """PyGithub's http connection, past any proxy when the server is on this machine."""

    def __init__(self, host: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(host, *args, **kwargs)
        self.session.trust_env = not is_local(host)


class _Secure(HTTPSRequestsConnectionClass):
    """The same over TLS."""

    def __init__(self, host: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(host, *args, **kwargs)
        self.session.trust_env = not is_local(host)


def is_local(host: str) -> bool:
    """Whether the host is this machine, which no proxy leads to."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refused(error: requests.RequestException) -> bool:
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)


def _answer(error: GithubException) -> Answer:
    headers = {str(key).lower(): str(value) for key, value in (error.headers or {}).items()}
    data = error.data
    message = data.get("message") or data.get("data") if isinstance(data, dict) else data
    text = message if isinstance(message, str) else json.dumps(message) if message else ""
    return Answer(error.status, headers, " ".join(text.split())[:300])


def _found(item: RepositorySearchResult) -> Found:
    return Found(
        id=item.id,
        node_id=item.node_id,
        name=item.full_name,
        stars=item.stargazers_count,
        fork=item.fork,
        size_kb=item.size,
        license=item.license.spdx_id if item.license else None,
        pushed_at=_iso(item.pushed_at),
    )


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
