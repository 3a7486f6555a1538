"""Run a harvest or a refresh that `kill -9`s itself at the n-th thing that it does to the disk.

Run by `multiprocessing`'s fork server through `runpy`, with a global `JOB`: the recipe's values,
the folder, the command, and `at`. Counted are renames, deletions, flushes and SQLite's commits,
each before and after it is done; what lies between no later run can see as finished.
"""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Points:
    """Counts, and ends the process at one of them."""

    def __init__(self, at: int | None) -> None:
        self._at, self._counted = at, itertools.count()  # next() is atomic, threads or not
        self.reached = 0

    def __call__(self) -> None:
        self.reached = next(self._counted) + 1
        if self.reached - 1 == self._at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, a point before it and one after it."""

        def counted(*arguments: Any, **named: Any) -> Any:
            self()
            result = act(*arguments, **named)
            self()
            return result

        return counted


def patch(points: Points) -> None:
    """Put points around everything that reaches the disk for good."""
    for name in ("replace", "rename", "fsync", "unlink", "rmdir"):
        setattr(os, name, points.around(getattr(os, name)))

    class Connection(sqlite3.Connection):
        def __exit__(self, *error: Any) -> Any:
            points()
            result = super().__exit__(*error)
            points()
            return result

    connect = sqlite3.connect
    sqlite3.connect = lambda *a, **k: connect(*a, factory=Connection, **k)  # type: ignore[assignment]


def main(job: dict[str, Any]) -> None:
    """Do it, and say how many points there were."""
    sys.path.insert(0, job["root"])
    from corpus.layout import RunFolder
    from harvest.recipe import HarvestRecipe
    from harvest.refresh import refresh
    from harvest.run import harvest

    points = Points(job["at"])
    patch(points)
    work: Any = {"harvest": harvest, "refresh": refresh}[job["command"]]
    work(HarvestRecipe(**job["recipe"]), RunFolder(Path(job["folder"])), tokens=["any"])
    Path(job["told"]).write_text(str(points.reached))


if __name__ == "<run_path>":
    main(globals()["JOB"])
