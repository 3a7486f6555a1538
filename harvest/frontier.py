"""The harvest's memory: which windows were read, which repositories are known, what became of each.

SQLite in WAL mode; every method is one transaction, so that a killed run finds here exactly what
it had finished. Used from one thread.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpus.recipe import as_plain
from harvest.database import database_errors
from harvest.selection import Found, OptOut
from harvest.windows import Reading, Window

# found -> left_out | opted_out | pending -> fetched -> done, or one of the last four.
FINAL = ("done", "gone", "blocked", "empty", "failed", "opted_out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository of the plan; the fields from `state` on say what became of it."""

    id: int
    node_id: str
    name: str
    stars: int
    fork: bool
    license: str | None
    pushed_at: str | None
    shard: int
    commit: str | None
    languages: Mapping[str, int] | None
    state: str
    reason: str | None = None
    rows: int = 0
    bytes: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What is asked for each repository before it is fetched."""

    id: int
    name: str
    stars: int | None = None  # None: as search said
    license: str | None = None
    pushed_at: str | None = None
    commit: str
    languages: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one repository."""

    state: str
    reason: str | None = None
    rows: int = 0
    bytes: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WrittenShard:
    """A shard on disk."""

    shard: int
    digest: str
    rows: int
    bytes: int


class Frontier:
    """The methods by subject: the run, windows, repositories, shards, summaries."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self._path, self._database = path, database

    # -- the run ------------------------------------------------------------------------------

    def note(self, key: str) -> Any:
        """A value kept for the run, or None."""
        row = self._one("SELECT value FROM run WHERE key = ?", key)
        return json.loads(row[0]) if row else None

    def begin(self, selection: Mapping[str, Any], *, until: int) -> None:
        """Start an empty frontier for this selection, whose windows end at `until`."""
        with self._transaction():
            self._database.execute("DELETE FROM windows")
            self._keep("selection", selection)
            self._keep("until", until)

    def _keep(self, key: str, value: Any) -> None:
        self._database.execute("REPLACE INTO run VALUES (?, ?)", (key, json.dumps(value)))

    # -- windows ------------------------------------------------------------------------------

    def open_window(self, window: Window) -> None:
        """Begin with this window, unless windows are known already."""
        with self._transaction():
            if not self._one("SELECT 1 FROM windows LIMIT 1"):
                self._write_reading(Reading(window), "open")

    def next_reading(self) -> Reading | None:
        """The earliest open window, as far as it was read."""
        row = self._one("SELECT * FROM windows WHERE state = 'open' ORDER BY start, stop LIMIT 1")
        return _reading(row) if row else None

    def keep_reading(self, reading: Reading) -> None:
        """Remember how far a window was read."""
        with self._transaction():
            self._write_reading(reading, "open")

    def close_window(self, reading: Reading, verdict: str) -> None:
        """The window needs no further reading."""
        with self._transaction():
            self._write_reading(reading, verdict)

    def split_window(self, reading: Reading, halves: Iterable[Window]) -> None:
        """Read the halves instead."""
        with self._transaction():
            self._write_reading(reading, "split")
            for half in halves:
                self._write_reading(Reading(half), "open")

    def coverage(self) -> list[tuple[Reading, str]]:
        """The windows that were not split, with their states."""
        rows = self._all("SELECT * FROM windows WHERE state != 'split' ORDER BY start")
        return [(_reading(row), row["state"]) for row in rows]

    def _write_reading(self, reading: Reading, state: str) -> None:
        window = reading.window
        self._database.execute(
            "REPLACE INTO windows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                window.start,
                window.stop,
                window.short_splits,
                state,
                reading.page,
                reading.total,
                json.dumps(sorted(reading.seen)),
                reading.incomplete,
                reading.looks,
            ),
        )

    # -- repositories -------------------------------------------------------------------------

    def add_found(self, found: Iterable[Found], opt_out: OptOut) -> None:
        """Add what search found; a repository is known by its id, so that none comes twice."""
        rows = [
            {**as_plain(each), "state": "opted_out" if opt_out.covers(each.name) else "found"}
            for each in found
        ]
        with self._transaction():
            self._database.executemany(
                "INSERT OR IGNORE INTO repositories"
                " (id, node_id, name, stars, fork, size_kb, license, pushed_at, state) VALUES"
                " (:id, :node_id, :name, :stars, :fork, :size_kb, :license, :pushed_at, :state)",
                rows,
            )

    def found(self) -> int:
        """How many repositories are known."""
        return int(self._one("SELECT count(*) FROM repositories")[0])

    def eligible(self) -> int:
        """How many of them may be fetched."""
        return int(self._one("SELECT count(*) FROM repositories WHERE state = 'found'")[0])

    def candidates(self) -> list[tuple[int, int, int]]:
        """(id, stars, bytes as GitHub states them) of every repository that may be fetched."""
        rows = self._all("SELECT id, stars, size_kb FROM repositories WHERE state = 'found'")
        return [(row["id"], row["stars"], row["size_kb"] * 1024) for row in rows]

    def keep_plan(self, shards: Sequence[Sequence[int]]) -> None:
        """Settle which repository goes where; what is in no shard is left out."""
        places = [
            (shard, position, repository)
            for shard, members in enumerate(shards)
            for position, repository in enumerate(members)
        ]
        with self._transaction():
            self._database.executemany(
                "UPDATE repositories SET state = 'pending', shard = ?, position = ? WHERE id = ?",
                places,
            )
            self._database.execute("UPDATE repositories SET state='left_out' WHERE state='found'")
            self._keep("shards", len(shards))

    def opt_out(self, opt_out: OptOut) -> list[str]:
        """Honour a list that grew since the plan; the names that are in finished shards already."""
        rows = self._all("SELECT id, name, state FROM repositories WHERE shard IS NOT NULL")
        covered = [row for row in rows if opt_out.covers(row["name"])]
        waiting = [(row["id"],) for row in covered if row["state"] not in FINAL]
        with self._transaction():
            self._database.executemany(
                "UPDATE repositories SET state = 'opted_out', reason = NULL, rows = 0, bytes = 0,"
                " counts = '{}' WHERE id = ?",
                waiting,
            )
        return [row["name"] for row in covered if row["state"] == "done"]

    def retry_failed(self) -> None:
        """Give what failed another chance where its shard is not written yet."""
        with self._transaction():
            self._database.execute(
                "UPDATE repositories SET state = 'pending', reason = NULL WHERE state = 'failed'"
                " AND shard NOT IN (SELECT id FROM shards)"
            )

    def refetch(self, repository: int) -> None:
        """Its spool is lost: fetch it again, at the same commit."""
        self.settle(repository, Outcome(state="pending"))

    def undetailed(self, limit: int) -> list[Repository]:
        """The next repositories whose commit is not known."""
        return self._repositories("state = 'pending' AND commit_id IS NULL", limit)

    def count_undetailed(self) -> int:
        """How many repositories `undetailed` would list."""
        query = "SELECT count(*) FROM repositories WHERE state = 'pending' AND commit_id IS NULL"
        return int(self._one(query)[0])

    def planned(self) -> int:
        """How many repositories have a place in a shard."""
        return int(self._one("SELECT count(*) FROM repositories WHERE shard IS NOT NULL")[0])

    def keep_details(self, details: Iterable[Details]) -> None:
        """Fix what will be fetched: from here on the rows of a repository are settled."""
        rows = [
            {**as_plain(each), "languages": json.dumps(dict(each.languages))} for each in details
        ]
        with self._transaction():
            self._database.executemany(
                "UPDATE repositories SET name = :name, stars = coalesce(:stars, stars),"
                " license = coalesce(:license, license),"
                " pushed_at = coalesce(:pushed_at, pushed_at), commit_id = :commit,"
                " languages = :languages WHERE id = :id",
                rows,
            )

    def pending(self, shard: int) -> list[Repository]:
        """What is to be fetched for a shard, in the order of the plan."""
        return self._repositories("shard = ? AND state = 'pending'", None, shard)

    def members(self, shard: int) -> list[Repository]:
        """The planned repositories of a shard, in its order of rows."""
        return self._repositories("shard = ?", None, shard)

    def settle(self, repository: int, outcome: Outcome) -> None:
        """Record what became of a repository."""
        with self._transaction():
            self._settle(repository, outcome)

    def _settle(self, repository: int, outcome: Outcome) -> None:
        counts = json.dumps(dict(outcome.counts), sort_keys=True)
        self._database.execute(
            "UPDATE repositories SET state = ?, reason = ?, rows = ?, bytes = ?, counts = ?"
            " WHERE id = ?",
            (outcome.state, outcome.reason, outcome.rows, outcome.bytes, counts, repository),
        )

    def _repositories(self, where: str, limit: int | None = None, *values: Any) -> list[Repository]:
        order = "ORDER BY shard, position" + (f" LIMIT {limit}" if limit else "")
        rows = self._all(f"SELECT * FROM repositories WHERE {where} {order}", *values)
        return [_repository(row) for row in rows]

    # -- shards -------------------------------------------------------------------------------

    def unwritten(self) -> list[int]:
        """Planned shards that are not written."""
        written = {row["id"] for row in self._all("SELECT id FROM shards")}
        return [shard for shard in range(self.note("shards") or 0) if shard not in written]

    def unsettled(self, shard: int) -> int:
        """How many of a shard's repositories are still to be fetched."""
        query = "SELECT count(*) FROM repositories WHERE shard = ? AND state = 'pending'"
        return int(self._one(query, shard)[0])

    def written(self) -> dict[int, str]:
        """The digests of the written shards."""
        return {row.shard: row.digest for row in self.written_shards()}

    def written_shards(self) -> list[WrittenShard]:
        """The written shards in order."""
        rows = self._all("SELECT * FROM shards ORDER BY id")
        return [WrittenShard(row["id"], row["digest"], row["rows"], row["bytes"]) for row in rows]

    def finish_shard(
        self, shard: int, *, digest: str, rows: int, size: int, outcomes: Mapping[int, Outcome]
    ) -> None:
        """A shard is on disk: it and its repositories are done together."""
        with self._transaction():
            self._database.execute(
                "REPLACE INTO shards VALUES (?, ?, ?, ?)", (shard, digest, rows, size)
            )
            for repository, outcome in outcomes.items():
                self._settle(repository, outcome)

    def reopen_shard(self, shard: int) -> None:
        """A written shard is lost: fetch its documents again, at the same commits."""
        with self._transaction():
            self._database.execute("DELETE FROM shards WHERE id = ?", (shard,))
            self._database.execute(
                "UPDATE repositories SET state = 'pending' WHERE shard = ? AND state = 'done'",
                (shard,),
            )

    # -- summaries ----------------------------------------------------------------------------

    def states(self) -> dict[str, int]:
        """Repositories by state."""
        rows = self._all(
            "SELECT state, count(*) AS n FROM repositories GROUP BY state ORDER BY state"
        )
        return {row["state"]: row["n"] for row in rows}

    def reasons(self) -> dict[str, int]:
        """Repositories by `state_reason`, where there is a reason."""
        rows = self._all(
            "SELECT state || '_' || reason AS counted, count(*) AS n FROM repositories"
            " WHERE reason IS NOT NULL GROUP BY counted ORDER BY counted"
        )
        return {row["counted"]: row["n"] for row in rows}

    def with_states(self, *states: str) -> list[Repository]:
        """The planned repositories in these states."""
        marks = ", ".join("?" * len(states))
        return self._repositories(f"shard IS NOT NULL AND state IN ({marks})", None, *states)

    def file_counts(self) -> dict[str, int]:
        """Files of all repositories by what was done with them."""
        rows = self._all(
            "SELECT each.key AS counted, sum(each.value) AS n FROM repositories,"
            " json_each(repositories.counts) AS each GROUP BY counted ORDER BY counted"
        )
        return {row["counted"]: row["n"] for row in rows}

    def totals(self) -> tuple[int, int]:
        """Python files kept so far, and their bytes."""
        row = self._one("SELECT sum(json_extract(counts, '$.kept')), sum(bytes) FROM repositories")
        return int(row[0] or 0), int(row[1] or 0)

    # -- SQLite -------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with database_errors(self._path), self._database:
            yield

    def _one(self, query: str, *values: Any) -> Any:
        with database_errors(self._path):
            return self._database.execute(query, values).fetchone()

    def _all(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with database_errors(self._path):
            return self._database.execute(query, values).fetchall()


def _reading(row: sqlite3.Row) -> Reading:
    return Reading(
        window=Window(row["start"], row["stop"], row["short_splits"]),
        page=row["page"],
        total=row["total"],
        seen=frozenset(json.loads(row["seen"])),
        incomplete=bool(row["incomplete"]),
        looks=row["looks"],
    )


def _repository(row: sqlite3.Row) -> Repository:
    return Repository(
        id=row["id"],
        node_id=row["node_id"],
        name=row["name"],
        stars=row["stars"],
        fork=bool(row["fork"]),
        license=row["license"],
        pushed_at=row["pushed_at"],
        shard=row["shard"],
        commit=row["commit_id"],
        languages=json.loads(row["languages"]) if row["languages"] else None,
        state=row["state"],
        reason=row["reason"],
        rows=row["rows"],
        bytes=row["bytes"],
        counts=json.loads(row["counts"]),
    )
