"""What can be made to go wrong, where, and how often.

A `Fault` joins one action with the routes and repositories that it strikes. Which request is
struck depends on counts only, so a test that asks in the same order meets the same faults.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

Route = Literal[
    "*",
    "archive",
    "commit",
    "git",
    "graphql",
    "languages",
    "license",
    "rate_limit",
    "repositories",
    "repository",
    "repository_by_id",
    "search",
    "tarball",
    "user",
]
Hostile = Literal[
    "absolute_path",
    "bomb",
    "claimed_size",
    "device",
    "duplicate_names",
    "hard_link",
    "huge_header",
    "many_members",
    "parent_path",
    "symbolic_link",
]
HostilePackKind = Literal[
    "bomb",
    "claimed_size",
    "damaged",
    "delta_bomb",
    "error_line",
    "fatal_band",
    "missing_base",
    "missing_object",
    "many_objects",
    "not_a_pack",
    "wrong_blob",
]


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Truncate:
    """Close the connection after so many bytes of the body."""

    after_bytes: int = 1_000


@dataclass(frozen=True, slots=True)
class Delay:
    """Answer later."""

    wait_s: float


@dataclass(frozen=True, slots=True)
class PrimaryLimit:
    """403 or 429 with no requests remaining until a reset in so many seconds."""

    status: Literal[403, 429] = 403
    reset_s: int = 1


@dataclass(frozen=True, slots=True)
class SecondaryLimit:
    """403 or 429 with requests remaining; None leaves Retry-After out."""

    status: Literal[403, 429] = 403
    retry_after_s: int | None = 1


@dataclass(frozen=True, slots=True)
class ServerError:
    """One of GitHub's own failures."""

    status: Literal[500, 502, 503, 504] = 502


@dataclass(frozen=True, slots=True)
class Gone:
    """404: deleted or private."""


@dataclass(frozen=True, slots=True)
class Empty:
    """409: a repository without a commit."""


@dataclass(frozen=True, slots=True)
class TakenDown:
    """451: a DMCA notice."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """403: access blocked by GitHub's staff."""


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A search that timed out: `incomplete_results`, and the last `missing` results not there."""

    missing: int = 1


@dataclass(frozen=True, slots=True)
class NotGzip:
    """An archive that is a page of text."""


@dataclass(frozen=True, slots=True)
class HostileArchive:
    """An archive made to hurt whoever unpacks it; see `hostile`."""

    kind: Hostile


@dataclass(frozen=True, slots=True)
class NoFilter:
    """A git host that filters no objects."""


@dataclass(frozen=True, slots=True)
class OldProtocol:
    """A git host that does not know version 2 of the protocol."""


@dataclass(frozen=True, slots=True)
class HostilePack:
    """A git host's answer made to hurt whoever reads it; see `hostilepack`."""

    kind: HostilePackKind


Action = (
    Drop
    | Truncate
    | Delay
    | PrimaryLimit
    | SecondaryLimit
    | ServerError
    | Gone
    | Empty
    | TakenDown
    | Blocked
    | Incomplete
    | NotGzip
    | HostileArchive
    | NoFilter
    | OldProtocol
    | HostilePack
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An action, and which of the matching requests it strikes.

    `repository` is a pattern as of a shell for `owner/name`; "*" also strikes requests that are
    about no one repository. Of the matching requests the first `skip` go free; then each
    `every`-th is struck, `count` of them (None: all).
    """

    action: Action
    route: Route = "*"
    repository: str = "*"
    skip: int = 0
    every: int = 1
    count: int | None = None

    def __post_init__(self) -> None:
        if self.skip < 0:
            raise ValueError("skip: can't be negative")
        if self.every < 1:
            raise ValueError("every: must be at least 1")
        if self.count is not None and self.count < 0:
            raise ValueError("count: can't be negative")

    def concerns(self, route: str, repository: str | None) -> bool:
        """True if a request on this route for this repository may be struck."""
        named = self.repository == "*" or (
            repository is not None and fnmatchcase(repository.lower(), self.repository.lower())
        )
        return named and self.route in ("*", route)

    def strikes(self, turn: int) -> bool:
        """True for the matching requests that are struck; `turn` counts them from 1."""
        nth, rest = divmod(turn - self.skip, self.every)
        return nth > 0 and rest == 0 and (self.count is None or nth <= self.count)


class FaultBoard:
    """The faults that are switched on, and how many requests each has seen."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._seen: list[int] = []
        self.replace(faults)

    def replace(self, faults: Iterable[Fault]) -> None:
        """Switch all off and these on; counting starts anew. Safe from any thread."""
        with self._lock:
            self._faults = list(faults)
            self._seen = [0] * len(self._faults)

    def struck(self, route: str, repository: str | None) -> list[Action]:
        """Count one request, and say what happens to it, in the order of the faults."""
        actions = []
        with self._lock:
            for number, fault in enumerate(self._faults):
                if fault.concerns(route, repository):
                    self._seen[number] += 1
                    if fault.strikes(self._seen[number]):
                        actions.append(fault.action)
        return actions
