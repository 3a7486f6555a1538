"""Every public repository by its numeric id: `GET /repositories?since=`, 100 a page.

Source: GitHub REST documentation, "List public repositories". A listing has no language and no
stars: details bring them. A range of ids is cut into parts that are read side by side, and each
goes on at the id where a killed run was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from corpus.events import Notice, Progress, Report
from harvest.api import Api, Listed
from harvest.frontier import Frontier, Part
from harvest.selection import Found, Judge
from harvest.workers import work_off

SOURCE = "ids"
_PARTS = 64  # not by concurrency, which may change between two runs
_MIN_IDS = 1_000  # of a part
_OPEN_END = "newest"


def parts_of(first: int, last: int | None) -> list[tuple[str, int]]:
    """(key, id to begin after) of parts that share no id and leave none out.

    A range without an end is one part: nobody knows where its middle is.
    """
    if last is None:
        return [(f"{first:012}-{_OPEN_END}", max(0, first - 1))]
    number = max(1, min(_PARTS, (last - first + 1) // _MIN_IDS))
    cuts = [first + (last - first + 1) * place // number for place in range(number + 1)]
    return [(f"{low:012}-{high - 1:012}", max(0, low - 1)) for low, high in pairwise(cuts)]


def last_of(part: Part) -> int | None:
    """The highest id of a part; None if it has no end."""
    end = part.key.partition("-")[2]
    return None if end == _OPEN_END else int(end)


def after_page(part: Part, ids: Sequence[int]) -> Part:
    """The part with one more page, which has these ids.

    It is closed by an empty page, there being no more repositories, or by an id at its end or
    past it. A page that leads nowhere ends it as stuck, or it would be read for ever.
    """
    last = last_of(part)
    facts = {
        "pages": part.facts.get("pages", 0) + 1,
        "listed": part.facts.get("listed", 0) + len(_inside(ids, last)),
    }
    if not ids or (last is not None and max(ids) >= last):
        return replace(part, state="closed", facts=facts, position=max(part.position, last or 0))
    if max(ids) <= part.position:
        return replace(part, state="stuck", facts=facts)
    return replace(part, position=max(ids), facts=facts)


def _inside(ids: Iterable[int], last: int | None) -> list[int]:
    return [each for each in ids if last is None or each <= last]


class Ids:
    """Reads parts until none is open. Safe to kill at any point."""

    def __init__(
        self, api: Api, frontier: Frontier, judge: Judge, *, at_once: int, report: Report
    ) -> None:
        self._api, self._frontier, self._judge = api, frontier, judge
        self._at_once, self._report = at_once, report
        self._listed = 0

    async def run(self, first: int, last: int | None) -> None:
        """Read the range, or what is left of it. Raises ApiError or UnreachableError."""
        known = self._frontier.parts(SOURCE)
        if not known:
            self._frontier.add_parts(SOURCE, parts_of(first, last))
        self._listed = sum(part.facts.get("listed", 0) for part in known)
        await work_off(self._frontier.open_parts(SOURCE), self._read, at_once=self._at_once)
        self._report(Progress("ids", self._listed, self._listed, "repositories"))

    async def _read(self, part: Part) -> Iterable[Part]:
        while part.state == "open":
            page = await self._api.repositories_since(part.position)
            read = after_page(part, [each.id for each in page])
            listed = [each for each in page if each.id in _range(part, read)]
            with self._frontier.together():
                self._frontier.add_found(
                    (self._judge.listed(_found(each)) for each in listed), SOURCE
                )
                self._frontier.keep_parts([read])
            self._listed += len(listed)
            self._report(Progress("ids", self._listed, None, "repositories"))
            part = read
        if part.state == "stuck":
            text = f"the list of repositories goes on nowhere after id {part.position}"
            self._report(Notice(f"{text}; the rest of {part.key} was not read", warning=True))
        return ()


def _range(before: Part, after: Part) -> range:
    """The ids that a page may bring: past what was read, up to the part's end."""
    last = last_of(before)
    return range(before.position + 1, (after.position if last is None else last) + 1)


def _found(listed: Listed) -> Found:
    return Found(id=listed.id, node_id=listed.node_id, name=listed.name, fork=listed.fork)
