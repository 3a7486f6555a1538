"""Harvest: enumerate, ask for details, select, plan, fetch; a killed run goes on in its step."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from corpus.errors import HarvestError
from corpus.events import Notice, Report, silent
from corpus.files import named_errors
from corpus.layout import RunFolder
from corpus.manifest import FILE_NAME, Manifest, write_manifest
from harvest.account import account
from harvest.api import Api
from harvest.assemble import shard_path
from harvest.database import reading, writing
from harvest.details import DetailsStage
from harvest.enumerate import enumerate_all
from harvest.fetch import fetch_all
from harvest.frontier import Frontier
from harvest.installation import App
from harvest.pulse import pulse
from harvest.recipe import HarvestRecipe
from harvest.resume import bind, finished_before, recover, spools_of, with_takedowns
from harvest.scheduler import Clock
from harvest.selection import Judge, OptOut, plan_shards, read_opt_out, rules_of, search_query
from harvest.source import Source, connected, open_source


def harvest(
    recipe: HarvestRecipe,
    folder: RunFolder,
    *,
    tokens: Sequence[str] = (),
    app: App | None = None,
    report: Report = silent,
    clock: Clock | None = None,
) -> Manifest:
    """Write the raw shards that the recipe asks for, and their manifest, which is returned.

    A harvest that was finished is left alone; one that was killed goes on, and ends with the
    same rows in the same shards as if it had not been. Raises HarvestError and its kinds,
    FileError, DiskFullError, and UsageError where the folder holds another harvest.
    """
    clock = clock or Clock()
    opt_out = read_opt_out(recipe.opt_out)
    finished = finished_before(recipe, folder)
    if finished is not None:
        _say_finished(finished, folder, opt_out, report)
        return finished
    started = clock.now()
    with writing(folder.frontier) as database:
        frontier = Frontier(folder.frontier, database)
        bind(frontier, recipe, folder, clock)
        left_out = with_takedowns(opt_out, folder)
        with named_errors(folder.raw):
            (folder.raw / FILE_NAME).unlink(missing_ok=True)
        recover(frontier, folder, opt_out, left_out, report)
        with open_source(recipe, tokens, report, app=app) as source:
            asyncio.run(_work(recipe, folder, frontier, source, left_out, report, clock))
        _check_any(recipe, frontier, folder)
        seconds = clock.now() - started
        manifest = account(
            recipe, frontier, folder.raw, opted_out=len(opt_out.names), seconds=seconds
        )
        with named_errors(folder.raw):
            folder.raw.mkdir(parents=True, exist_ok=True)
        write_manifest(folder.raw, manifest)
    return manifest


def _check_any(recipe: HarvestRecipe, frontier: Frontier, folder: RunFolder) -> None:
    """Raises HarvestError where all failed: that is no harvest, and they are to be tried again."""
    states = frontier.states()
    if states.get("done") or not states.get("failed"):
        return
    for shard in frontier.written():
        frontier.reopen_shard(shard)
        path = shard_path(folder.raw, shard)
        with named_errors(path):
            path.unlink(missing_ok=True)
    reasons = ", ".join(
        f"{number} {reason.removeprefix('failed_').replace('_', ' ')}"
        for reason, number in frontier.reasons().items()
        if reason.startswith("failed_")
    )
    raise HarvestError(
        f"{recipe.api_url}: not one of the repositories could be harvested ({reasons}); "
        "run again to try them anew"
    )


def _say_finished(manifest: Manifest, folder: RunFolder, opt_out: OptOut, report: Report) -> None:
    files = manifest.counts.get("files_kept", 0)
    text = f"nothing to do: {folder.raw} holds this harvest, {files} Python files in "
    report(Notice(f"{text}{len(manifest.outputs)} shards"))
    if len(opt_out.names) != manifest.facts.get("opt_out_entries"):
        text = "the opt-out list changed since this harvest; what it names is in the shards still"
        report(Notice(f"{text}: harvest refresh marks it, and clean run drops it", warning=True))
    if folder.frontier.exists():
        with reading(folder.frontier) as database:
            if Frontier(folder.frontier, database).note("refresh") is not None:
                text = "a refresh of it was begun and has not ended: harvest refresh goes on"
                report(Notice(text, warning=True))


async def _work(
    recipe: HarvestRecipe,
    folder: RunFolder,
    frontier: Frontier,
    source: Source,
    opt_out: OptOut,
    report: Report,
    clock: Clock,
) -> None:
    async with (
        connected(recipe, source, clock, report) as (api, scheduler),
        pulse(frontier, scheduler),
    ):
        await find(
            recipe,
            frontier,
            api,
            opt_out,
            by_graphql=scheduler.with_tokens,
            clock=clock,
            report=report,
        )
        await fetch_all(
            recipe, folder.raw, spools_of(folder), frontier, source.url, scheduler, report
        )


async def find(
    recipe: HarvestRecipe,
    frontier: Frontier,
    api: Api,
    opt_out: OptOut,
    *,
    by_graphql: bool,
    clock: Clock,
    report: Report,
) -> None:
    """All that comes before fetching: enumerate, ask for details, select, plan.

    Goes on where a killed run was; does nothing once there is a plan. Raises HarvestError.
    """
    if frontier.note("shards") is not None:
        return
    judge = Judge(rules_of(recipe, frontier.note("until")), opt_out)
    await enumerate_all(
        recipe, frontier, api, judge, by_graphql=by_graphql, clock=clock, report=report
    )
    details = DetailsStage(
        api,
        frontier,
        judge=judge,
        by_graphql=by_graphql,
        at_once=recipe.concurrency,
        report=report,
    )
    await _select(recipe, frontier, details)
    _plan(recipe, frontier)


async def _select(recipe: HarvestRecipe, frontier: Frontier, details: DetailsStage) -> None:
    """Ask for details until enough repositories are eligible, the most starred first.

    Only search says how many stars a repository has; of all others details must be asked.
    """
    limit = recipe.max_repositories if recipe.sources == ("search",) else None
    if limit is None:
        frontier.want(None)
    await details.run()
    while limit is not None and frontier.want(limit - frontier.count("eligible")):
        await details.run()


def _plan(recipe: HarvestRecipe, frontier: Frontier) -> None:
    candidates = frontier.candidates()
    if not candidates:
        raise HarvestError(_nothing(recipe, frontier))
    frontier.keep_plan(
        plan_shards(
            candidates,
            limit=recipe.max_repositories,
            repositories=recipe.repositories_per_shard,
            max_bytes=recipe.max_shard_bytes,
        )
    )


def _nothing(recipe: HarvestRecipe, frontier: Frontier) -> str:
    """Why there is nothing to fetch."""
    if not frontier.found():
        query = search_query(recipe) or "everything"
        return f"{recipe.api_url}: no repository matches {query!r}; widen the recipe"
    counted = {**frontier.states(), **frontier.reasons()}
    named = ", ".join(f"{number} {name}" for name, number in counted.items())
    return f"{recipe.api_url}: none of the repositories found may be harvested ({named})"
