"""What happens around every API request: faults, identity, limits, headers, ETags, errors."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from aiohttp import web

from corpus.errors import PycodegptError
from harvest.loopback import faults as fault
from harvest.loopback import problems
from harvest.loopback.faults import FaultBoard
from harvest.loopback.index import Index
from harvest.loopback.installations import Installations
from harvest.loopback.limits import Accounts, Caller, Resource, Standing
from harvest.loopback.problems import ProblemError

API_VERSIONS = ("2022-11-28",)
ENTERPRISE_PREFIX = "/api/v3"
_DMCA_DATE = "2021-01-01T00:00:00Z"
_EXPOSED = "ETag, Link, Location, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining"
_RESOURCES: dict[str, Resource | None] = {"search": "search", "graphql": "graphql"}
_FREE = ("rate_limit", "access_tokens")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers: a value for JSON, or text, or bytes that are passed on as is."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"


@dataclass(slots=True)
class Server:
    """All that handlers share."""

    index: Index
    accounts: Accounts | None  # None: no limits and no X-RateLimit headers, as Enterprise can be
    users: Mapping[str, str] | None  # token -> login; None: any token is someone's
    board: FaultBoard
    installations: Installations
    archive_url: str = ""
    requests: Counter[tuple[str, int]] = field(default_factory=Counter)


@dataclass(slots=True)
class Exchange:
    """One API request and what is known about it."""

    server: Server
    request: web.Request
    route: str
    caller: Caller
    login: str | None
    actions: list[fault.Action]

    @property
    def base(self) -> str:
        """The API's address as this client wrote it, for links in the answer."""
        enterprise = self.request.path.startswith(ENTERPRISE_PREFIX + "/")
        return f"http://{self.request.host}{ENTERPRISE_PREFIX if enterprise else ''}"

    @property
    def resource(self) -> Resource | None:
        """The rate limit that this request counts for."""
        return None if self.route in _FREE else _RESOURCES.get(self.route, "core")


Handler = Callable[[Exchange], Awaitable[Reply]]


def endpoint(server: Server, route: str, handler: Handler) -> Callable[..., Any]:
    """An aiohttp handler that does everything around `handler`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        actions = server.board.struck(route, _repository_of(server.index, request))
        try:
            response = await _respond(server, request, route, handler, actions)
        except ConnectionError:
            server.requests[route, 0] += 1
            return hung_up()
        server.requests[route, response.status] += 1
        return response

    return answer


HostHandler = Callable[
    [Server, web.Request, str, list[fault.Action]], Awaitable[web.StreamResponse]
]


def host_endpoint(server: Server, route: str, handler: HostHandler) -> Callable[..., Any]:
    """The same for a host beside the API, which takes any token and counts for no limit."""

    async def answer(request: web.Request) -> web.StreamResponse:
        owner, repo = request.match_info["owner"], request.match_info["repo"]
        name = f"{owner}/{repo.removesuffix('.git')}"
        actions = server.board.struck(route, name)
        try:
            response = await handler(server, request, name, actions)
        except ConnectionError:
            server.requests[route, 0] += 1
            return hung_up()
        server.requests[route, response.status] += 1
        return response

    return answer


async def _respond(
    server: Server,
    request: web.Request,
    route: str,
    handler: Handler,
    actions: list[fault.Action],
) -> web.StreamResponse:
    await suffer_delay_or_drop(request, actions)
    exchange = None
    try:
        exchange = _open(server, request, route, actions)
        reply = await _limited(exchange, handler)
    except ProblemError as problem:
        reply = Reply(problem.body, problem.status, problem.headers)
    except PycodegptError as error:
        # The catalog can't read its files: GitHub's status, but our own reason.
        reply = Reply({"message": f"Server Error: {error}"}, 500)
    response = _response(request, reply)
    response.headers["Date"] = formatdate(server.installations.clock(), usegmt=True)
    if exchange is not None:
        _settle(exchange, response)
    _common_headers(response)
    return await _truncated(request, response, actions)


async def suffer_delay_or_drop(request: web.Request, actions: list[fault.Action]) -> None:
    """Wait, or hang up, if that is this request's fate. Raises ConnectionResetError."""
    for action in actions:
        if isinstance(action, fault.Delay):
            await asyncio.sleep(action.wait_s)
        if isinstance(action, fault.Drop):
            hang_up(request)


def hang_up(request: web.Request) -> None:
    """Close the connection at once. Raises ConnectionResetError."""
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionResetError("dropped by a fault")


def hung_up() -> web.Response:
    """What to return for a closed connection: aiohttp notices that, and writes nothing."""
    return web.Response()


def status_fault(actions: list[fault.Action], repository: str) -> ProblemError | None:
    """The error answer among the actions, if there is one."""
    for action in actions:
        match action:
            case fault.SecondaryLimit(status, retry_after_s):
                return problems.secondary_limit(status=status, retry_after_s=retry_after_s)
            case fault.PrimaryLimit(status, reset_s):
                return _exhausted(status, reset_s)
            case fault.ServerError(status):
                return problems.server_error(status)
            case fault.Gone():
                return problems.not_found()
            case fault.Empty():
                return problems.empty_repository()
            case fault.TakenDown():
                notice = f"https://github.com/github/dmca/blob/master/{repository}.md"
                return problems.taken_down(_DMCA_DATE, notice)
            case fault.Blocked():
                return problems.access_blocked("tos", _DMCA_DATE)
    return None


def _exhausted(status: int, reset_s: int) -> ProblemError:
    problem = problems.primary_limit("user ID 1", status=status)
    reset = int(time.time()) + reset_s
    problem.headers.update(Standing("core", 5_000, 5_000, reset).headers())
    return problem


