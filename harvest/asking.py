"""Asking hosts that redirect, limit and fail: what archives and git over HTTP have in common."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp

from corpus.errors import ArchiveError
from harvest.api import USER_AGENT
from harvest.budget import Resource
from harvest.gunzip import DamagedError
from harvest.policy import MAX_REDIRECTS, Answer, BadRedirectError, Hop, backoff_s, next_hop
from harvest.scheduler import Lease, Scheduler

T = TypeVar("T")
_MAX_MESSAGE_BYTES = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)
# Another try may bring other bytes; a limit that was passed once is passed again.
DAMAGE = frozenset({"truncated", "corrupt", "not_gzip", "wrong_commit", "missing_object"})


class LimitedError(Exception):
    """A rate limit was met; the next lease waits for its end."""


class PassingError(Exception):
    """What another try may cure; `reason` is counted if none does."""

    def __init__(self, reason: str, *, answered: bool = True) -> None:
        self.reason, self.answered = reason, answered
        super().__init__(reason)


@dataclass(slots=True)
class Wire:
    """What went over the wire, headers included as HTTP/1.1 has them, TLS and TCP left out."""

    requests: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """Both ways."""
        return self.sent_bytes + self.received_bytes

    def plus(self, other: Wire) -> Wire:
        """Both together."""
        return Wire(
            self.requests + other.requests,
            self.sent_bytes + other.sent_bytes,
            self.received_bytes + other.received_bytes,
        )

    def count(self, response: aiohttp.ClientResponse, body_bytes: int) -> None:
        """Add a request and as much of its answer as came."""
        asked = response.request_info
        self.requests += 1
        line = len(response.method) + len(asked.url.raw_path_qs) + len("  HTTP/1.1\r\n\r\n")
        self.sent_bytes += line + body_bytes
        self.sent_bytes += sum(len(name) + len(value) + 4 for name, value in asked.headers.items())
        self.received_bytes += len(f"HTTP/1.1 200 {response.reason}\r\n\r\n")
        self.received_bytes += sum(len(n) + len(v) + 4 for n, v in response.raw_headers)
        self.received_bytes += response.content.total_bytes


@dataclass(frozen=True, slots=True)
class Question:
    """What to send, to wherever redirects lead."""

    hop: Hop
    # (where the token goes along, elsewhere)
    resources: tuple[Resource, Resource]
    repository: int | None = None
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    authorize: Callable[[str], str] = "token {}".format


class Host:
    """A kind of host, asked any number of things at once within one event loop."""

    def __init__(
        self, session: aiohttp.ClientSession, scheduler: Scheduler, *, retries: int
    ) -> None:
        self.scheduler = scheduler
        self.answers = 0  # to anything
        self.wire = Wire()
        self._session, self._retries = session, retries

    async def persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it works. Raises the last PassingError, or what is no use to try again."""
        failures = 0
        while True:
            try:
                return await attempt()
            except LimitedError:
                continue
            except (ArchiveError, DamagedError) as error:
                if error.reason not in DAMAGE:
                    raise
                last = PassingError(error.reason)
            except PassingError as error:
                last = error
            if failures == self._retries:
                raise last
            failures += 1
            await self.scheduler.clock.pause(backoff_s(failures))

    async def ask(
        self, question: Question, take: Callable[[aiohttp.ClientResponse], Awaitable[T]]
    ) -> T | Answer:
        """What `take` makes of a 200, or a final answer of another kind, its redirects followed.

        The token goes only to the very origin that it is meant for. Raises LimitedError,
        PassingError, and whatever `take` raises.
        """
        hop = question.hop
        for _ in range(MAX_REDIRECTS + 1):
            resource = question.resources[0 if hop.with_token else 1]
            url, repository = bare(hop.url), question.repository
            async with self.scheduler.lease(resource, repository=repository, url=url) as lease:
                answer = await self._send(question, hop, lease, take)
            if not isinstance(answer, Answer) or answer.status not in _REDIRECTS:
                return answer
            hop = _followed(hop, answer.headers)
        raise PassingError("too_many_redirects")

    async def _token(self, hop: Hop, lease: Lease) -> str | None:
        """The token that goes along: of whoever's limit the lease is, or of the site."""
        if not hop.with_token:
            return None
        return lease.token if lease.user else await self.scheduler.site_token()

    async def _send(
        self,
        question: Question,
        hop: Hop,
        lease: Lease,
        take: Callable[[aiohttp.ClientResponse], Awaitable[T]],
    ) -> T | Answer:
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **question.headers}
        token = await self._token(hop, lease)
        if token:
            headers["Authorization"] = question.authorize(token)
        try:
            async with self._session.request(
                question.method,
                hop.url,
                headers=headers,
                data=question.body,
                allow_redirects=False,
            ) as response:
                self.answers += 1
                try:
                    return await _receive(response, lease, take)
                finally:
                    self.wire.count(response, len(question.body or b""))
        except TimeoutError:
            raise PassingError("timeout", answered=False) from None
        except aiohttp.ClientError:
            # Not chained: aiohttp's errors carry the request with its headers.
            raise PassingError("connection_lost", answered=False) from None


async def _receive(
    response: aiohttp.ClientResponse,
    lease: Lease,
    take: Callable[[aiohttp.ClientResponse], Awaitable[T]],
) -> T | Answer:
    if response.status == 200:
        lease.answered(200, _lowered(response.headers))
        return await take(response)
    answer = await _read_answer(response)
    if lease.answered(answer.status, answer.headers, answer.message):
        raise LimitedError
    return answer


def _followed(hop: Hop, headers: Mapping[str, str]) -> Hop:
    try:
        return next_hop(hop.url, headers.get("location"), with_token=hop.with_token)
    except BadRedirectError as error:
        raise PassingError("bad_redirect") from error


async def _read_answer(response: aiohttp.ClientResponse) -> Answer:
    body = await read_most(response, _MAX_MESSAGE_BYTES)
    try:
        message = str(json.loads(body).get("message", ""))
    except (ValueError, AttributeError):
        message = body[:300].decode("utf-8", "replace")
    return Answer(response.status, _lowered(response.headers), message)


async def read_most(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The body, or as much of it as is wanted."""
    body = bytearray()
    while len(body) < most and (piece := await response.content.read(most - len(body))):
        body += piece
    return bytes(body)


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {key.lower(): value for key, value in headers.items()}


def bare(url: str) -> str:
    """Without the query: archive addresses are signed."""
    return url.partition("?")[0]


def blames_server(reason: str) -> bool:
    """Whether the server failed, as opposed to sending what can't be used."""
    return reason.startswith("http_5") or reason in ("connection_lost", "timeout")
