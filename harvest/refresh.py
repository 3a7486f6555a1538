"""Refresh: ask for what is known, fetch only what changed, and say what is not there any more.

Shards that are written never change. What changed comes into new ones, beside which the manifest
lists the rows that are `superseded`; what is gone (404), blocked (451) or opted out is a tombstone.
A refresh that was killed goes on where it was, as a harvest does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from corpus.errors import HarvestError, ManifestError, UsageError
from corpus.events import Notice, Report, silent
from corpus.layout import RunFolder
from corpus.manifest import Manifest, read_manifest, write_manifest
from harvest.account import STAGE, account
from harvest.database import writing
from harvest.details import DetailsStage
from harvest.fetch import fetch_all
from harvest.frontier import Details, Frontier, Outcome, Repository
from harvest.installation import App
from harvest.pulse import pulse
from harvest.recipe import HarvestRecipe
from harvest.resume import check_same, recover, spools_of, with_takedowns
from harvest.scheduler import Clock
from harvest.selection import Judge, OptOut, plan_shards, read_opt_out, rules_of
from harvest.source import Source, connected, open_source

ENDED = ("gone", "blocked", "empty", "opted_out")


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh brought."""

    manifest: Manifest
    asked: int
    changed: int
    ended: int  # repositories that can't be had any more, found by this refresh
    shards: int  # new ones


def refresh(
    recipe: HarvestRecipe,
    folder: RunFolder,
    *,
    tokens: Sequence[str] = (),
    app: App | None = None,
    report: Report = silent,
    clock: Clock | None = None,
) -> Refreshed:
    """Bring a finished harvest up to date. Raises as `harvest`, and UsageError without one."""
    clock = clock or Clock()
    started = clock.now()
    opt_out = read_opt_out(recipe.opt_out)
    with writing(folder.frontier) as database:
        frontier = Frontier(folder.frontier, database)
        _check_finished(frontier, recipe, folder)
        left_out = with_takedowns(opt_out, folder)
        recover(frontier, folder, OptOut(), left_out, report)
        generation = frontier.begin_refresh(_iso(started))
        _honour(frontier, generation, left_out)
        with open_source(recipe, tokens, report, app=app) as source:
            asyncio.run(
                _work(recipe, folder, frontier, source, left_out, generation, report, clock)
            )
        summary = _summary(frontier, generation)
        done = {**summary, "finished": _iso(clock.now())}
        if summary["asked"] and summary["failed"] == summary["asked"]:
            frontier.end_refresh(done)
            problem = f"not one of {summary['asked']} repositories gave an answer"
            raise HarvestError(f"{recipe.api_url}: {problem}; run again to ask anew")
        manifest = account(
            recipe,
            frontier,
            folder.raw,
            opted_out=len(opt_out.names),
            seconds=clock.now() - started,
            refreshed=done,
        )
        write_manifest(folder.raw, manifest)
        frontier.end_refresh(done)
    return Refreshed(
        manifest,
        asked=summary["asked"],
        changed=summary["changed"],
        ended=summary["ended"],
        shards=summary["shards"],
    )


def _check_finished(frontier: Frontier, recipe: HarvestRecipe, folder: RunFolder) -> None:
    """Raises UsageError where there is nothing to refresh."""
    check_same(frontier.note("selection"), recipe, folder)
    if frontier.note("refresh") is not None:
        return
    try:
        read_manifest(folder.raw, STAGE)
    except ManifestError as error:
        problem = "no finished harvest to refresh; finish it first: harvest run"
        raise UsageError(f"{folder.root}: {problem}") from error


def _honour(frontier: Frontier, generation: int, opt_out: OptOut) -> None:
    """Wishes to be left alone come before any question."""
    for repository, name in frontier.done_names() if opt_out.names else ():
        if opt_out.covers(name):
            frontier.keep_end(generation, repository, Outcome(state="opted_out"))


async def _work(
    recipe: HarvestRecipe,
    folder: RunFolder,
    frontier: Frontier,
    source: Source,
    opt_out: OptOut,
    generation: int,
    report: Report,
    clock: Clock,
) -> None:
    async with (
        connected(recipe, source, clock, report) as (api, scheduler),
        pulse(frontier, scheduler),
    ):
        if frontier.note("refresh").get("planned") is None:
            answers = Answers(frontier, generation)
            details = DetailsStage(
                api,
                answers,
                judge=Judge(rules_of(recipe, frontier.note("until")), opt_out),
                by_graphql=scheduler.with_tokens,
                at_once=recipe.concurrency,
                report=report,
            )
            await details.run()
            _plan(recipe, frontier)
        if failed := frontier.note("refresh").get("failed"):
            text = f"{failed} repositories gave no answer and stay as they were"
            report(Notice(f"{text}; the next refresh asks for them again", warning=True))
        await fetch_all(
            recipe, folder.raw, spools_of(folder), frontier, source.url, scheduler, report
        )


class Answers:
    """The frontier as the details stage knows it, where a repository has been harvested before."""

    def __init__(self, frontier: Frontier, generation: int) -> None:
        self._frontier, self._generation = frontier, generation

    def count(self, *states: str) -> int:
        """How many are to be asked for."""
        return self._frontier.count_to_ask(self._generation)

    def wanted(self, after: int, limit: int) -> list[Repository]:
        """The next of them, by id."""
        return self._frontier.to_ask(self._generation, after, limit)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Everything in the block is kept, or nothing is."""
        with self._frontier.together():
            yield

    def keep_details(self, details: Iterable[Details]) -> None:
        """Note what changed. What the recipe would not choose any more stays as it is."""
        for each in details:
            if each.state == "opted_out":
                self._frontier.keep_end(self._generation, each.id, Outcome(state="opted_out"))
            elif each.state == "rejected":
                self._frontier.keep_as_is(self._generation, [each.id])
            else:
                self._frontier.keep_answer(self._generation, each)

    def settle(self, repository: int, outcome: Outcome) -> None:
        """Note that it can't be had; one failure is no end."""
        if outcome.state in ENDED:
            self._frontier.keep_end(self._generation, repository, outcome)
            return
        with self.together():
            self._frontier.keep_as_is(self._generation, [repository])
            if outcome.state == "failed":
                self._frontier.count_up("failed")


def _plan(recipe: HarvestRecipe, frontier: Frontier) -> None:
    """Append shards for what changed; from here on the refresh only fetches."""
    under_way = frontier.note("refresh")
    with frontier.together():
        if candidates := frontier.candidates():
            frontier.keep_plan(
                plan_shards(
                    candidates,
                    repositories=recipe.repositories_per_shard,
                    max_bytes=recipe.max_shard_bytes,
                ),
                first=under_way["first"],
            )
        frontier.keep_note("refresh", {**under_way, "planned": len(candidates)})


def _summary(frontier: Frontier, generation: int) -> dict[str, Any]:
    under_way = frontier.note("refresh")
    return {
        "generation": generation,
        "began": under_way["began"],
        "asked": frontier.count_asked(generation),
        "changed": under_way["planned"],
        "ended": under_way.get("ended", 0),
        "failed": under_way.get("failed", 0),
        "shards": (frontier.note("shards") or 0) - under_way["first"],
    }


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
