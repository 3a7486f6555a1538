"""GitHub's API through PyGithub.

PyGithub gives typed calls and paging; waiting and retrying are ours (`harvest.scheduler`), since
its own pauses are silent and can't be resumed. It blocks, so each request has a thread, and a
client of its own for that long: PyGithub's clients are not made for several threads.
"""

from __future__ import annotations

import html
import json
import logging
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, TypeVar

import requests
from github import Auth, Github, GithubException
from github.Requester import (
    HTTPRequestsConnectionClass,
    HTTPSRequestsConnectionClass,
    Requester,
    RequestsResponse,
)
from urllib3.exceptions import NewConnectionError

from corpus.errors import ApiError, UnreachableError
from harvest.api import USER_AGENT, Listed, Page, Quota, is_local
from harvest.budget import ApiResource
from harvest.nodes import made_node_id
from harvest.policy import Answer, backoff_s, may_pass
from harvest.scheduler import Lease, Scheduler
from harvest.selection import Found
from harvest.threads import in_daemon
from harvest.windows import PAGE_SIZE

T = TypeVar("T")
_BARE_ID = "application/vnd.github.sha"
_TAG = re.compile(r"(?s)<(script|style)\b.*?</\1\s*>|<[^>]*>")
_REDIRECTED = "Github server redirected"
_GRAPHQL = (dict, list, type(None))
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MAX_MESSAGE = 300
_UNFINISHED = 1


