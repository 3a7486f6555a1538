"""The few questions behind `harvest plan`: how many repositories there are, and what some are like.

Windows of time and pages by id are taken evenly spread over the whole range, so that old and new
repositories stand in the sample as they stand among all; some dozens of requests, whatever the
recipe.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from corpus.errors import ApiError
from corpus.events import Report, silent
from corpus.layout import RunFolder
from harvest.api import Api, Listed
from harvest.database import reading
from harvest.details import QUERY
from harvest.enumerate.ids import parts_of
from harvest.enumerate.lines import read_list
from harvest.frontier import Frontier
from harvest.installation import App
from harvest.nodes import found_in
from harvest.plan import Asked, Kind, Limits, Plan, alike, make_plan
from harvest.policy import may_pass, read_nodes
from harvest.recipe import HarvestRecipe, moment, moment_of_hour
from harvest.scheduler import Clock
from harvest.selection import (
    Found,
    Judge,
    fixed_query,
    read_opt_out,
    rules_of,
    whole_window,
)
from harvest.source import Source, connected, open_source
from harvest.transport import plan_transport
from harvest.windows import PAGE_SIZE, SEARCH_CAP, Window

_WINDOWS = 24  # of time, a page of each: as many searches as a minute allows, less what is left
_PAGES = 32  # by id
_WINDOW_SHARE = 0.3  # of a page is how full a window is meant to be, if all years were alike
_NO_LIMIT = 10**12
# A repository that nobody looked at: PyCodeGPT's 330 GB were of 1.2 million.
_ASSUMED = Kind(eligible=True, python_bytes=275_000)


async def plan(
    recipe: HarvestRecipe, api: Api, *, until: int, by_graphql: bool = True, users: int = 1
) -> Plan:
    """Ask, and calculate. `until`: the second when the harvest would start. Raises HarvestError.

    Without a token nothing is sampled but names, since details would cost the whole hour.
    """
    questions = _Questions(recipe, api, until)
    quotas = await api.rate_limit()
    allowed = {name: quota.limit for name, quota in quotas.items()}
    limits = Limits(
        **{name: allowed.get(name, _NO_LIMIT) for name in ("core", "search", "graphql")},
        users=users,
        concurrency=recipe.concurrency,
    )
    asked = await questions.ask(sample=by_graphql)
    return make_plan(
        asked,
        limits,
        by_graphql=by_graphql,
        each_blob_once=recipe.each_blob_once,
        max_repositories=recipe.max_repositories,
        notes=_notes(recipe, asked, by_graphql=by_graphql),
    )


def _notes(recipe: HarvestRecipe, asked: Asked, *, by_graphql: bool) -> list[str]:
    notes = []
    if len(recipe.sources) > 1:
        notes.append("sources overlap: what two of them name counts twice here, and comes once")
    if not by_graphql:
        notes.append(
            "without a token no repository is looked at: all are taken to be as the recipe wants, "
            "with as much Python as PyCodeGPT's; details take 3 requests each"
        )
    if asked.looked_at and not any(kind.eligible for kind in asked.sample):
        notes.append("none of the repositories that were looked at is one the recipe wants")
    if asked.hours:
        notes.append("how many repositories hours of GH Archive name is not known before")
    return notes


def forecast(
    recipe: HarvestRecipe,
    *,
    tokens: Sequence[str] = (),
    app: App | None = None,
    report: Report = silent,
    clock: Clock | None = None,
) -> Plan:
    """The plan of a recipe, asked of its server. Raises HarvestError and its kinds, FileError."""
    clock = clock or Clock()
    until = recipe.created_until
    end = moment("created_until", until).timestamp() if until else clock.now()

    async def ask(source: Source) -> Plan:
        async with connected(recipe, source, clock, report) as (api, scheduler):
            return await plan(
                recipe,
                api,
                until=int(end),
                by_graphql=scheduler.with_tokens,
                users=len(scheduler.budgets),
            )

    with open_source(recipe, tokens, report, app=app) as source:
        return asyncio.run(ask(source))


class _Questions:
    """Asks about one recipe."""

    def __init__(self, recipe: HarvestRecipe, api: Api, until: int) -> None:
        self._recipe, self._api = recipe, api
        self._whole = whole_window(recipe, until)
        self._judge = Judge(rules_of(recipe, until), read_opt_out(recipe.opt_out))
        self._requests: Counter[str] = Counter()
        self._looked_at = 0

    async def ask(self, *, sample: bool) -> Asked:
        sources, kinds = self._recipe.sources, list[Kind]()
        asked = Asked(hours=self._hours(), named=self._named(), enough=self._enough())
        if "search" in sources:
            total, found = await self._search(sample=sample)
            asked = replace(asked, search_total=total)
            kinds += await self._alike(total, {each.node_id: each for each in found}, True)
        if "ids" in sources:
            listed, some = await self._ids(sample=sample)
            parts = len(parts_of(self._recipe.ids_from, self._recipe.ids_until))
            asked = replace(asked, listed=listed, parts=parts)
            kinds += await self._alike(listed, {each.node_id: _found(each) for each in some}, False)
        kinds += alike(asked.named, [_ASSUMED])
        return replace(
            asked, sample=kinds, looked_at=self._looked_at, requests=dict(self._requests)
        )

    async def _alike(self, total: int, found: Mapping[str, Found], searched: bool) -> list[Kind]:
        kinds = await self._kinds(found, searched=searched)
        self._looked_at += len(kinds)
        return alike(total, kinds or [_ASSUMED])

    # -- search -------------------------------------------------------------------------------

    async def _search(self, *, sample: bool) -> tuple[int, list[Found]]:
        total, first = await self._page(self._whole)
        if total <= PAGE_SIZE or not sample:
            return total, first if sample else []
        found: list[Found] = []
        for window in spread(self._whole, total, _WINDOWS):
            found += (await self._page(window))[1]
        return total, found or first

    async def _page(self, window: Window) -> tuple[int, list[Found]]:
        self._requests["search"] += 1
        query = f"{fixed_query(self._recipe)} {window.qualifier}".strip()
        page = await self._api.search(query, 0)
        return page.total, list(page.found)

    # -- ids ----------------------------------------------------------------------------------

    async def _ids(self, *, sample: bool) -> tuple[int, list[Listed]]:
        first, last = self._recipe.ids_from, self._recipe.ids_until
        if last is None:
            last = await self._newest(first)
        pages: list[Sequence[Listed]] = []
        step = (last - first + 1) / _PAGES
        for place in range(_PAGES):
            after = round(first + step * place) - 1
            page = await self._since(after)
            pages.append([each for each in page if each.id <= last])
            if page and page[-1].id >= last:
                break
        number = count_ids(first, last, pages)
        return number, [each for page in pages for each in page] if sample else []

    async def _newest(self, first: int) -> int:
        """The highest id: twice as far until nothing is there, then halved."""
        low, high = first, max(1_000, 2 * first)
        while page := await self._since(high):
            low, high = page[-1].id, 2 * page[-1].id
        while high - low > max(1, low // 1_000):
            middle = (low + high) // 2
            page = await self._since(middle)
            low, high = (page[-1].id, high) if page else (low, middle)
        return low

    async def _since(self, number: int) -> Sequence[Listed]:
        self._requests["core"] += 1
        return await self._api.repositories_since(max(0, number))

    # -- details ------------------------------------------------------------------------------

    async def _kinds(self, found: Mapping[str, Found], *, searched: bool) -> list[Kind]:
        ids = [key for key, each in found.items() if self._judge.listed(each).state == "found"]
        # What its listing rules out is never asked for, and still one that is looked at.
        kinds = [Kind(eligible=False)] * (len(found) - len(ids))
        for start in range(0, len(ids), PAGE_SIZE):
            kinds += await self._batch(ids[start : start + PAGE_SIZE], searched=searched)
        return kinds

    async def _batch(self, ids: Sequence[str], *, searched: bool) -> list[Kind]:
        self._requests["graphql"] += 1
        try:
            body = await self._api.graphql(QUERY, {"ids": list(ids)})
        except ApiError as error:
            if not may_pass(error.status) or len(ids) == 1:
                raise
            halves = ids[: len(ids) // 2], ids[len(ids) // 2 :]
            return [kind for half in halves for kind in await self._batch(half, searched=searched)]
        nodes = read_nodes(ids, body)
        kinds = [Kind(eligible=False)] * len(nodes.gone)
        for node in nodes.found.values():
            edges = (node.get("languages") or {}).get("edges") or []
            languages = {edge["node"]["name"]: edge["size"] for edge in edges}
            branch = node.get("defaultBranchRef")
            kinds.append(self._kind(found_in(node), languages if branch else {}, searched))
        return kinds

    def _kind(self, found: Found, languages: Mapping[str, int], searched: bool) -> Kind:
        state, _ = self._judge.detailed(found, languages, known_as=found.name, searched=searched)
        disk = None if found.size_kb is None else found.size_kb * 1024
        return Kind(
            eligible=state == "eligible" and bool(languages),
            python_bytes=languages.get("Python", 0),
            transport=plan_transport(self._recipe.transport, languages, disk),
        )

    # -- what needs no request ----------------------------------------------------------------

    def _hours(self) -> int:
        first, last = self._recipe.gharchive_from, self._recipe.gharchive_until
        if first is None or last is None:
            return 0
        return round((moment_of_hour(last) - moment_of_hour(first)).total_seconds() / 3600) + 1

    def _named(self) -> int:
        lines = 0
        if self._recipe.list_file is not None:
            lines = len(read_list(self._recipe.list_file))
        for folder in self._recipe.earlier:
            frontier = RunFolder(folder).frontier
            with reading(frontier) as database:
                lines += Frontier(frontier, database).found()
        return lines

    def _enough(self) -> int | None:
        """How many of the most starred do, where the first pages of one search hold them."""
        most = self._recipe.max_repositories
        few = most is not None and most <= SEARCH_CAP and self._recipe.sources == ("search",)
        return most if few and not self._judge.rules.need_details else None


def spread(whole: Window, total: int, number: int) -> list[Window]:
    """So many windows of one length, evenly spread, that hold a part of a page each."""
    length = whole.stop - whole.start + 1
    width = max(1, min(length // number, round(length * PAGE_SIZE * _WINDOW_SHARE / total)))
    starts = [whole.start + length * place // number for place in range(number)]
    return [replace(whole, start=start, stop=start + width - 1) for start in starts]


def count_ids(first: int, last: int, pages: Sequence[Sequence[Listed]]) -> int:
    """How many repositories there are from `first` to `last`, by how far apart some are."""
    full = [page for page in pages if len(page) > 1]
    spanned = sum(page[-1].id - page[0].id for page in full)
    gaps = sum(len(page) - 1 for page in full)
    if not spanned:
        return sum(len(page) for page in pages)
    return round((last - first + 1) * gaps / spanned)


def _found(listed: Listed) -> Found:
    return Found(id=listed.id, node_id=listed.node_id, name=listed.name, fork=listed.fork)
