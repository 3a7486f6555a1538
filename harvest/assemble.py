"""Shards from spools, and back: what a shard's footer says heals a frontier that was killed.

A shard takes its name first and is entered in the frontier after; its footer names the
repositories in it and what became of each, so that a run killed between the two goes on as if it
had not been.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import FileError, ShardError
from corpus.files import named_errors
from corpus.recipe import as_plain
from corpus.shards import Shard, open_shard, write_shard
from harvest.frontier import Frontier, Outcome, Repository
from harvest.spool import read_spool, spool_path


@dataclass(frozen=True, slots=True)
class Finished:
    """A shard on disk, and the outcomes that go into the frontier with it."""

    shard: Shard
    size: int
    outcomes: Mapping[int, Outcome]


def shard_path(raw: Path, shard: int) -> Path:
    """`raw/shard-00000.parquet`."""
    return raw / f"shard-{shard:05}.parquet"


def assemble(raw: Path, spools: Path, shard: int, members: Iterable[Repository]) -> Finished:
    """Write a shard: the rows of its repositories, in the order of the plan.

    Raises ShardError for a damaged spool, DiskFullError or FileError for the shard.
    """
    path = shard_path(raw, shard)
    outcomes = {member.id: _outcome(member) for member in members}
    with write_shard(path) as writer:
        for repository, outcome in outcomes.items():
            if outcome.state == "done":
                for table in read_spool(spool_path(spools, repository), outcome.rows):
                    writer.write(table)
        writer.notes = {
            "stage": "harvest",
            "repositories": [{"id": key, **as_plain(value)} for key, value in outcomes.items()],
        }
    return Finished(open_shard(path), path.stat().st_size, outcomes)


def _outcome(member: Repository) -> Outcome:
    return Outcome(
        state="done" if member.state == "fetched" else member.state,
        reason=member.reason,
        rows=member.rows,
        bytes=member.bytes,
        counts=member.counts,
    )


def reconcile(frontier: Frontier, raw: Path) -> list[str]:
    """Make frontier and shards agree; one line for every shard that has to be made again.

    Raises FileError for a shard that this frontier never planned: it is someone's data.
    """
    planned, written = frontier.note("shards") or 0, frontier.written()
    known = {shard_path(raw, shard): shard for shard in range(planned)}
    with named_errors(raw):
        present = sorted(raw.iterdir()) if raw.is_dir() else []
    for path in present:
        if path.suffix == ".parquet" and path not in known:
            raise FileError(path, "not a shard of this harvest; move it, or use another run folder")
    lost = []
    for path, shard in known.items():
        problem = _problem(frontier, path, shard, written.get(shard))
        if problem:
            lost.append(f"{path}: {problem}; it is made again")
            frontier.reopen_shard(shard)
            path.unlink(missing_ok=True)
    return lost


def _problem(frontier: Frontier, path: Path, number: int, expected: str | None) -> str | None:
    """Why the shard has to be made again; enters a good one that the frontier missed."""
    if not path.exists():
        return "missing" if expected else None
    try:
        shard = open_shard(path)
    except ShardError as error:
        return error.problem
    if expected:
        return None if shard.digest == expected else "changed since it was written"
    outcomes = _read_notes(shard.notes)
    if list(outcomes) != [member.id for member in frontier.members(number)]:
        return "of another harvest"
    finish(frontier, number, Finished(shard, path.stat().st_size, outcomes))
    return None


def finish(frontier: Frontier, number: int, finished: Finished) -> None:
    """Enter a written shard."""
    frontier.finish_shard(
        number,
        digest=finished.shard.digest,
        rows=finished.shard.rows,
        size=finished.size,
        outcomes=finished.outcomes,
    )


def _read_notes(notes: Mapping[str, Any]) -> dict[int, Outcome]:
    entries = notes.get("repositories") or ()
    return {
        entry["id"]: Outcome(**{key: value for key, value in entry.items() if key != "id"})
        for entry in entries
    }


def drop_spools(spools: Path, members: Iterable[int]) -> None:
    """Delete what stands in a shard now."""
    for repository in members:
        spool_path(spools, repository).unlink(missing_ok=True)