def _open(
    server: Server, request: web.Request, route: str, actions: list[fault.Action]
) -> Exchange:
    """Find out who asks. Raises ProblemError where GitHub would not listen."""
    if not request.headers.get("User-Agent"):
        raise problems.no_user_agent()
    version = request.headers.get("X-GitHub-Api-Version")
    if version is not None and version not in API_VERSIONS:
        raise problems.bad_version(version, API_VERSIONS)
    login = None
    if route != "access_tokens":  # which an App signs in another way
        login = login_of(request.headers.get("Authorization"), server.users, server.installations)
    caller = Caller(login or request.remote or "", anonymous=login is None)
    return Exchange(server, request, route, caller, login, actions)


def login_of(
    authorization: str | None, users: Mapping[str, str] | None, installations: Installations
) -> str | None:
    """Whose token this is; None without one. Raises ProblemError 401 for one that nobody has."""
    if authorization is None:
        return None
    scheme, _, token = authorization.strip().partition(" ")
    token = token.strip()
    if scheme.lower() not in ("token", "bearer") or not token:
        raise problems.bad_credentials()
    if installations.has_issued(token):
        login = installations.login_of(token)
        if login is None:
            raise problems.bad_credentials()
        return login
    if users is None:
        return "user-" + hashlib.sha256(token.encode()).hexdigest()[:8]
    if token not in users:
        raise problems.bad_credentials()
    return users[token]


async def _limited(exchange: Exchange, handler: Handler) -> Reply:
    """Run the handler if the limits allow it. Raises ProblemError."""
    accounts, caller, resource = exchange.server.accounts, exchange.caller, exchange.resource
    if problem := status_fault(exchange.actions, exchange.request.path.strip("/")):
        spent = any(isinstance(each, fault.PrimaryLimit) for each in exchange.actions)
        raise (
            _graphql_limit(caller, problem.headers) if spent and resource == "graphql" else problem
        )
    if accounts is None or resource is None:
        return await handler(exchange)
    try:
        if not accounts.begin(caller, resource):
            raise problems.secondary_limit(retry_after_s=accounts.limits.retry_after_s)
        # A caller without a token has no GraphQL at all; the handler says so better.
        if not (resource == "graphql" and caller.anonymous):
            _charge(accounts, caller, resource)
        return await handler(exchange)
    finally:
        accounts.end(caller)


def _charge(accounts: Accounts, caller: Caller, resource: Resource) -> None:
    if accounts.charge(caller, resource):
        return
    if resource == "graphql":
        raise _graphql_limit(caller, {})
    raise problems.primary_limit(_called(caller))


def _graphql_limit(caller: Caller, headers: Mapping[str, str]) -> ProblemError:
    """GraphQL reports its primary limit inside a successful answer."""
    message = f"API rate limit exceeded for {_called(caller)}."
    return ProblemError(200, {"errors": [{"type": "RATE_LIMITED", "message": message}]}, headers)


def _called(caller: Caller) -> str:
    return caller.name if caller.anonymous else f"user {caller.name}"


def _response(request: web.Request, reply: Reply) -> web.Response:
    body = reply.body if isinstance(reply.body, bytes) else _json(reply.body)
    headers = {**reply.headers, "Content-Type": reply.content_type}
    if reply.status != 200 or request.method not in ("GET", "HEAD"):
        return web.Response(status=reply.status, body=body, headers=headers)
    etag = f'W/"{hashlib.sha256(body).hexdigest()}"'
    headers |= {
        "ETag": etag,
        "Cache-Control": "private, max-age=60, s-maxage=60",
        "Vary": "Accept, Authorization, Cookie, X-GitHub-OTP",
    }
    asked = request.headers.get("If-None-Match", "")
    if etag in (each.strip() for each in asked.split(",")):
        del headers["Content-Type"]
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers=headers)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _settle(exchange: Exchange, response: web.Response) -> None:
    """Give back what a 304 cost, and say how the caller stands."""
    accounts, resource = exchange.server.accounts, exchange.resource or "core"
    if accounts is None or "X-RateLimit-Limit" in response.headers:
        return
    # Free only for requests with a token, says "Best practices for using the REST API".
    if response.status == 304 and exchange.resource and not exchange.caller.anonymous:
        accounts.refund(exchange.caller, resource)
    if standing := accounts.standing(exchange.caller, resource):
        response.headers.update(standing.headers())


def _common_headers(response: web.Response) -> None:
    response.headers["Server"] = "github.com"
    response.headers["X-GitHub-Request-Id"] = _request_id()
    response.headers["X-GitHub-Media-Type"] = "github.v3; format=json"
    response.headers["X-GitHub-Api-Version-Selected"] = API_VERSIONS[-1]
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = _EXPOSED


def _request_id() -> str:
    digits = uuid.uuid4().hex.upper()
    return ":".join((digits[:4], digits[4:10], digits[10:16], digits[16:22], digits[22:30]))


async def _truncated(
    request: web.Request, response: web.Response, actions: list[fault.Action]
) -> web.StreamResponse:
    cuts = [each.after_bytes for each in actions if isinstance(each, fault.Truncate)]
    if not cuts:
        return response
    body = response.body if isinstance(response.body, bytes) else b""
    partial = web.StreamResponse(status=response.status, headers=response.headers)
    partial.content_length = len(body)
    await partial.prepare(request)
    await partial.write(body[: min(cuts)])
    hang_up(request)
    return partial


def _repository_of(index: Index, request: web.Request) -> str | None:
    """`owner/name` of the repository that a request is about, for matching faults."""
    path = request.match_info
    if "number" in path:
        known = index.by_number(path["number"])
        return known.full_name if known else None
    return f"{path['owner']}/{path['repo']}" if "owner" in path else None
