"""What the harvest asks of GitHub's API, whoever answers: `harvest.github`, or a simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Protocol

from harvest.selection import Found

USER_AGENT = "pycodegpt-harvest"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search."""

    found: tuple[Found, ...]
    total: int
    incomplete: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """A repository as the list of all of them by id names it."""

    id: int
    node_id: str
    name: str  # owner/name
    fork: bool


@dataclass(frozen=True, slots=True)
class Quota:
    """Where a primary limit stands."""

    limit: int
    remaining: int
    reset: int  # seconds since the epoch


class Api(Protocol):
    """Calls that wait as told and retry what may pass, any number at once.

    Everything final is an ApiError with its status; a server that never answers, an
    UnreachableError.
    """

    async def search(self, query: str, page: int) -> Page:
        """Page `page` (from 0) of the repositories that match, the most starred first."""
        ...

    async def repositories_since(self, number: int) -> Sequence[Listed]:
        """The next 100 public repositories whose id is more than `number`, by id."""
        ...

    async def graphql(self, query: str, variables: Mapping[str, Any]) -> Any:
        """The body of a GraphQL answer, its `errors` included (but for rate limits)."""
        ...

    async def head_commit(self, name: str) -> str:
        """The id of the newest commit of the default branch."""
        ...

    async def languages(self, name: str) -> dict[str, int]:
        """Bytes by language."""
        ...

    async def repository(self, name_or_id: str | int) -> Found:
        """One repository by owner/name or by id; redirects of renamed ones are followed."""
        ...

    async def rate_limit(self) -> Mapping[str, Quota]:
        """Where core, search and graphql stand; costs nothing. Empty: there are no limits."""
        ...


def is_local(host: str) -> bool:
    """Whether the host is this machine, which no proxy leads to."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
