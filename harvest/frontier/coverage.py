"""What was read of each source: search windows, and the parts of all others."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Iterable

from harvest.frontier.records import Part
from harvest.frontier.table import Table
from harvest.windows import Reading, Window


class Coverage(Table):
    """Windows and parts, each with how far it was read."""

    # -- windows ------------------------------------------------------------------------------

    def open_window(self, window: Window) -> None:
        """Begin with this window, unless windows are known already."""
        with self.together():
            if not self._one("SELECT 1 FROM windows LIMIT 1"):
                self._write_reading(Reading(window), "open")

    def open_readings(self) -> list[Reading]:
        """The open windows as far as they were read, the earliest first."""
        rows = self._all("SELECT * FROM windows WHERE state = 'open'")
        return [_reading(row) for row in rows]

    def keep_reading(self, reading: Reading) -> None:
        """Remember how far a window was read."""
        with self.together():
            self._write_reading(reading, "open")

    def close_window(self, reading: Reading, verdict: str) -> None:
        """The window needs no further reading."""
        with self.together():
            self._write_reading(reading, verdict)

    def split_window(self, reading: Reading, pieces: Iterable[Window]) -> None:
        """Read the pieces instead."""
        with self.together():
            self._write_reading(reading, "split")
            for piece in pieces:
                self._write_reading(Reading(piece), "open")

    def coverage(self) -> list[tuple[Reading, str]]:
        """The windows that were not split, with their states."""
        rows = self._all("SELECT * FROM windows WHERE state != 'split'")
        return [(_reading(row), row["state"]) for row in rows]

    def count_windows(self) -> dict[str, int]:
        """Windows by state, the split ones too."""
        rows = self._all("SELECT state, count(*) AS n FROM windows GROUP BY state ORDER BY state")
        return {row["state"]: row["n"] for row in rows}

    def _write_reading(self, reading: Reading, state: str) -> None:
        window = reading.window
        self._database.execute(
            f"REPLACE INTO windows VALUES ({', '.join('?' * 14)})",
            (
                window.start,
                window.stop,
                window.min_stars,
                window.max_stars,
                window.min_size_kb,
                window.max_size_kb,
                window.short_splits,
                state,
                reading.page,
                reading.total,
                array("q", reading.seen).tobytes() if state == "open" else b"",
                reading.seen_count,
                reading.incomplete,
                reading.looks,
            ),
        )

    # -- parts of other sources ---------------------------------------------------------------

    def add_parts(self, source: str, parts: Iterable[tuple[str, int]]) -> None:
        """Begin with these (key, position); what is known already stays as it is."""
        with self.together():
            self._database.executemany(
                "INSERT OR IGNORE INTO parts VALUES (?, ?, 'open', ?, '{}')",
                ((source, key, position) for key, position in parts),
            )

    def open_parts(self, source: str) -> list[Part]:
        """The parts that are not read to their end, by key."""
        return self.parts(source, "open")

    def parts(self, source: str, *states: str) -> list[Part]:
        """The parts of a source, all of them or those in some states, by key."""
        among = f" AND state IN ({', '.join('?' * len(states))})" if states else ""
        query = f"SELECT * FROM parts WHERE source = ?{among} ORDER BY key"
        return [_part(row) for row in self._all(query, source, *states)]

    def count_parts(self, source: str) -> dict[str, int]:
        """A source's parts by state."""
        query = "SELECT state, count(*) AS n FROM parts WHERE source = ? GROUP BY state"
        return {row["state"]: row["n"] for row in self._all(query, source)}

    def keep_parts(self, parts: Iterable[Part]) -> None:
        """Remember how far these were read, and what came of it."""
        with self.together():
            self._database.executemany(
                "REPLACE INTO parts VALUES (?, ?, ?, ?, ?)",
                (
                    (
                        part.source,
                        part.key,
                        part.state,
                        part.position,
                        json.dumps(dict(part.facts), sort_keys=True),
                    )
                    for part in parts
                ),
            )


def _reading(row: sqlite3.Row) -> Reading:
    seen = array("q")
    seen.frombytes(row["seen"])
    return Reading(
        window=Window(
            row["start"],
            row["stop"],
            min_stars=row["min_stars"],
            max_stars=row["max_stars"],
            min_size_kb=row["min_size_kb"],
            max_size_kb=row["max_size_kb"],
            short_splits=row["short_splits"],
        ),
        page=row["page"],
        total=row["total"],
        seen=frozenset(seen),
        seen_before=row["seen_count"] - len(seen),
        incomplete=bool(row["incomplete"]),
        looks=row["looks"],
    )


def _part(row: sqlite3.Row) -> Part:
    return Part(
        source=row["source"],
        key=row["key"],
        state=row["state"],
        position=row["position"],
        facts=json.loads(row["facts"]),
    )
