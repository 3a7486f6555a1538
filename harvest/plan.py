"""`harvest plan`: how many requests, bytes and hours a recipe will take, before anything starts.

A few cheap questions (`harvest.sample`) say how many repositories there are and what some of them
are like; the rest is arithmetic on GitHub's limits and on the assumptions below, all of it pure.
The simulator (`benchmarks/harvest/simulator`) compares such a plan with what a harvest then took.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from harvest.budget import POINTS_PER_MINUTE, Resource
from harvest.policy import RESET_MARGIN_S
from harvest.windows import PAGE_SIZE, SEARCH_CAP

_HOUR_S = 3_600.0
_SIDE_BY_SIDE = ("search", "ids", "gharchive")
_WINDOW_S: Mapping[str, float] = {"core": 3_600.0, "search": 60.0, "graphql": 3_600.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What can't be asked. Sources: docs/harvest.md ("What travels"), PyCodeGPT, measurements."""

    # "What travels": blobs of six repositories, trees included.
    blobs_wire_per_byte: float = 0.246
    # Trees and listings of a repository whose blobs are all known; ours.
    tree_wire_bytes: float = 6_000.0
    # "What travels": archives, a byte of code of any language.
    archive_wire_per_byte: float = 0.30
    # PyCodeGPT's own figures: 60.6M raw files, 13.0M unique and cleaned: 78% known.
    known_share: float = 0.78
    # The same six repositories' Python in zstd, as shards are: 10.72 MB of 51.30.
    disk_per_byte: float = 0.21
    # Advertisement, trees, blobs; and the API's redirect with the archive. Ours.
    blobs_requests: int = 3
    archive_requests: int = 1
    # How full a search window is when it needs no further split, and windows that were split for
    # each one that was read; both as the simulator finds them.
    window_fill: float = 0.705
    splits_per_window: float = 0.28
    # Requests again: windows whose answers were incomplete; details in smaller batches. The same.
    search_repeated: float = 0.02
    details_repeated: float = 0.05
    # This machine's line and how long an answer takes; neither is known before.
    line_bytes_per_s: float = 12.5e6
    api_request_s: float = 0.8
    graphql_request_s: float = 2.2
    git_request_s: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the server allows, by resource and window; `users` of whom each has that much."""

    core: int = 5_000
    search: int = 30
    graphql: int = 5_000
    users: int = 1
    concurrency: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A repository that was looked at, and how many it stands for."""

    eligible: bool
    python_bytes: int = 0
    transport: str = "blobs"
    stands_for: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the questions brought."""

    search_total: int | None = None  # repositories that a search counts
    listed: int | None = None  # by id, as far as the recipe goes
    parts: int = 1  # that ids are read in, each with a last page that is not full
    named: int = 0  # in list files and earlier harvests
    hours: int = 0  # of GH Archive
    enough: int | None = None  # of the most starred: no more than the first pages are read
    sample: Sequence[Kind] = ()
    looked_at: int = 0  # of the sample; what nobody looked at is assumed
    requests: Mapping[str, int] = field(default_factory=dict)  # that the questions cost

    @property
    def to_detail(self) -> int:
        """Repositories whose details will be asked for; sources overlap, so at most."""
        return (self.search_total or 0) + (self.listed or 0) + self.named


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A part of the work."""

    name: str
    requests: Mapping[str, int]  # by resource
    seconds: float
    wire_bytes: float = 0.0
    disk_bytes: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All of it."""

    repositories: int  # whose details will be asked for
    to_fetch: int
    steps: tuple[Step, ...]
    asked: Asked
    limits: Limits
    assumptions: Assumptions
    notes: tuple[str, ...] = ()

    @property
    def requests(self) -> dict[str, int]:
        """By resource."""
        total: Counter[str] = Counter()
        for step in self.steps:
            total.update(step.requests)
        return dict(total)

    @property
    def hours(self) -> float:
        """Sources side by side, then one step after the other."""
        listing = [step.seconds for step in self.steps if step.name in _SIDE_BY_SIDE]
        others = [step.seconds for step in self.steps if step.name not in _SIDE_BY_SIDE]
        return (max(listing, default=0.0) + sum(others)) / _HOUR_S

    @property
    def wire_bytes(self) -> float:
        """Of repositories; what the API says is small beside it."""
        return sum(step.wire_bytes for step in self.steps)

    @property
    def disk_bytes(self) -> float:
        """Shards, the frontier, and the set of known blobs."""
        return sum(step.disk_bytes for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "repositories": self.repositories,
            "to_fetch": self.to_fetch,
            "requests": self.requests,
            "hours": round(self.hours, 2),
            "wire_bytes": round(self.wire_bytes),
            "disk_bytes": round(self.disk_bytes),
            "steps": [asdict(step) for step in self.steps],
            "questions": dict(self.asked.requests),
            "sampled": self.asked.looked_at,
            "limits": asdict(self.limits),
            "assumptions": asdict(self.assumptions),
            "notes": list(self.notes),
        }


def least_seconds(resource: Resource, requests: int, limits: Limits, *, request_s: float) -> float:
    """How long so many requests of one kind take: full windows, and the rest as fast as allowed."""
    if requests <= 0:
        return 0.0
    allowed = max(1, limits.users * getattr(limits, resource))
    pace = limits.users * POINTS_PER_MINUTE["graphql" if resource == "graphql" else "rest"]
    windows = math.ceil(requests / allowed) - 1
    left = requests - windows * allowed
    # Answers come after `request_s`, and a minute's points come back a minute later.
    in_flight = left * request_s / (limits.users * limits.concurrency)
    last = max(in_flight, (math.ceil(left / pace) - 1) * 60.0)
    return windows * (_WINDOW_S[resource] + RESET_MARGIN_S + request_s) + last


def search_requests(total: int, assumptions: Assumptions) -> int:
    """Pages of windows that close, the last one of each not full, and windows that were split."""
    if total <= SEARCH_CAP:
        return max(1, math.ceil(total / PAGE_SIZE))
    windows = total / (SEARCH_CAP * assumptions.window_fill)
    pages = total / PAGE_SIZE + windows * (0.5 + assumptions.splits_per_window)
    return math.ceil(pages * (1 + assumptions.search_repeated))


def alike(total: int, kinds: Sequence[Kind]) -> list[Kind]:
    """The kinds, each standing for its part of so many repositories."""
    return [replace(kind, stands_for=total / len(kinds)) for kind in kinds]


def make_plan(
    asked: Asked,
    limits: Limits,
    *,
    by_graphql: bool = True,
    each_blob_once: bool = True,
    max_repositories: int | None = None,
    assumptions: Assumptions = Assumptions(),
    notes: Sequence[str] = (),
) -> Plan:
    """The arithmetic. Without a token details are three REST requests each."""
    to_detail = asked.to_detail
    to_fetch = round(sum(kind.stands_for for kind in asked.sample if kind.eligible))
    if max_repositories is not None and to_fetch > max_repositories:
        # The most starred first: details end when enough are eligible.
        if asked.listed is None:
            to_detail = math.ceil(to_detail * max_repositories / to_fetch)
        to_fetch = max_repositories
    steps = [
        *_listing_steps(asked, limits, assumptions),
        _details_step(to_detail, limits, assumptions, by_graphql=by_graphql),
        _fetch_step(to_fetch, asked.sample, limits, assumptions, each_blob_once=each_blob_once),
    ]
    return Plan(
        repositories=to_detail, to_fetch=to_fetch, steps=tuple(steps), asked=asked,
        limits=limits, assumptions=assumptions, notes=tuple(notes),
    )  # fmt: skip


def _listing_steps(asked: Asked, limits: Limits, assumed: Assumptions) -> Iterable[Step]:
    if asked.search_total is not None:
        number = search_requests(asked.search_total, assumed)
        if asked.enough is not None:
            number = min(number, math.ceil(asked.enough / PAGE_SIZE))
        seconds = least_seconds("search", number, limits, request_s=assumed.api_request_s)
        yield Step(name="search", requests={"search": number}, seconds=seconds)
    if asked.listed is not None:
        number = math.ceil(asked.listed / PAGE_SIZE + asked.parts / 2)
        seconds = least_seconds("core", number, limits, request_s=assumed.api_request_s)
        yield Step(name="ids", requests={"core": number}, seconds=seconds)
    if asked.hours:
        seconds = asked.hours * assumed.git_request_s
        yield Step(name="gharchive", requests={"hour files": asked.hours}, seconds=seconds)


def _details_step(
    repositories: int, limits: Limits, assumed: Assumptions, *, by_graphql: bool
) -> Step:
    if by_graphql:
        number = math.ceil(repositories / PAGE_SIZE * (1 + assumed.details_repeated))
        seconds = least_seconds("graphql", number, limits, request_s=assumed.graphql_request_s)
        return Step(name="details", requests={"graphql": number}, seconds=seconds)
    number = 3 * repositories
    seconds = least_seconds("core", number, limits, request_s=assumed.api_request_s)
    return Step(name="details", requests={"core": number}, seconds=seconds)


def _fetch_step(
    repositories: int,
    sample: Sequence[Kind],
    limits: Limits,
    assumed: Assumptions,
    *,
    each_blob_once: bool,
) -> Step:
    """Bytes are those of what was looked at, as often as it stands for others."""
    eligible = [kind for kind in sample if kind.eligible]
    times = repositories / max(1.0, sum(kind.stands_for for kind in eligible))
    blobs, blob_bytes = _sums(kind for kind in eligible if kind.transport == "blobs")
    archives, archive_bytes = _sums(kind for kind in eligible if kind.transport != "blobs")
    new = 1 - assumed.known_share if each_blob_once else 1.0
    wire = blob_bytes * new * assumed.blobs_wire_per_byte + blobs * assumed.tree_wire_bytes
    wire += archive_bytes * assumed.archive_wire_per_byte
    disk = (blob_bytes + archive_bytes) * new * assumed.disk_per_byte
    git = math.ceil(round(blobs * times * assumed.blobs_requests, 3))
    core = math.ceil(round(archives * times * assumed.archive_requests, 3))
    seconds = max(
        wire * times / assumed.line_bytes_per_s,
        (git + 2 * core) * assumed.git_request_s / limits.concurrency,
        least_seconds("core", core, limits, request_s=assumed.api_request_s),
    )
    return Step(
        name="fetch",
        requests={"git": git, "core": core, "codeload": core},
        seconds=seconds,
        wire_bytes=wire * times,
        disk_bytes=disk * times + 1_000.0 * repositories,
    )


def _sums(kinds: Iterable[Kind]) -> tuple[float, float]:
    """How many repositories these stand for, and their bytes of Python."""
    pairs = [(kind.stands_for, kind.stands_for * kind.python_bytes) for kind in kinds]
    return sum(number for number, _ in pairs), sum(size for _, size in pairs)
