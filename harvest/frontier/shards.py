"""The planned repositories and their shards: what is to be fetched, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harvest.frontier.known import to_repository
from harvest.frontier.records import Outcome, Repository, WrittenShard
from harvest.frontier.table import Table

# What stands in the shards, of this generation and of those before it.
_COUNTED = (
    "SELECT counts, bytes FROM repositories WHERE counts != '{}'"
    " UNION ALL SELECT counts, bytes FROM former WHERE counts != '{}'"
)


class Shards(Table):
    """pending -> fetched -> done, or gone, blocked, empty, failed, opted_out."""

    def planned(self) -> int:
        """How many repositories have a place in a shard."""
        return int(self._one("SELECT count(*) FROM repositories WHERE shard IS NOT NULL")[0])

    def pending(self, shard: int) -> list[Repository]:
        """What is to be fetched for a shard, in the order of the plan."""
        return self._repositories("shard = ? AND state = 'pending'", shard)

    def members(self, shard: int) -> list[Repository]:
        """The planned repositories of a shard, in its order of rows."""
        return self._repositories("shard = ?", shard)

    def with_states(self, *states: str) -> list[Repository]:
        """The repositories in these states."""
        return self._repositories(f"state IN ({', '.join('?' * len(states))})", *states)

    def is_waiting(self, repository: int) -> bool:
        """Whether it is still on its way into a shard, so that its spool is needed."""
        query = "SELECT 1 FROM repositories WHERE id = ? AND state IN ('pending', 'fetched')"
        return self._one(query, repository) is not None

    def settle(self, repository: int, outcome: Outcome) -> None:
        """Record what became of a repository."""
        with self.together():
            self._settle(repository, outcome)

    def refetch(self, repository: int) -> None:
        """Its spool is lost: fetch it again, at the same commit."""
        self.settle(repository, Outcome(state="pending"))

    def retry_failed(self) -> None:
        """Give what failed another chance where its shard is not written yet."""
        with self.together():
            self._database.execute(
                "UPDATE repositories SET state = 'pending', reason = NULL WHERE state = 'failed'"
                " AND shard IS NOT NULL AND shard NOT IN (SELECT id FROM shards)"
            )
            # Failed before it was planned: it may have another chance until the plan is made.
            if self.note("shards") is None:
                self._database.execute(
                    "UPDATE repositories SET state = 'wanted', reason = NULL"
                    " WHERE state = 'failed' AND shard IS NULL"
                )

    def _settle(self, repository: int, outcome: Outcome) -> None:
        counts = json.dumps(dict(outcome.counts), sort_keys=True)
        self._database.execute(
            "UPDATE repositories SET state = ?, reason = ?, rows = ?, bytes = ?, counts = ?"
            " WHERE id = ?",
            (outcome.state, outcome.reason, outcome.rows, outcome.bytes, counts, repository),
        )

    def _repositories(self, where: str, *values: Any) -> list[Repository]:
        query = f"SELECT * FROM repositories WHERE {where} ORDER BY shard, position, id"
        return [to_repository(row) for row in self._all(query, *values)]

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
        with self.together():
            self._database.execute(
                "REPLACE INTO shards VALUES (?, ?, ?, ?)", (shard, digest, rows, size)
            )
            for repository, outcome in outcomes.items():
                self._settle(repository, outcome)

    def reopen_shard(self, shard: int) -> None:
        """A written shard is lost: fetch its documents again, at the same commits."""
        with self.together():
            self._database.execute("DELETE FROM shards WHERE id = ?", (shard,))
            self._database.execute(
                "UPDATE repositories SET state = 'pending' WHERE shard = ? AND state = 'done'",
                (shard,),
            )

    # -- summaries ----------------------------------------------------------------------------

    def file_counts(self) -> dict[str, int]:
        """Files of all repositories by what was done with them, superseded ones included."""
        rows = self._all(
            f"SELECT each.key AS counted, sum(each.value) AS n FROM ({_COUNTED}) AS one,"
            " json_each(one.counts) AS each GROUP BY counted ORDER BY counted"
        )
        return {row["counted"]: row["n"] for row in rows}

    def totals(self) -> tuple[int, int]:
        """Python files kept so far, and their bytes."""
        sums = {row["name"]: row["n"] for row in self._all("SELECT * FROM sums")}
        return sums["files"], sums["bytes"]
