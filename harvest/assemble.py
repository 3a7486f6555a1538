"""Shards from spools, and back: what a shard's footer says heals a frontier that was killed.

A shard takes its name first and is entered in the frontier after; its footer names the
repositories in it and what became of each, so that a run killed between the two goes on as if it
had not been. Its list of copies, `copies/` under the same name, stands before the shard does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import FileError, ShardError
from corpus.files import named_errors
from corpus.recipe import as_plain
from corpus.schema import COPY
from corpus.shards import Shard, ShardWriter, iter_row_groups, open_shard, write_shard
from harvest.frontier import Frontier, Outcome, Repository
from harvest.known import KnownBlobs
from harvest.lending import Library
from harvest.resolve import Resolution
from harvest.rows import copies, documents
from harvest.spool import Contents, drop_spool, read_listing, spool_path

Resolved = Mapping[int, Resolution]
_TAKEN_DOWN = "taken_down"  # what cleaning notes in the footer of a shard that it emptied in part


@dataclass(frozen=True, slots=True)
class Finished:
    """A shard on disk, and the outcomes that go into the frontier with it."""

    shard: Shard
    size: int
    outcomes: Mapping[int, Outcome]


def shard_path(raw: Path, shard: int) -> Path:
    """`raw/shard-00000.parquet`."""
    return raw / f"shard-{shard:05}.parquet"


def copies_path(raw: Path, shard: int) -> Path:
    """`raw/copies/shard-00000.parquet`."""
    return raw / "copies" / shard_path(raw, shard).name


def assemble(
    raw: Path,
    spools: Path,
    shard: int,
    members: Iterable[Repository],
    resolved: Resolved,
    *,
    library: Library | None,
) -> Finished:
    """Write a shard: the rows of its repositories, in the order of the plan.

    `library`: lends what rows borrow; None where every repository brings all that it has.

    Raises ShardError for a damaged spool, DiskFullError or FileError for the shard.
    """
    members = list(members)
    path = shard_path(raw, shard)
    notes: dict[str, Any] = {"stage": "harvest"}
    lent: Mapping[bytes, bytes] = {}
    if library is not None:
        lent = library.lend(resolved)
        notes["copies"] = _write_copies(copies_path(raw, shard), members, resolved)
        notes["oversize"] = {
            blob_id.hex(): size
            for each in resolved.values()
            for blob_id, size in each.oversize.items()
        }
    outcomes = {member.id: _outcome(member, resolved.get(member.id)) for member in members}
    with write_shard(path) as writer:
        for member in members:
            if member.id in resolved:
                _write_rows(writer, spools, member, resolved[member.id], lent)
        notes["repositories"] = [{"id": key, **as_plain(value)} for key, value in outcomes.items()]
        writer.notes = notes
    return Finished(open_shard(path), path.stat().st_size, outcomes)


def _write_copies(path: Path, members: Iterable[Repository], resolved: Resolved) -> dict[str, Any]:
    with write_shard(path, COPY) as writer:
        for member in members:
            files = resolved[member.id].copies if member.id in resolved else ()
            if files:
                writer.write(copies(member, files))
        writer.notes = {"stage": "harvest"}
    written = open_shard(path)
    return {"rows": written.rows, "digest": written.digest}


def _write_rows(
    writer: ShardWriter,
    spools: Path,
    member: Repository,
    resolution: Resolution,
    lent: Mapping[bytes, bytes],
) -> None:
    listing = read_listing(spool_path(spools, member.id))
    with Contents(spools, member.id) as contents:

        def read(blob_id: bytes) -> bytes:
            return lent[blob_id] if blob_id in resolution.borrowed else contents.read(blob_id)

        for table in documents(member, listing, resolution.rows, read):
            writer.write(table)


def _outcome(member: Repository, resolution: Resolution | None) -> Outcome:
    if resolution is None:
        return Outcome(state=member.state, reason=member.reason, counts=member.counts)
    return Outcome(
        state="done",
        reason=member.reason,
        rows=len(resolution.rows),
        bytes=resolution.python_bytes,
        counts=dict(resolution.counts),
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
        if problem and frontier.has_former(shard):
            hint = "restore it from a copy, or begin anew in another run folder"
            text = "and rows in it are of commits that a refresh has superseded"
            raise FileError(path, f"{problem}, {text}, so it can't be made again: {hint}")
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
        _check_copies(shard, number)
    except ShardError as error:
        return error.problem
    if expected:
        return None if shard.digest == expected else "changed since it was written"
    outcomes = _read_notes(shard.notes)
    if list(outcomes) != [member.id for member in frontier.members(number)]:
        return "of another harvest"
    finish(frontier, number, Finished(shard, path.stat().st_size, outcomes))
    return None


def _check_copies(shard: Shard, number: int) -> None:
    """Raises ShardError if the list that belongs to the shard is not there."""
    expected = shard.notes.get("copies")
    if expected is not None:
        path = copies_path(shard.path.parent, number)
        if open_shard(path).digest != expected["digest"]:
            raise ShardError(path, "its list of copies changed since it was written")


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
        drop_spool(spools, repository)


def catch_up(known: KnownBlobs, written: Iterable[int], raw: Path) -> None:
    """Bring the set of known blobs in step with the shards that are written. Raises ShardError."""
    shards = {number: open_shard(shard_path(raw, number)) for number in sorted(written)}
    states = {number: _state(shard) for number, shard in shards.items()}
    if any(states.get(number) != state for number, state in known.shards.items()):
        known.clear()
    for number in states.keys() - known.shards.keys():
        _remember(known, number, shards[number])


def _state(shard: Shard) -> str:
    """What a shard holds: its rows, less those whose content a takedown has emptied since."""
    taken_down = shard.notes.get(_TAKEN_DOWN) or ()
    return "-".join((shard.digest, *map(str, taken_down)))


def _remember(known: KnownBlobs, number: int, shard: Shard) -> None:
    """Enter the blobs of a written shard, and those that proved too large for any."""
    taken_down = set(shard.notes.get(_TAKEN_DOWN) or ())
    stored: dict[bytes, int] = {}
    for group in iter_row_groups(shard, ("repo_id", "blob_id", "size")):
        for repository, blob_id, size in zip(*group.to_pydict().values(), strict=True):
            if repository not in taken_down:
                stored[bytes.fromhex(blob_id)] = size
    for blob_id, size in (shard.notes.get("oversize") or {}).items():
        stored[bytes.fromhex(blob_id)] = size
    known.add(number, _state(shard), list(stored), list(stored.values()))
