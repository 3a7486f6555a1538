"""Harvest: enumerate, ask for details, select, plan, fetch; a killed run goes on in its step."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from corpus.errors import FileError, HarvestError, ManifestError, UsageError
from corpus.events import Notice, Report, silent
from corpus.files import named_errors, remove_leftovers
from corpus.layout import RunFolder
from corpus.manifest import FILE_NAME, Manifest, read_manifest, write_manifest
from corpus.recipe import as_plain
from corpus.shards import open_shard
from harvest.account import STAGE, account
from harvest.api import Api, GitHubApi
from harvest.assemble import reconcile
from harvest.credentials import users_of
from harvest.database import writing
from harvest.details import DetailsStage
from harvest.enumerate import enumerate_all
from harvest.fetch import fetch_all
from harvest.frontier import Frontier
from harvest.recipe import HarvestRecipe, moment
from harvest.scheduler import Clock, Scheduler
from harvest.selection import Judge, OptOut, plan_shards, read_opt_out, rules_of, search_query
from harvest.source import Source, open_source
from harvest.spool import holds, spool_path


def harvest(
    recipe: HarvestRecipe,
    folder: RunFolder,
    *,
    tokens: Sequence[str] = (),
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
    finished = _finished(recipe, folder)
    if finished is not None:
        _say_finished(finished, folder, opt_out, report)
        return finished
    started = clock.now()
    with writing(folder.frontier) as database:
        frontier = Frontier(folder.frontier, database)
        _bind(frontier, recipe, folder, clock)
        left_out = _with_takedowns(opt_out, folder)
        _recover(frontier, folder, opt_out, left_out, report)
        with open_source(recipe, tokens, report) as source:
            asyncio.run(_work(recipe, folder, frontier, source, left_out, report, clock))
        seconds = clock.now() - started
        manifest = account(
            recipe, frontier, folder.raw, opted_out=len(opt_out.names), seconds=seconds
        )
        with named_errors(folder.raw):
            folder.raw.mkdir(parents=True, exist_ok=True)
        write_manifest(folder.raw, manifest)
    return manifest


def _with_takedowns(opt_out: OptOut, folder: RunFolder) -> OptOut:
    """The list, and the repositories that cleaning took down in this run."""
    if not folder.takedowns.exists():
        return opt_out
    return OptOut(opt_out.names | read_opt_out(folder.takedowns).names)


def spools_of(folder: RunFolder) -> Path:
    """Where downloads wait for their shard."""
    return folder.frontier.with_suffix(".spool")


def _finished(recipe: HarvestRecipe, folder: RunFolder) -> Manifest | None:
    """The manifest of a finished harvest whose shards are all there. Raises UsageError."""
    try:
        manifest = read_manifest(folder.raw, STAGE)
    except ManifestError:
        return None
    _check_same(manifest.parameters, recipe, folder)
    try:
        for entry in manifest.outputs:
            if open_shard(folder.raw / entry.path).digest != entry.digest:
                return None
    except FileError:
        return None
    return manifest


def _check_same(known: object, recipe: HarvestRecipe, folder: RunFolder) -> None:
    """One folder, one harvest: rows of two selections in one corpus could not be told apart."""
    wanted = as_plain(recipe.selection)
    if known == wanted or not isinstance(known, dict):
        return
    # A harvest from before a key existed was one with the key's default.
    known = {**as_plain(HarvestRecipe().selection), **known}
    changed = ", ".join(
        f"{key}: {known.get(key)!r} then, {wanted.get(key)!r} now"
        for key in sorted({*known, *wanted})
        if known.get(key) != wanted.get(key)
    )
    raise UsageError(
        f"{folder.root}: holds a harvest of another recipe ({changed}); "
        "choose another run folder (run = ...), or go back to those values"
    )


def _say_finished(manifest: Manifest, folder: RunFolder, opt_out: OptOut, report: Report) -> None:
    files = manifest.counts.get("files_kept", 0)
    text = f"nothing to do: {folder.raw} holds this harvest, {files} Python files in "
    report(Notice(f"{text}{len(manifest.outputs)} shards"))
    if len(opt_out.names) != manifest.facts.get("opt_out_entries"):
        text = "the opt-out list changed since this harvest; what it names is in the shards still"
        report(Notice(text, warning=True))


def _bind(frontier: Frontier, recipe: HarvestRecipe, folder: RunFolder, clock: Clock) -> None:
    """Tie the frontier to the recipe's selection, and fix when its windows end."""
    if frontier.found():
        _check_same(frontier.note("selection"), recipe, folder)
        return
    # Nothing was found yet, perhaps for a wrong address: nothing binds us to that attempt.
    until = recipe.created_until
    end = moment("created_until", until) if until else datetime.fromtimestamp(clock.now(), UTC)
    frontier.begin(as_plain(recipe.selection), until=int(end.timestamp()))


def _recover(
    frontier: Frontier, folder: RunFolder, opt_out: OptOut, left_out: OptOut, report: Report
) -> None:
    """Put in order what an earlier run left: half-written files, lost shards, old failures."""
    with named_errors(folder.raw):
        (folder.raw / FILE_NAME).unlink(missing_ok=True)
        for place in (folder.raw, spools_of(folder)):
            remove_leftovers(place)
    for line in reconcile(frontier, folder.raw):
        report(Notice(line, warning=True))
    for name in frontier.opt_out(left_out):
        if opt_out.covers(name):
            text = f"{name} opted out, but is in a finished shard; take it down: clean takedown"
            report(Notice(text, warning=True))
    frontier.retry_failed()
    for repository in frontier.with_states("fetched"):
        if not holds(spool_path(spools_of(folder), repository.id), repository.rows):
            frontier.refetch(repository.id)


async def _work(
    recipe: HarvestRecipe,
    folder: RunFolder,
    frontier: Frontier,
    source: Source,
    opt_out: OptOut,
    report: Report,
    clock: Clock,
) -> None:
    scheduler = Scheduler(
        users_of(source.tokens),
        clock=clock,
        report=report,
        max_wait_s=recipe.max_wait_s,
        concurrency=recipe.concurrency,
    )
    api = GitHubApi(source.url, scheduler, timeout_s=recipe.read_timeout_s, retries=recipe.retries)
    try:
        await find(
            recipe,
            frontier,
            api,
            opt_out,
            by_graphql=scheduler.with_tokens,
            clock=clock,
            report=report,
        )
    finally:
        api.close()
    await fetch_all(recipe, folder.raw, spools_of(folder), frontier, source.url, scheduler, report)


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
