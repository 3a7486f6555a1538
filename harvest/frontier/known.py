"""The repositories that are known, from the first word of them to what was planned.

found -> opted_out | rejected | wanted -> eligible, or rejected, gone, blocked, empty, failed;
eligible -> pending | left_out. What was found or is eligible when the plan is made, but has no
place in it, is left out.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from harvest.database import database_errors
from harvest.frontier.records import SOURCES, Details, Repository, source_bits, source_names
from harvest.frontier.table import Table
from harvest.selection import Found, Judged, OptOut

# Listings of the API say what is so today; the others may name what has another name since.
_CURRENT = source_bits(("search", "ids", "list"))
_ADD = f"""
INSERT INTO repositories
    (id, node_id, name, sources, stars, fork, archived, size_kb, license, created_at, pushed_at,
     state, reason)
VALUES (:id, :node_id, :name, :source, :stars, :fork, :archived, :size_kb, :license, :created_at,
    :pushed_at, :state, :reason)
ON CONFLICT (id) DO UPDATE SET
    sources = sources | excluded.sources,
    name = CASE WHEN excluded.sources & {_CURRENT} THEN excluded.name ELSE name END,
    stars = coalesce(excluded.stars, stars), fork = coalesce(excluded.fork, fork),
    archived = coalesce(excluded.archived, archived),
    size_kb = coalesce(excluded.size_kb, size_kb), license = coalesce(excluded.license, license),
    created_at = coalesce(excluded.created_at, created_at),
    pushed_at = coalesce(excluded.pushed_at, pushed_at),
    reason = CASE WHEN state = 'found' THEN excluded.reason ELSE reason END,
    state = CASE WHEN state = 'found' THEN excluded.state ELSE state END
"""
_DETAIL = """
UPDATE repositories SET
    name = :name, node_id = coalesce(:node_id, node_id), stars = coalesce(:stars, stars),
    fork = coalesce(:fork, fork), archived = coalesce(:archived, archived),
    size_kb = coalesce(:size_kb, size_kb), license = coalesce(:license, license),
    created_at = coalesce(:created_at, created_at), pushed_at = coalesce(:pushed_at, pushed_at),
    commit_id = :commit, languages = :languages, python_bytes = :python_bytes,
    state = :state, reason = :reason
