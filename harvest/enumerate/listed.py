"""Repositories from a list file; those that nobody knows any more are named in the manifest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from corpus.events import Notice, Progress, Report
from harvest.api import Api
from harvest.batches import BatchSize
from harvest.enumerate.lines import read_list
from harvest.enumerate.named import look_up
from harvest.frontier import Frontier, Part
from harvest.selection import Judge
from harvest.workers import work_off

SOURCE = "list"


class ListFile:
    """Looks lines up until none is open. Safe to kill at any point."""

    def __init__(
        self,
        api: Api,
        frontier: Frontier,
        judge: Judge,
        *,
        by_graphql: bool,
        at_once: int,
        report: Report,
    ) -> None:
        self._api, self._frontier, self._judge = api, frontier, judge
        self._by_graphql, self._at_once, self._report = by_graphql, at_once, report
        self._size = BatchSize()

    async def run(self, path: Path) -> None:
        """Look up every line, or those that are left. Raises HarvestError or FileError."""
        entries = read_list(path)
        self._frontier.add_parts(SOURCE, entries.items())
        wishes = [
            Part(source=SOURCE, key=part.key, state="opted_out", position=part.position)
            for part in self._frontier.open_parts(SOURCE)
            if self._judge.opt_out.covers(part.key)
        ]
        self._frontier.keep_parts(wishes)
        left = self._frontier.open_parts(SOURCE)
        self._total = sum(self._frontier.count_parts(SOURCE).values())
        self._done = self._total - len(left)
        await work_off(self._batches(left), self._look_up, at_once=self._at_once)
        missing = self._total - self._frontier.count_parts(SOURCE).get("found", 0) - len(wishes)
        if missing:
            text = f"{path}: {missing} of {self._total} repositories not found"
            self._report(Notice(f"{text}; the manifest names them", warning=True))

    def _batches(self, left: Sequence[Part]) -> Iterator[Sequence[Part]]:
        begun = 0
        while begun < len(left):
            batch = left[begun : begun + (self._size.now if self._by_graphql else 1)]
            begun += len(batch)
            yield batch

    async def _look_up(self, batch: Sequence[Part]) -> Iterable[Sequence[Part]]:
        by_key = {part.key: part for part in batch}
        answers = await look_up(self._api, list(by_key), by_graphql=self._by_graphql)
        if answers.again:
            self._size.too_much(len(batch))
        else:
            self._size.went_well(len(batch))
        states = dict.fromkeys(answers.found, "found") | answers.missing
        with self._frontier.together():
            self._frontier.add_found(map(self._judge.listed, answers.found.values()), SOURCE)
            self._frontier.keep_parts(
                Part(source=SOURCE, key=key, state=state, position=by_key[key].position)
                for key, state in states.items()
            )
        self._done += len(states)
        self._report(Progress("list", self._done, self._total, "lines"))
        again = [by_key[key] for key in answers.again]
        middle = -(-len(again) // 2)
        return [half for half in (again[:middle], again[middle:]) if half]
