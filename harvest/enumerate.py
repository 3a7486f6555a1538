"""All sources that a recipe names, side by side, into one frontier."""

from __future__ import annotations

from collections.abc import Iterable

from corpus.events import Report
from harvest.api import Api
from harvest.frontier import Frontier
from harvest.recipe import HarvestRecipe, SourceName
from harvest.search import Search
from harvest.selection import Judge, fixed_query, whole_window
from harvest.workers import work_off


async def enumerate_all(
    recipe: HarvestRecipe,
    frontier: Frontier,
    api: Api,
    judge: Judge,
    *,
    by_graphql: bool,
    report: Report,
) -> None:
    """Find what the recipe's sources know. Goes on where a killed run was. Raises HarvestError."""

    async def read(source: SourceName) -> Iterable[SourceName]:
        search = Search(
            api,
            frontier,
            query=fixed_query(recipe),
            judge=judge,
            enough=recipe.max_repositories,
            at_once=recipe.concurrency,
            report=report,
        )
        await search.run(whole_window(recipe, frontier.note("until")))
        return ()

    await work_off(recipe.sources, read, at_once=len(recipe.sources))