WHERE id = :id
"""


class Known(Table):
    """A repository is known by its numeric id, through renames and transfers: none comes twice."""

    def add_found(self, found: Iterable[Judged], source: str) -> None:
        """Add what a source listed, or what it adds to what is known already."""
        bit = 1 << SOURCES.index(source)
        rows = (
            {
                **_plain_found(each.found),
                "source": bit,
                "state": each.state,
                "reason": each.reason,
            }
            for each in found
        )
        with self.together():
            self._database.executemany(_ADD, rows)

    def found(self) -> int:
        """How many repositories are known."""
        return sum(self.states().values())

    def count(self, *states: str) -> int:
        """How many repositories are in these states."""
        counted = self.states()
        return sum(counted.get(state, 0) for state in states)

    def states(self) -> dict[str, int]:
        """Repositories by state."""
        query = (
            "SELECT state, sum(n) AS n FROM counters GROUP BY state HAVING sum(n) ORDER BY state"
        )
        return {row["state"]: row["n"] for row in self._all(query)}

    def reasons(self) -> dict[str, int]:
        """Repositories by `state_reason`, where there is a reason."""
        query = "SELECT * FROM counters WHERE reason != '' AND n ORDER BY state, reason"
        return {f"{row['state']}_{row['reason']}": row["n"] for row in self._all(query)}

    # -- details ------------------------------------------------------------------------------

    def want(self, limit: int | None) -> int:
        """Ask next for the `limit` most starred ones that were found; how many these are."""
        with self.together():
            if limit is None:
                query = "UPDATE repositories SET state = 'wanted' WHERE state = 'found'"
                return self._database.execute(query).rowcount
            query = (
                "UPDATE repositories SET state = 'wanted' WHERE id IN (SELECT id FROM repositories"
                " WHERE state = 'found' ORDER BY coalesce(stars, 0) DESC, id LIMIT ?)"
            )
            return self._database.execute(query, (limit,)).rowcount

    def wanted(self, after: int, limit: int) -> list[Repository]:
        """The next repositories, by id, whose details are to be asked for."""
        query = "SELECT * FROM repositories WHERE state = 'wanted' AND id > ? ORDER BY id LIMIT ?"
        return [to_repository(row) for row in self._all(query, after, limit)]

    def planned_after(self, after: int, limit: int) -> list[Repository]:
        """The next repositories, by id, that have a place in a shard."""
        query = "SELECT * FROM repositories WHERE shard IS NOT NULL AND id > ? ORDER BY id LIMIT ?"
        return [to_repository(row) for row in self._all(query, after, limit)]

    def keep_details(self, details: Iterable[Details]) -> None:
        """Fix what will be fetched: from here on the rows of a repository are settled.

        Of what is not fetched, which may be most of GitHub, languages are not kept.
        """
        with self.together():
            self._database.executemany(_DETAIL, map(_plain_details, details))

    # -- the plan -----------------------------------------------------------------------------

    def candidates(self) -> list[tuple[int, int, int]]:
        """(id, stars, bytes as GitHub states them) of every repository that may be fetched."""
        query = (
            "SELECT id, coalesce(stars, 0), coalesce(size_kb, 0) * 1024 FROM repositories"
            " WHERE state = 'eligible'"
        )
        with database_errors(self._path):
            # Row by row: a million of SQLite's own rows would stand beside what is made of them.
            return [(row[0], row[1], row[2]) for row in self._database.execute(query)]

    def keep_plan(self, shards: Sequence[Sequence[int]], *, first: int = 0) -> None:
        """Settle which repository goes where; what is in no shard is left out.

        Shards are numbered from `first`, and members stand in the order in which they are given.
        """
        places = [
            (repository, shard, position)
            for shard, members in enumerate(shards, start=first)
            for position, repository in enumerate(members)
        ]
        places.sort()  # as they lie in the file, which takes two thirds of the time
        with self.together():
            self._database.executemany(
                "UPDATE repositories SET state = 'pending', shard = ?, position = ? WHERE id = ?",
                ((shard, position, repository) for repository, shard, position in places),
            )
            self._database.execute(
                "UPDATE repositories SET state = 'left_out' WHERE state IN ('found', 'eligible')"
            )
            self.keep_note("shards", first + len(shards))

    def opt_out(self, opt_out: OptOut) -> list[str]:
        """Honour a list that grew meanwhile; the names that are in finished shards already."""
        if not opt_out.names:
            return []
        query = (
            "SELECT id, name, state FROM repositories WHERE state IN"
            " ('found', 'wanted', 'eligible', 'pending', 'fetched', 'left_out', 'done')"
        )
        covered = [row for row in self._all(query) if opt_out.covers(row["name"])]
        with self.together():
            self._database.executemany(
                "UPDATE repositories SET state = 'opted_out', reason = NULL, rows = 0, bytes = 0,"
                " counts = '{}' WHERE id = ?",
                [(row["id"],) for row in covered if row["state"] != "done"],
            )
        return [row["name"] for row in covered if row["state"] == "done"]


def _plain_details(details: Details) -> dict[str, Any]:
    return {
        "id": details.id,
        "node_id": details.node_id,
        "name": details.name,
        "stars": details.stars,
        "fork": details.fork,
        "archived": details.archived,
        "size_kb": details.size_kb,
        "license": details.license,
        "created_at": details.created_at,
        "pushed_at": details.pushed_at,
        "commit": details.commit,
        "languages": json.dumps(dict(details.languages)) if details.state == "eligible" else None,
        "python_bytes": details.python_bytes,
        "state": details.state,
        "reason": details.reason,
    }


def _plain_found(found: Found) -> dict[str, Any]:
    return {
        "id": found.id,
        "node_id": found.node_id,
        "name": found.name,
        "stars": found.stars,
        "fork": found.fork,
        "archived": found.archived,
        "size_kb": found.size_kb,
        "license": found.license,
        "created_at": found.created_at,
        "pushed_at": found.pushed_at,
    }


def to_repository(row: sqlite3.Row) -> Repository:
    """A row as the rest of the harvest knows it."""
    archived = row["archived"]
    return Repository(
        id=row["id"],
        node_id=row["node_id"],
        name=row["name"],
        stars=row["stars"] or 0,
        fork=bool(row["fork"]),
        license=row["license"],
        pushed_at=row["pushed_at"],
        shard=-1 if row["shard"] is None else row["shard"],
        commit=row["commit_id"],
        languages=json.loads(row["languages"]) if row["languages"] else None,
        state=row["state"],
        reason=row["reason"],
        rows=row["rows"],
        bytes=row["bytes"],
        counts=json.loads(row["counts"]),
        archived=None if archived is None else bool(archived),
        size_kb=row["size_kb"],
        created_at=row["created_at"],
        python_bytes=row["python_bytes"],
        sources=source_names(row["sources"]),
        previous_commit=row["previous_commit"],
        generation=row["generation"],
    )
