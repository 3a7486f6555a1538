"""What an answer of GitHub means: wait, ask again, follow, or a final word on a repository.

Pure functions without I/O or a clock of their own; `harvest.scheduler` does the waiting.
Sources: GitHub REST documentation, "Rate limits for the REST API", "Best practices for using
the REST API" and "Troubleshooting the REST API"; GraphQL documentation, "Rate limits and query
limits for the GraphQL API".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

UNSTATED_WAIT_S = 60.0  # "wait for at least one minute before retrying"
MAX_LIMIT_HITS = 6  # in a row; the last wait is then half an hour
MAX_BACKOFF_S = 30.0
RESET_MARGIN_S = 1.0  # the reset is stated in whole seconds
MAX_SKEW_S = 5.0  # what clocks may differ by before it is reckoned with
MAX_REDIRECTS = 5

State = Literal["gone", "blocked", "empty"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: header names in lower case, the message of the body if there is one."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """How long not to send anything, and why; whether one resource is meant or all of a user's."""

    seconds: float
    reason: str
    scope: Literal["resource", "user"] = "user"


def retry_delay(answer: Answer, *, now: float, attempt: int) -> Wait | None:
    """The wait that a rate limit asks for, or None if the answer is not about one.

    `now` in seconds since the epoch; `attempt` counts limits met in a row, from 1.
    """
    # 403 also means "forbidden" and "blocked": the status alone can't tell them apart.
    if answer.status not in (403, 429):
        return None
    after = retry_after_s(answer.headers, now)
    if after is not None:
        return Wait(after, f"HTTP {answer.status} with Retry-After")
    if answer.headers.get("x-ratelimit-remaining") == "0":
        return Wait(reset_s(answer.headers, now), "the rate limit is used up", "resource")
    if answer.status == 429 or _speaks_of_limit(answer.message):
        seconds = UNSTATED_WAIT_S * 2 ** (attempt - 1)
        return Wait(seconds, f"HTTP {answer.status}: a secondary rate limit")
    return None


def on_our_clock(headers: Mapping[str, str], now: float) -> Mapping[str, str]:
    """The headers with every moment as our clock has it, should the server's `Date` differ."""
    date = _moment(headers.get("date", ""))
    if date is None or abs(date - now) <= MAX_SKEW_S:
        return headers
    moved = dict(headers)
    reset = headers.get("x-ratelimit-reset", "")
    if reset.isascii() and reset.isdigit():
        moved["x-ratelimit-reset"] = str(max(0, round(float(reset) - date + now)))
    after = _moment(headers.get("retry-after", ""))
    if after is not None:
        moved["retry-after"] = str(max(0, round(after - date)))
    return moved


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Retry-After as seconds from `now`; both forms of RFC 9110, section 10.2.3."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    date = _moment(text)
    return UNSTATED_WAIT_S if date is None else max(0.0, date - now)


def _moment(text: str) -> float | None:
    """An HTTP date in seconds since the epoch."""
    try:
        date = parsedate_to_datetime(text)
        return (date.replace(tzinfo=UTC) if date.tzinfo is None else date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def reset_s(headers: Mapping[str, str], now: float) -> float:
    """Seconds until `x-ratelimit-reset`, with a margin; a minute if that header makes no sense."""
    text = headers.get("x-ratelimit-reset", "")
    if not (text.isascii() and text.isdigit()):
        return UNSTATED_WAIT_S
    return max(0.0, float(text) - now) + RESET_MARGIN_S


def _speaks_of_limit(message: str) -> bool:
    text = message.lower()
    return "rate limit" in text or "abuse detection" in text or "try again later" in text


def may_pass(status: int) -> bool:
    """Whether the same request may succeed soon without a word from us."""
    return status >= 500 or status in (202, 408)


def backoff_s(attempt: int) -> float:
    """Seconds before attempt `attempt` + 1 after a 5xx or a lost connection."""
    return min(MAX_BACKOFF_S, 0.5 * 2.0 ** (attempt - 1))


def repository_state(answer: Answer) -> tuple[State, str] | None:
    """What a final answer to a request about one repository says of it, and the counted reason."""
    known: dict[int, tuple[State, str]] = {
        404: ("gone", "not_found"),  # deleted, or private now
        410: ("gone", "not_found"),
        409: ("empty", "no_commits"),
        451: ("blocked", "legal"),  # a takedown notice
    }
    if answer.status == 403:
        named = "blocked" if "blocked" in answer.message.lower() else "forbidden"
        return "blocked", named
    return known.get(answer.status)


@dataclass(frozen=True, slots=True)
class Hop:
    """Where a redirect leads, and whether the token may go along."""

    url: str
    with_token: bool


class BadRedirectError(ValueError):
    """A redirect that must not be followed; the text says why."""


def next_hop(url: str, location: str | None, *, with_token: bool) -> Hop:
    """Follow a redirect. The token goes only to the very origin that it was sent to.

    Archives redirect to another host (302 to codeload), whose address is already signed.
    Raises BadRedirectError.
    """
    if not location:
        raise BadRedirectError("a redirect without a Location")
    target = urljoin(url, location)
    here, there = urlsplit(url), urlsplit(target)
    if there.scheme not in ("http", "https") or not there.hostname:
        raise BadRedirectError(f"a redirect to a {there.scheme or 'nameless'} address")
    if here.scheme == "https" and there.scheme == "http":
        raise BadRedirectError("a redirect from https to http")
    return Hop(target, with_token and _origin(url) == _origin(target))


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    default = 443 if parts.scheme == "https" else 80
    return parts.scheme, parts.hostname, parts.port or default


@dataclass(frozen=True, slots=True)
class Nodes:
    """What a GraphQL `nodes(ids:)` answer says about each id that was asked for."""

    found: dict[str, dict[str, Any]]
    gone: tuple[str, ...]
    again: tuple[str, ...]  # neither: to be asked for again, in a smaller batch


def read_nodes(ids: Sequence[str], body: Any) -> Nodes:
    """Sort a possibly partial answer: GraphQL says 200 and lists `errors` beside the data."""
    data = body.get("data") if isinstance(body, Mapping) else None
    nodes = (data or {}).get("nodes") or []
    if len(nodes) != len(ids):
        return Nodes({}, (), tuple(ids))
    missing = {
        error["path"][1]
        for error in graphql_errors(body)
        if error.get("type") == "NOT_FOUND" and len(error.get("path") or ()) > 1
    }
    found = {key: node for key, node in zip(ids, nodes, strict=True) if node}
    gone = tuple(ids[i] for i, node in enumerate(nodes) if not node and i in missing)
    again = tuple(key for key in ids if key not in found and key not in gone)
    # No error at all and still null: GitHub answers so for what can't be seen.
    return Nodes(found, gone + again, ()) if not graphql_errors(body) else Nodes(found, gone, again)


def graphql_errors(body: Any) -> list[dict[str, Any]]:
    """The `errors` of a GraphQL answer."""
    errors = body.get("errors") if isinstance(body, Mapping) else None
    return [error for error in errors or () if isinstance(error, dict)]


def graphql_delay(
    body: Any, headers: Mapping[str, str], *, now: float, attempt: int
) -> Wait | None:
    """The wait that a 200 with a RATE_LIMITED error asks for."""
    for error in graphql_errors(body):
        limited = error.get("type") in ("RATE_LIMITED", "RATE_LIMIT")
        if limited or _speaks_of_limit(str(error.get("message", ""))):
            told = Answer(429, headers, str(error.get("message", "")))
            return retry_delay(told, now=now, attempt=attempt)
    return None