class GitHubApi:
    """The real one: an `Api`."""

    def __init__(self, url: str, scheduler: Scheduler, *, timeout_s: float, retries: int) -> None:
        self.url = url.rstrip("/")
        self._scheduler = scheduler
        self._retries = retries
        self._timeout_s = max(1, round(timeout_s))
        self._idle: defaultdict[str | None, list[Github]] = defaultdict(list)  # by token
        self._reached = False
        Requester.injectConnectionClasses(_Plain, _Secure)
        logging.getLogger("github").setLevel(logging.WARNING)  # else every rename is a line

    def close(self) -> None:
        """Close the connections."""
        for clients in self._idle.values():
            for client in clients:
                client.close()
        self._idle.clear()

    async def search(self, query: str, page: int) -> Page:
        """See Api."""

        def send(client: Github) -> Page:
            _, body = client.requester.requestJsonAndCheck(
                "GET",
                "/search/repositories",
                parameters={"q": query, "sort": "stars", "order": "desc", "page": page + 1}
                | {"per_page": PAGE_SIZE},
            )
            found = tuple(_found(item) for item in body["items"])
            return Page(found, int(body["total_count"]), bool(body["incomplete_results"]))

        return await self._call("search", "/search/repositories", send)

    async def repositories_since(self, number: int) -> list[Listed]:
        """See Api."""

        def send(client: Github) -> list[Listed]:
            ask = client.requester.requestJsonAndCheck
            _, items = ask("GET", "/repositories", parameters={"since": number})
            # A repository that GitHub can't show any more is a null in this list.
            return [_listed(item) for item in items if item]

        return await self._call("core", "/repositories", send)

    async def head_commit(self, name: str) -> str:
        """See Api."""
        path = f"/repos/{name}/commits/HEAD"

        def send(client: Github) -> str:
            # The bare id; the commit as JSON would bring its whole difference along.
            ask = client.requester.requestJsonAndCheck
            _, answer = ask("GET", path, headers={"Accept": _BARE_ID})
            commit = ""
            if isinstance(answer, dict):  # whole, where a server knows no bare ids
                commit = str(answer.get("sha") or answer["data"])
            # An id without letters is taken for a number on the way.
            return commit if _COMMIT.fullmatch(commit) else str(ask("GET", path)[1]["sha"])

        return await self._call("core", path, send)

    async def languages(self, name: str) -> dict[str, int]:
        """See Api."""
        return await self._call(
            "core",
            f"/repos/{name}/languages",
            # What has no "url" gets one from PyGithub.
            lambda client: {
                key: int(size)
                for key, size in client.get_repo(name).get_languages().items()
                if key != "url"
            },
        )

    async def repository(self, name_or_id: str | int) -> Found:
        """See Api."""
        by_id = isinstance(name_or_id, int)
        path = f"/repositories/{name_or_id}" if by_id else f"/repos/{name_or_id}"
        return await self._call(
            "core",
            path,
            lambda client: _found(client.requester.requestJsonAndCheck("GET", path)[1]),
        )

    async def rate_limit(self) -> dict[str, Quota]:
        """See Api."""

        def send(client: Github) -> dict[str, Quota]:
            _, body = client.requester.requestJsonAndCheck("GET", "/rate_limit")
            return {
                name: Quota(int(each["limit"]), int(each["remaining"]), int(each["reset"]))
                for name, each in body["resources"].items()
                if name in ("core", "search", "graphql")
            }

        try:
            return await self._call("core", "/rate_limit", send)
        except ApiError as error:
            if error.status == 404:  # "Rate limiting is not enabled.", says GitHub Enterprise
                return {}
            raise

    async def login(self) -> str:
        """Whose token it is."""
        return await self._call(
            "core",
            "/user",
            lambda client: str(client.requester.requestJsonAndCheck("GET", "/user")[1]["login"]),
        )

    async def graphql(self, query: str, variables: Mapping[str, Any]) -> Any:
        """See Api."""

        def send(client: Github) -> Any:
            # graphql_query() would drop the data that comes beside errors.
            _, body = client.requester.requestJsonAndCheck(
                "POST",
                client.requester.graphql_url,
                input={"query": query, "variables": dict(variables)},
            )
            # A page of text comes back as {"data": text}.
            if not isinstance(body["data"] if "data" in body else body["errors"], _GRAPHQL):
                raise TypeError("neither data nor errors")
            return body

        # What GitHub did not finish in ten seconds it will hardly finish now: a smaller query may.
        return await self._call("graphql", "/graphql", send, unfinished=_UNFINISHED)

    async def _call(
        self,
        resource: ApiResource,
        path: str,
        send: Callable[[Github], T],
        *,
        unfinished: int | None = None,
    ) -> T:
        """`unfinished`: retries after a 5xx, where those of the recipe are too many."""
        failures = 0
        while True:
            async with self._scheduler.lease(resource, url=self.url + path) as lease:
                came = await in_daemon(partial(self._send, lease.token, send))
                limited = _tell(lease, came, resource)
            if not isinstance(came.trouble, requests.RequestException):
                self._reached = True
            if limited:
                failures = 0
                continue
            if came.trouble is None:
                return came.value
            answered = isinstance(came.trouble, GithubException)
            retries = min(self._retries, unfinished) if unfinished and answered else self._retries
            self._judge(path, came.trouble, last=failures >= retries)
            failures += 1
            await self._scheduler.clock.pause(backoff_s(failures))

    def _send(self, token: str | None, send: Callable[[Github], T]) -> _Came[T]:
        """One request, in a thread, by a client that nobody else uses meanwhile."""
        clients = self._idle[token]
        client = clients.pop() if clients else self._new_client(token)
        came: _Came[T] = _Came()
        try:
            came.value = send(client)
        except (GithubException, requests.RequestException, *_NOT_AN_ANSWER) as error:
            came.trouble = error
        came.headers = getattr(_heard, "headers", {})
        clients.append(client)
        return came

    def _judge(self, path: str, trouble: Exception, *, last: bool) -> None:
        """Return if another try may help. Raises ApiError or UnreachableError if not."""
        if isinstance(trouble, GithubException):
            answer = _answer(trouble)
            if not may_pass(answer.status) or last:
                # Not chained: what the server sent may hold our token.
                raise self._error(path, answer) from None
        elif isinstance(trouble, requests.RequestException):
            # Where nobody listens and nobody has answered yet, the address is wrong.
            if last or (_refused(trouble) and not self._reached):
                raise self._unreachable(trouble) from None
        else:
            problem = "that is not what a GitHub API answers; is api_url right?"
            if _REDIRECTED in str(trouble):  # PyGithub follows no redirect to another host
                problem = "redirects to another address: correct api_url"
            raise ApiError(self.url + path, 200, problem) from None

    def _new_client(self, token: str | None) -> Github:
        return Github(
            base_url=self.url,
            auth=Auth.Token(token) if token else None,
            timeout=self._timeout_s,
            user_agent=USER_AGENT,
            per_page=PAGE_SIZE,
            retry=None,
            seconds_between_requests=0,
            seconds_between_writes=0,
            lazy=True,
        )

    def _error(self, path: str, answer: Answer) -> ApiError:
        # Cut after that: half a token would not be recognised.
        problem = self._scheduler.scrub(answer.message)[:_MAX_MESSAGE] or "no reason given"
        if answer.status == 401:
            problem += "; the token is not accepted: check GITHUB_TOKEN"
        return ApiError(self.url + path, answer.status, problem)

    def _unreachable(self, error: requests.RequestException) -> UnreachableError:
        kind = "no answer in time" if isinstance(error, requests.Timeout) else "no connection"
        return UnreachableError(
            f"{self.url}: {kind}; check api_url and the network, then run again to go on"
        )


