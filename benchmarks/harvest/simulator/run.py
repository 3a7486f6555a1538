"""One simulated harvest: the real code on the virtual clock, and what came of it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.harvest.simulator.api import SimulatedApi, Span
from benchmarks.harvest.simulator.github import HARSH, GitHub, Mood, Tally
from benchmarks.harvest.simulator.hosts import Fetching, Traffic
from benchmarks.harvest.simulator.truth import Coverage, coverage
from benchmarks.harvest.simulator.virtual import VirtualClock, run_virtually
from benchmarks.harvest.simulator.world import UNTIL, World
from corpus.events import Event, Notice, silent
from corpus.recipe import as_plain
from harvest.credentials import users_of
from harvest.database import writing
from harvest.frontier import Frontier
from harvest.loopback.limits import Limits
from harvest.plan import Assumptions, Plan
from harvest.recipe import HarvestRecipe
from harvest.run import find
from harvest.sample import plan
from harvest.scheduler import Scheduler
from harvest.selection import OptOut

_TOKEN = "simulated"
# Which limit binds each kind of request, and its window.
_BOUND_BY: Mapping[str, tuple[str, float]] = {
    "search": ("search_per_minute", 60.0),
    "ids": ("core_per_hour", 3_600.0),
    "graphql": ("graphql_per_hour", 3_600.0),
}


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a harvest was told beforehand, what it took, and what it found."""

    forecast: Plan
    tally: Tally
    spans: Mapping[str, Span]
    traffic: Traffic
    coverage: Coverage
    windows: Mapping[str, int]
    waits: int  # announced
    seconds: float  # virtual
    found_seconds: float  # of these: until there was a plan
    own_seconds: float  # real

    @property
    def fetch_seconds(self) -> float:
        """Virtual seconds after the last details."""
        return self.seconds - self.found_seconds

    @property
    def budget_used(self) -> float:
        """Of what the limits allow: the least time for these requests by the time they took."""
        took = sum(self.spans[kind].seconds for kind in self.bound)
        return sum(_ideal_s(kind, self.spans[kind].requests) for kind in self.bound) / took

    @property
    def bound(self) -> list[str]:
        """The kinds of requests that had to wait for a new window."""
        return [kind for kind, span in self.spans.items() if _ideal_s(kind, span.requests) > 0]


def _ideal_s(kind: str, requests: int) -> float:
    """Until the last window opens, as if its requests then took no time."""
    if kind not in _BOUND_BY:
        return 0.0
    name, window_s = _BOUND_BY[kind]
    return (math.ceil(requests / getattr(Limits(), name)) - 1) * window_s


def simulate(
    world: World, recipe: HarvestRecipe, folder: Path, *, seed: int, mood: Mood = HARSH
) -> Simulated:
    """Plan, then harvest, all of the world that the recipe wants."""
    started = time.monotonic()
    forecast = run_virtually(lambda clock: _forecast(clock, world, recipe, seed))
    with writing(folder / "frontier.sqlite") as database:
        frontier = Frontier(folder / "frontier.sqlite", database)
        frontier.begin(as_plain(recipe.selection), until=UNTIL)
        result = run_virtually(lambda clock: _harvest(clock, world, recipe, frontier, seed, mood))
        covered = coverage(world, database, by_search="search" in recipe.sources)
        windows = frontier.count_windows()
    return Simulated(
        forecast=forecast,
        coverage=covered,
        windows=windows,
        own_seconds=time.monotonic() - started,
        **result,
    )


async def _forecast(clock: VirtualClock, world: World, recipe: HarvestRecipe, seed: int) -> Plan:
    github = GitHub(clock, seed=seed + 1, limits=Limits(), mood=HARSH)
    scheduler = _scheduler(clock, recipe, silent)
    return await plan(recipe, SimulatedApi(world, github, scheduler), until=UNTIL)


async def _harvest(
    clock: VirtualClock,
    world: World,
    recipe: HarvestRecipe,
    frontier: Frontier,
    seed: int,
    mood: Mood,
) -> dict[str, Any]:
    notices: list[Notice] = []

    def report(event: Event) -> None:
        if isinstance(event, Notice):
            notices.append(event)

    started = clock.now()
    github = GitHub(clock, seed=seed, limits=Limits(), mood=mood)
    scheduler = _scheduler(clock, recipe, report)
    api = SimulatedApi(world, github, scheduler)
    await find(recipe, frontier, api, OptOut(), by_graphql=True, clock=clock, report=report)
    found_seconds = clock.now() - started
    spans = {kind: replace(span) for kind, span in api.spans.items()}
    fetching = Fetching(world, github, scheduler, Assumptions(), seed)
    await fetching.run(_planned(frontier), at_once=recipe.concurrency)
    return {
        "tally": github.tally,
        "spans": spans,
        "traffic": fetching.traffic,
        "waits": sum(notice.text.startswith("waiting") for notice in notices),
        "seconds": clock.now() - started,
        "found_seconds": found_seconds,
    }


def _planned(frontier: Frontier) -> list[int]:
    return [each.id for shard in frontier.unwritten() for each in frontier.pending(shard)]


def _scheduler(clock: VirtualClock, recipe: HarvestRecipe, report: Any) -> Scheduler:
    return Scheduler(
        users_of([_TOKEN]),
        clock=clock,
        report=report,
        max_wait_s=recipe.max_wait_s,
        concurrency=recipe.concurrency,
    )
