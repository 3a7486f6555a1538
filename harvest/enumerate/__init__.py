"""Enumerate: all sources that a recipe names, side by side, into one frontier.

A repository is known by its numeric id, so that sources may name it as often as they like; what
one of them says of it is kept beside what the others say. Every source goes on where a killed run
was, and says in the manifest what it could not read (`harvest.certificate`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from corpus.events import Report
from harvest.api import Api
from harvest.enumerate.earlier import take_earlier
from harvest.enumerate.gharchive import GhArchive
from harvest.enumerate.ids import Ids
from harvest.enumerate.listed import ListFile
from harvest.frontier import Frontier
from harvest.recipe import HarvestRecipe, SourceName, moment_of_hour
from harvest.scheduler import Clock
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
    clock: Clock,
    report: Report,
) -> None:
    """Find what the recipe's sources know. Raises HarvestError and its kinds, and FileError."""
    enumeration = _Enumeration(recipe, frontier, api, judge, by_graphql, clock, report)
    await work_off(recipe.sources, enumeration.read, at_once=len(recipe.sources))


class _Enumeration:
    """How each source is read, from the recipe's values."""

    def __init__(
        self,
        recipe: HarvestRecipe,
        frontier: Frontier,
        api: Api,
        judge: Judge,
        by_graphql: bool,
        clock: Clock,
        report: Report,
    ) -> None:
        self._recipe, self._frontier, self._api, self._judge = recipe, frontier, api, judge
        self._by_graphql, self._clock, self._report = by_graphql, clock, report

    async def read(self, source: SourceName) -> Iterable[SourceName]:
        """Read one source to its end."""
        readers: dict[SourceName, Callable[[], Awaitable[None]]] = {
            "search": self._search,
            "ids": self._ids,
            "gharchive": self._gharchive,
            "list": self._list,
            "earlier": self._earlier,
        }
        await readers[source]()
        return ()

    async def _search(self) -> None:
        search = Search(
            self._api,
            self._frontier,
            query=fixed_query(self._recipe),
            judge=self._judge,
            enough=self._recipe.max_repositories if self._recipe.sources == ("search",) else None,
            at_once=self._recipe.concurrency,
            report=self._report,
        )
        await search.run(whole_window(self._recipe, self._frontier.note("until")))

    async def _ids(self) -> None:
        ids = Ids(
            self._api,
            self._frontier,
            self._judge,
            at_once=self._recipe.concurrency,
            report=self._report,
        )
        await ids.run(self._recipe.ids_from, self._recipe.ids_until)

    async def _gharchive(self) -> None:
        first, last = self._recipe.gharchive_from, self._recipe.gharchive_until
        assert first is not None and last is not None, "the recipe has checked that"
        archive = GhArchive(
            self._recipe.gharchive,
            self._frontier,
            self._judge,
            at_once=self._recipe.concurrency,
            retries=self._recipe.retries,
            timeout_s=self._recipe.read_timeout_s,
            clock=self._clock,
            report=self._report,
        )
        await archive.run(moment_of_hour(first), moment_of_hour(last))

    async def _list(self) -> None:
        assert self._recipe.list_file is not None, "the recipe has checked that"
        lines = ListFile(
            self._api,
            self._frontier,
            self._judge,
            by_graphql=self._by_graphql,
            at_once=self._recipe.concurrency,
            report=self._report,
        )
        await lines.run(self._recipe.list_file)

    async def _earlier(self) -> None:
        take_earlier(self._recipe.earlier, self._frontier, self._judge, self._report)
