"""Find every repository that the recipe asks for, window by window, into the frontier."""

from __future__ import annotations

from corpus.events import Notice, Progress, Report
from harvest.api import Api
from harvest.frontier import Frontier
from harvest.selection import OptOut
from harvest.windows import SEARCH_CAP, Reading, Window, after_count, at_end


class Search:
    """Reads windows until none is open. Safe to kill at any point: a page is never lost."""

    def __init__(
        self,
        api: Api,
        frontier: Frontier,
        *,
        query: str,
        opt_out: OptOut,
        enough: int | None,
        report: Report,
    ) -> None:
        self._api, self._frontier, self._query = api, frontier, query
        self._opt_out, self._report = opt_out, report
        # The most starred come first, so few repositories need no more than the first pages.
        self._enough = enough if enough is not None and enough <= SEARCH_CAP else None

    async def run(self, whole: Window) -> None:
        """Read `whole`, or what is left of it. Raises ApiError or UnreachableError."""
        self._frontier.open_window(whole)
        while (reading := self._frontier.next_reading()) is not None:
            await self._step(reading)
            self._report(Progress("search", self._frontier.found(), None, "repositories"))
        found = self._frontier.found()
        self._report(Progress("search", found, found, "repositories"))

    async def _step(self, reading: Reading) -> None:
        query = f"{self._query} {reading.window.qualifier}".strip()
        page = await self._api.search(query, reading.page)
        self._frontier.add_found(page.found, self._opt_out)
        read = reading.after_page((f.id for f in page.found), page.total, page.incomplete)
        if self._is_enough():
            self._frontier.close_window(read, "enough")
            return
        halves = None if self._enough else after_count(read.window, page.total)
        if halves:
            self._frontier.split_window(read, halves)
        elif not read.at_end:
            self._frontier.keep_reading(read)
        else:
            self._finish(read)

    def _finish(self, read: Reading) -> None:
        verdict = at_end(read)
        if isinstance(verdict, tuple):
            self._frontier.split_window(read, verdict)
            # Narrow windows come in no order of stars.
            self._enough = None
        elif verdict == "again":
            self._frontier.keep_reading(read.again())
        else:
            self._frontier.close_window(read, verdict)
            if verdict != "closed":
                text = f"search {read.window.qualifier} {verdict}: {len(read.seen)} of {read.total}"
                self._report(Notice(f"{text} repositories seen", warning=True))

    def _is_enough(self) -> bool:
        return self._enough is not None and self._frontier.eligible() >= self._enough
