"""How a harvest stands: read from the frontier, at any time, also while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from corpus.events import Report
from corpus.layout import RunFolder
from harvest.api import Quota
from harvest.database import is_being_written, reading
from harvest.frontier import Frontier, Sample
from harvest.installation import App
from harvest.recipe import HarvestRecipe
from harvest.scheduler import Clock
from harvest.source import Source, connected, open_source

_HOUR_S = 3_600.0
_RECENT_S = 1_800.0  # rates are those of the last half hour
_MIN_SPAN_S = 5.0  # what is shorter says nothing
_LEFT_TO_FETCH = ("pending",)
_LEFT_TO_DETAIL = ("found", "wanted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Per hour, over the last stretch of work."""

    repositories: float
    files: float
    bytes: float
    span_s: float  # of that stretch


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All that there is to say."""

    phase: str  # search, details, fetch, refresh: details, refresh: fetch, finished
    running: bool
    repositories: Mapping[str, int]  # by state
    reasons: Mapping[str, int]
    files: Mapping[str, int]  # by outcome
    files_kept: int
    bytes_kept: int
    windows: Mapping[str, int]
    parts: Mapping[str, Mapping[str, int]]  # of the other sources, by state
    shards_written: int
    shards_planned: int | None
    rates: Rates | None
    left_s: float | None  # to the end of this phase, at this rate
    limits: Mapping[str, Any] | None  # by user and resource, and when that was
    refreshes: Sequence[Mapping[str, Any]]


def status_of(folder: RunFolder) -> Status:
    """Read it. Raises FileError where no harvest has begun."""
    with reading(folder.frontier) as database:
        frontier = Frontier(folder.frontier, database)
        running = is_being_written(folder.frontier)
        states, written = frontier.states(), len(frontier.written())
        planned = frontier.note("shards")
        phase = phase_of(states, frontier.note("refresh"), written, planned)
        rates = rates_of(frontier.samples(), phase)
        files, size = frontier.totals()
        return Status(
            phase=phase,
            running=running,
            repositories=states,
            reasons=frontier.reasons(),
            files=frontier.file_counts(),
            files_kept=files,
            bytes_kept=size,
            windows=frontier.count_windows(),
            parts={
                source: counted
                for source in ("ids", "gharchive", "list", "earlier")
                if (counted := frontier.count_parts(source))
            },
            shards_written=written,
            shards_planned=planned,
            rates=rates if running else None,
            left_s=left_s(states, phase, rates) if running else None,
            limits=frontier.note("limits"),
            refreshes=frontier.note("refreshes") or (),
        )


def ask_limits(
    recipe: HarvestRecipe, tokens: Sequence[str], report: Report, *, app: App | None = None
) -> dict[str, dict[str, Any]]:
    """What the server itself says is left, in the form that the frontier keeps."""

    async def ask(source: Source) -> Mapping[str, Quota]:
        async with connected(recipe, source, Clock(), report) as (api, _):
            return await api.rate_limit()

    with open_source(recipe, tokens, report, app=app) as source:
        quotas = asyncio.run(ask(source))
    name = "the token's user" if tokens or app else "this address"
    return {"users": {name: {key: asdict(quota) for key, quota in quotas.items()}}}


def phase_of(
    states: Mapping[str, int],
    refreshing: Mapping[str, Any] | None,
    written: int,
    planned: int | None,
) -> str:
    """What is done now, or would be done next."""
    if refreshing is not None:
        return "refresh: details" if "planned" not in refreshing else "refresh: fetch"
    if planned is None:
        return "details" if states.get("wanted") else "search"
    return "finished" if written == planned else "fetch"


def rates_of(samples: Sequence[Sample], phase: str) -> Rates | None:
    """What was done per hour lately; None where there is too little to say."""
    if not samples:
        return None
    last = samples[-1]
    first = next(each for each in samples if last.at - each.at <= _RECENT_S)
    span = last.at - first.at
    if span < _MIN_SPAN_S:
        return None
    hours = span / _HOUR_S
    fetching = phase.endswith("fetch")
    done = last.settled - first.settled if fetching else last.detailed - first.detailed
    if phase == "search":
        done = last.found - first.found
    return Rates(
        repositories=max(0, done) / hours,
        files=max(0, last.files - first.files) / hours,
        bytes=max(0, last.bytes - first.bytes) / hours,
        span_s=span,
    )


def left_s(states: Mapping[str, int], phase: str, rates: Rates | None) -> float | None:
    """Seconds to the end of the phase; nobody knows how much a search has still to find."""
    left = {"fetch": _LEFT_TO_FETCH, "refresh: fetch": _LEFT_TO_FETCH, "details": _LEFT_TO_DETAIL}
    if phase not in left or rates is None or not rates.repositories:
        return None
    count = sum(states.get(state, 0) for state in left[phase])
    return count / rates.repositories * _HOUR_S
