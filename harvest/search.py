"""Find every repository that the recipe asks for, window by window, into the frontier."""

from __future__ import annotations

from collections.abc import Iterable

from corpus.events import Notice, Progress, Report
from harvest.api import Api, Page
from harvest.frontier import Frontier
from harvest.selection import Judge
from harvest.windows import SEARCH_CAP, Reading, Window, after_count, at_end, may_split
from harvest.workers import work_off

_MAX_NOTICES = 5


class Search:
    """Reads windows until none is open. Safe to kill at any point: a page is never lost."""

    def __init__(
        self,
        api: Api,
        frontier: Frontier,
        *,
        query: str,
        judge: Judge,
        enough: int | None,
        at_once: int,
        report: Report,
    ) -> None:
        self._api, self._frontier, self._query = api, frontier, query
        self._judge, self._at_once, self._report = judge, at_once, report
        # The most starred come first, so few repositories need no more than the first pages;
        # narrow windows come in no order of stars.
        few = enough is not None and enough <= SEARCH_CAP and not judge.rules.need_details
        self._enough = enough if few else None
        self._splits = frontier.count_windows().get("split", 0)
        self._not_closed = 0

    async def run(self, whole: Window) -> None:
        """Read `whole`, or what is left of it. Raises ApiError or UnreachableError."""
        self._frontier.open_window(whole)
        if self._splits:
            self._enough = None
        readings = self._frontier.open_readings()
        await work_off(readings, self._read, at_once=self._at_once)
        if self._not_closed > _MAX_NOTICES:
            text = f"{self._not_closed} search windows could not be closed; the manifest names them"
            self._report(Notice(text, warning=True))
        found = self._frontier.found()
        self._report(Progress("search", found, found, "repositories"))

    async def _read(self, reading: Reading) -> Iterable[Reading]:
        """Read a window to its end, or until it is clear that it must be split."""
        while True:
            query = f"{self._query} {reading.window.qualifier}".strip()
            page = await self._api.search(query, reading.page)
            # One transaction: a window is never further than its repositories.
            with self._frontier.together():
                after = self._after(reading, page)
            self._report(Progress("search", self._frontier.found(), None, "repositories"))
            if not isinstance(after, Reading):
                return after
            reading = after

    def _after(self, reading: Reading, page: Page) -> Reading | list[Reading]:
        """Keep a page; what to read next of this window, or the readings instead of it."""
        self._frontier.add_found(map(self._judge.listed, page.found), "search")
        read = reading.after_page((f.id for f in page.found), page.total, page.incomplete)
        if self._is_enough():
            return self._close(read, "enough")
        pieces = None if self._enough else after_count(read.window, page.total)
        if pieces and may_split(self._splits, self._frontier.found()):
            return self._split(read, pieces)
        if not read.at_end:
            self._frontier.keep_reading(read)
            return read
        return self._finish(read)

    def _finish(self, read: Reading) -> Reading | list[Reading]:
        verdict = at_end(read)
        if isinstance(verdict, tuple):
            if may_split(self._splits, self._frontier.found()):
                return self._split(read, verdict)
            verdict = "capped" if read.total > SEARCH_CAP else "short"
        if verdict == "again":
            again = read.again()
            self._frontier.keep_reading(again)
            return again
        return self._close(read, verdict)

    def _split(self, read: Reading, pieces: tuple[Window, ...]) -> list[Reading]:
        self._frontier.split_window(read, pieces)
        self._splits += 1
        self._enough = None
        return [Reading(piece) for piece in pieces]

    def _close(self, read: Reading, verdict: str) -> list[Reading]:
        self._frontier.close_window(read, verdict)
        if verdict not in ("closed", "enough"):
            self._not_closed += 1
            if self._not_closed <= _MAX_NOTICES:
                text = f"search {read.window.qualifier} {verdict}: {read.seen_count} of"
                self._report(Notice(f"{text} {read.total} repositories seen", warning=True))
        return []

    def _is_enough(self) -> bool:
        return self._enough is not None and self._frontier.count("found") >= self._enough
