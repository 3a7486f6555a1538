"""GitHub's repository search over the world: qualifiers, order, and the cap of 1,000."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from benchmarks.harvest.simulator.world import LICENSES, Ints, World
from harvest.api import Page
from harvest.selection import Found
from harvest.windows import PAGE_SIZE, SEARCH_CAP

_REMEMBERED = 512  # queries, since their pages are asked for one by one
_RANGED = ("created", "stars", "size", "pushed")


@dataclass(frozen=True, slots=True)
class _Result:
    total: int
    places: Ints  # of those that may be paged through, in order


class SearchIndex:
    """Answers queries of qualifiers; words are not among them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._bases: dict[tuple[str, ...], Ints] = {}
        self._results: OrderedDict[str, _Result] = OrderedDict()

    def page(self, query: str, page: int, *, hidden: int = 0) -> Page:
        """A page of a query; with `hidden`, so many are missing and the server says so."""
        if page * PAGE_SIZE >= SEARCH_CAP:
            raise ValueError("only the first 1000 search results are available")
        result = self._result(query)
        places = result.places[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
        shown = places[: max(0, len(places) - hidden)]
        return Page(found_at(self._world, shown), result.total, incomplete=hidden > 0)

    def _result(self, query: str) -> _Result:
        known = self._results.get(query)
        if known is None:
            known = self._results[query] = self._look(query)
            if len(self._results) > _REMEMBERED:
                self._results.popitem(last=False)
        return known

    def _look(self, query: str) -> _Result:
        parts = [part.partition(":") for part in query.split()]
        ranges = {name: _range(name, text) for name, _, text in parts if name in _RANGED}
        base = self._base(tuple(sorted(f"{n}:{t}" for n, _, t in parts if n not in _RANGED)))
        low, high = ranges.pop("created", (0, 1 << 40))
        start, stop = np.searchsorted(self._world.created[base], [low, high + 1])
        places = base[start:stop]
        for name, (low, high) in ranges.items():
            values = getattr(self._world, "size_kb" if name == "size" else name)[places]
            places = places[(values >= low) & (values <= high)]
        total = len(places)
        stars = self._world.stars[places]
        if total > SEARCH_CAP:
            most = np.argpartition(-stars, SEARCH_CAP)[:SEARCH_CAP]
            places, stars = places[most], stars[most]
        return _Result(total, places[np.lexsort((places, -stars))])

    def _base(self, qualifiers: tuple[str, ...]) -> Ints:
        if qualifiers not in self._bases:
            world = self._world
            flags = ~world.blocked
            flags &= world.primary if "language:Python" in qualifiers else True
            flags &= True if "fork:true" in qualifiers else ~world.fork
            flags &= ~world.archived if "archived:false" in qualifiers else True
            self._bases[qualifiers] = np.flatnonzero(flags)
        return self._bases[qualifiers]


def _range(name: str, text: str) -> tuple[int, int]:
    low, _, high = text.removeprefix(">=").partition("..")
    first = _value(name, low)
    return first, _value(name, high) if high else 1 << 60


def _value(name: str, text: str) -> int:
    dated = name in ("created", "pushed")
    return int(datetime.fromisoformat(text).timestamp()) if dated else int(text)


def found_at(world: World, places: Ints) -> tuple[Found, ...]:
    """Repositories as search lists them."""
    created, pushed = iso(world.created[places]), iso(world.pushed[places])
    return tuple(
        Found(
            id=int(world.ids[place]),
            node_id=f"R_{world.ids[place]}",
            name=world.name(place, listed=True),
            stars=int(world.stars[place]),
            fork=bool(world.fork[place]),
            size_kb=int(world.size_kb[place]),
            license=LICENSES[world.license[place]],
            pushed_at=pushed[number],
            created_at=created[number],
            archived=bool(world.archived[place]),
        )
        for number, place in enumerate(places.tolist())
    )


def iso(seconds: Ints) -> list[str]:
    """Moments as GitHub writes them."""
    text = np.datetime_as_string(seconds.astype("datetime64[s]"), timezone="UTC")
    listed: list[str] = text.tolist()
    return listed