class _Came(Generic[T]):
    """What came back: a value or trouble, and the headers that tell of limits."""

    value: T
    trouble: Exception | None = None
    headers: Mapping[str, str]


def _tell(lease: Lease, came: _Came[Any], resource: ApiResource) -> bool:
    """Tell the scheduler; whether it was a rate limit."""
    if came.trouble is None:
        body = came.value if resource == "graphql" else None
        return lease.answered(200, came.headers, body=body)
    if isinstance(came.trouble, GithubException):
        answer = _answer(came.trouble)
        return lease.answered(answer.status, {**came.headers, **answer.headers}, answer.message)
    return False


# What the last answer in this thread said beside its body; each request has a thread of its own.
_heard = threading.local()


def _remembered(response: RequestsResponse) -> RequestsResponse:
    _heard.headers = {str(key).lower(): str(value) for key, value in response.getheaders()}
    return response


def _listed(item: Mapping[str, Any]) -> Listed:
    return Listed(int(item["id"]), str(item["node_id"]), str(item["full_name"]), bool(item["fork"]))


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

    def getresponse(self) -> RequestsResponse:
        return _remembered(super().getresponse())


class _Secure(HTTPSRequestsConnectionClass):
    """The same over TLS."""

    def __init__(self, host: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(host, *args, **kwargs)
        self.session.trust_env = not is_local(host)

    def getresponse(self) -> RequestsResponse:
        return _remembered(super().getresponse())


def _refused(error: requests.RequestException) -> bool:
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)


def _answer(error: GithubException) -> Answer:
    headers = {str(key).lower(): str(value) for key, value in (error.headers or {}).items()}
    data = error.data
    message = data.get("message") or data.get("data") if isinstance(data, dict) else data
    text = message if isinstance(message, str) else json.dumps(message) if message else ""
    if text.lstrip()[:1] == "<":  # a page for people: what it shows, less how
        text = html.unescape(_TAG.sub(" ", text))
    return Answer(error.status, headers, " ".join(text.split()))


def _found(item: Mapping[str, Any]) -> Found:
    # Not PyGithub's objects: for a field that an item lacks they send a request of their own,
    # past the scheduler.
    return Found(
        id=int(item["id"]),
        node_id=str(item.get("node_id") or made_node_id(int(item["id"]))),
        name=str(item["full_name"]),
        stars=item.get("stargazers_count"),
        fork=bool(item["fork"]),
        size_kb=item.get("size"),
        license=item["license"]["spdx_id"] if item.get("license") else None,
        pushed_at=_iso(item.get("pushed_at")),
        created_at=_iso(item.get("created_at")),
        archived=item.get("archived"),
    )


def _iso(moment: str | None) -> str | None:
    return datetime.fromisoformat(moment).astimezone(UTC).isoformat() if moment else None
