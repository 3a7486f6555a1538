"""What later harvests of the same repositories find: unchanged, changed, or not there any more.

Each refresh is a generation. A repository that changed leaves its place in an old shard, which is
never changed, and is fetched at its new commit into a new one; `former` keeps what it left.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harvest.frontier.known import to_repository
from harvest.frontier.records import Details, Outcome, Repository
from harvest.frontier.table import Table

# What had a place in a shard, or would have had one, and may be asked for again.
_ASKABLE = "state IN ('done', 'gone', 'blocked', 'empty', 'failed') AND shard IS NOT NULL"
_CHANGED = """
UPDATE repositories SET
    state = 'eligible', reason = NULL, shard = NULL, position = NULL, rows = 0, bytes = 0,
    counts = '{}', commit_id = :commit,
    previous_commit = CASE WHEN state = 'done' OR rows THEN commit_id ELSE previous_commit END,
    languages = :languages, python_bytes = :python_bytes
WHERE id = :id
"""
_KNOWN_AS = """
UPDATE repositories SET
    generation = :generation, name = :name, stars = coalesce(:stars, stars),
    archived = coalesce(:archived, archived), size_kb = coalesce(:size_kb, size_kb),
    license = coalesce(:license, license), pushed_at = coalesce(:pushed_at, pushed_at)
WHERE id = :id
"""
_LEFT = """
INSERT OR REPLACE INTO former
SELECT id, generation, shard, commit_id, rows, bytes, counts FROM repositories
WHERE id = ? AND (state = 'done' OR rows)
"""
_SUPERSEDED = """
SELECT former.repository AS id, name, former.commit_id AS before, repositories.commit_id AS now,
    former.shard AS shard, former.rows AS rows
FROM former JOIN repositories ON repositories.id = former.repository
WHERE (repositories.state = 'done' OR repositories.rows)
    AND former.commit_id != repositories.commit_id
ORDER BY former.repository, former.generation
"""


@dataclass(frozen=True, slots=True)
class Superseded:
    """Rows of a repository at an older commit, in a shard that still has them."""

    id: int
    name: str
    before: str
    now: str
    shard: int
    rows: int


class Generations(Table):
    """Refreshes; the `run` note "refresh" says which one is under way."""

    def begin_refresh(self, began: str) -> int:
        """The generation of the refresh that is under way, which begins if there is none."""
        known = self.note("refresh")
        if known is None:
            highest = self._one("SELECT max(generation) FROM repositories")[0] or 0
            known = {"generation": highest + 1, "began": began, "first": self.note("shards") or 0}
            self.keep_note("refresh", known)
        return int(known["generation"])

    def end_refresh(self, account: dict[str, Any]) -> None:
        """The refresh is complete: it is remembered, and the next one may begin."""
        with self.together():
            self.keep_note("refreshes", [*(self.note("refreshes") or ()), account])
            self._database.execute("DELETE FROM run WHERE key = 'refresh'")

    def done_names(self) -> list[tuple[int, str]]:
        """Id and name of every repository that is in a shard."""
        rows = self._all("SELECT id, name FROM repositories WHERE state = 'done' ORDER BY id")
        return [(row["id"], row["name"]) for row in rows]

    def to_ask(self, generation: int, after: int, limit: int) -> list[Repository]:
        """The next repositories, by id, that this refresh has not asked for yet."""
        query = (
            f"SELECT * FROM repositories WHERE generation < ? AND {_ASKABLE} AND id > ?"
            " ORDER BY id LIMIT ?"
        )
        return [to_repository(row) for row in self._all(query, generation, after, limit)]

    def count_to_ask(self, generation: int) -> int:
        """How many these are."""
        query = f"SELECT count(*) FROM repositories WHERE generation < ? AND {_ASKABLE}"
        return int(self._one(query, generation)[0])

    def count_asked(self, generation: int) -> int:
        """How many this refresh has asked for, or left alone as they wish."""
        query = "SELECT count(*) FROM repositories WHERE generation = ?"
        return int(self._one(query, generation)[0])

    def keep_answer(self, generation: int, details: Details) -> None:
        """What GitHub says of a repository now: the same commit, or another one to be fetched."""
        row: sqlite3.Row = self._one("SELECT * FROM repositories WHERE id = ?", details.id)
        said = {
            "id": details.id,
            "generation": generation,
            "name": details.name,
            "stars": details.stars,
            "archived": details.archived,
            "size_kb": details.size_kb,
            "license": details.license,
            "pushed_at": details.pushed_at,
            "commit": details.commit,
            "languages": json.dumps(dict(details.languages)),
            "python_bytes": details.python_bytes,
        }
        stored = row["state"] == "done" or row["rows"]
        with self.together():
            if not stored or row["commit_id"] != details.commit:
                self._database.execute(_LEFT, (details.id,))
                self._database.execute(_CHANGED, said)
            elif row["state"] != "done":  # it was gone for a while, and its rows are there still
                self._set_state(details.id, "done", None)
            self._database.execute(_KNOWN_AS, said)

    def keep_end(self, generation: int, repository: int, outcome: Outcome) -> None:
        """It can't be had any more. Its rows stay in their shard, and so do their counts."""
        with self.together():
            known = self._one("SELECT state FROM repositories WHERE id = ?", repository)
            self._set_state(repository, outcome.state, outcome.reason)
            self._asked(generation, [repository])
            if known["state"] != outcome.state:
                self.count_up("ended")

    def count_up(self, name: str) -> None:
        """One more of something in the refresh that is under way."""
        under_way = self.note("refresh")
        self.keep_note("refresh", {**under_way, name: under_way.get(name, 0) + 1})

    def keep_as_is(self, generation: int, repositories: Iterable[int]) -> None:
        """Nothing is known that would change these."""
        with self.together():
            self._asked(generation, repositories)

    def _set_state(self, repository: int, state: str, reason: str | None) -> None:
        self._database.execute(
            "UPDATE repositories SET state = ?, reason = ? WHERE id = ?",
            (state, reason, repository),
        )

    def _asked(self, generation: int, repositories: Iterable[int]) -> None:
        self._database.executemany(
            "UPDATE repositories SET generation = ? WHERE id = ?",
            ((generation, repository) for repository in repositories),
        )

    # -- what there is to tell ----------------------------------------------------------------

    def superseded(self) -> list[Superseded]:
        """Rows in written shards whose repository was fetched again at another commit."""
        return [Superseded(**dict(row)) for row in self._all(_SUPERSEDED)]

    def has_former(self, shard: int) -> bool:
        """Whether the shard holds rows that their repository has left."""
        return self._one("SELECT 1 FROM former WHERE shard = ? LIMIT 1", shard) is not None

    def ended(self, *, unplanned: int) -> list[tuple[Repository, str | None]]:
        """What can't be had, and since when (ISO 8601): all that had a place in a shard.

        Of those that never had one, the first `unplanned` by id: on all of GitHub many are empty.
        """
        joined = "SELECT * FROM repositories LEFT JOIN ended ON ended.repository = repositories.id"
        states = "state IN ('gone', 'blocked', 'empty', 'opted_out')"
        planned = self._all(
            f"{joined} WHERE {states} AND shard IS NOT NULL ORDER BY shard, position, id"
        )
        others = self._all(
            # A wish that came before anything was fetched is no news.
            f"{joined} WHERE {states} AND shard IS NULL AND (state != 'opted_out' OR rows)"
            " ORDER BY id LIMIT ?",
            unplanned,
        )
        return [(to_repository(row), row["since"]) for row in (*planned, *others)]
