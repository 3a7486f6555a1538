"""Run a harvest or a refresh that ends at the n-th thing that it does to the disk.

It is killed there (`kill -9`), or finds the disk full from there on.

Run by `multiprocessing`'s fork server through `runpy`, with a global `JOB`: the recipe's values,
the folder, the command, `at`, and whether the disk is `full`. Counted are renames, deletions,
flushes and SQLite's commits, each before and after it is done; what lies between no later run can
see as finished.
"""

from __future__ import annotations

import errno
import itertools
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_NEED_NO_ROOM = (os.unlink, os.rmdir)


class Points:
    """Counts, and ends the process at one of them, or its room on the disk."""

    def __init__(self, at: int | None, *, full: bool) -> None:
        self._at, self._full = at, full
        self._counted = itertools.count()  # next() is atomic, threads or not
        self.reached = 0

    def __call__(self) -> None:
        self.reached = next(self._counted) + 1
        if not self._full and self.reached - 1 == self._at:
            os.kill(os.getpid(), signal.SIGKILL)

    @property
    def is_full(self) -> bool:
        """Whether nothing more fits the disk."""
        return self._full and self._at is not None and self.reached > self._at

    def around(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, a point before it and one after it."""

        def counted(*arguments: Any, **named: Any) -> Any:
            self()
            if self.is_full and act not in _NEED_NO_ROOM:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
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
            if points.is_full and error[0] is None:
                full = sqlite3.OperationalError("database or disk is full")
                super().__exit__(type(full), full, None)
                raise full
            result = super().__exit__(*error)
            points()
            return result

    connect = sqlite3.connect
    sqlite3.connect = lambda *a, **k: connect(*a, factory=Connection, **k)  # type: ignore[assignment]


def main(job: dict[str, Any]) -> None:
    """Do it, and say how many points there were."""
    sys.path.insert(0, job["root"])
    from corpus.errors import PycodegptError
    from corpus.layout import RunFolder
    from harvest.recipe import HarvestRecipe
    from harvest.refresh import refresh
    from harvest.run import harvest

    points = Points(job["at"], full=job["full"])
    patch(points)
    work: Any = {"harvest": harvest, "refresh": refresh}[job["command"]]
    told = Path(job["told"])
    try:
        work(HarvestRecipe(**job["recipe"]), RunFolder(Path(job["folder"])), tokens=["any"])
    except PycodegptError as error:
        told.write_text(f"{type(error).__name__}: {error}")
    else:
        told.write_text(str(points.reached))


if __name__ == "<run_path>":
    main(globals()["JOB"])
