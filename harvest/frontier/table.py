"""How the frontier's parts reach its database: transactions, and errors that name the file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harvest.database import database_errors


class Table:
    """One connection, used from one thread."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self._path, self._database = path, database
        self._depth = 0

    # -- the run ------------------------------------------------------------------------------

    def note(self, key: str) -> Any:
        """A value kept for the run, or None."""
        row = self._one("SELECT value FROM run WHERE key = ?", key)
        return json.loads(row[0]) if row else None

    def keep_note(self, key: str, value: Any) -> None:
        """Keep a value for the run."""
        with self.together():
            self._database.execute("REPLACE INTO run VALUES (?, ?)", (key, json.dumps(value)))

    def begin(self, selection: Mapping[str, Any], *, until: int) -> None:
        """Start an empty frontier for this selection, whose windows end at `until`."""
        with self.together():
            self._database.execute("DELETE FROM windows")
            self._database.execute("DELETE FROM parts")
            self._database.execute("DELETE FROM run")
            self.keep_note("selection", selection)
            self.keep_note("until", until)

    # -- SQLite -------------------------------------------------------------------------------

    @contextmanager
    def together(self) -> Iterator[None]:
        """Everything in the block is kept, or nothing is. Blocks may stand in one another."""
        if self._depth:
            yield
            return
        self._depth = 1
        try:
            with database_errors(self._path), self._database:
                yield
        finally:
            self._depth = 0

    def _one(self, query: str, *values: Any) -> Any:
        with database_errors(self._path):
            return self._database.execute(query, values).fetchone()

    def _all(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with database_errors(self._path):
            return self._database.execute(query, values).fetchall()
