"""Repositories that earlier harvests planned, from their run folders.

The frontier knows more than the shards do; where it is gone, the shards name their repositories.
Whatever is taken from there may have changed since: details say how it is today.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.compute as pc

from corpus.errors import FileError
from corpus.events import Progress, Report
from corpus.layout import RunFolder
from corpus.shards import Shard, list_shards, read_rows
from harvest.database import reading
from harvest.frontier import Frontier, Part
from harvest.nodes import made_node_id
from harvest.selection import Found, Judge

SOURCE = "earlier"
_CHUNK = 10_000


def take_earlier(folders: Sequence[Path], frontier: Frontier, judge: Judge, report: Report) -> None:
    """Take every run folder that was not taken before. Raises FileError."""
    frontier.add_parts(SOURCE, ((str(folder), 0) for folder in folders))
    for done, part in enumerate(frontier.open_parts(SOURCE), start=1):
        taken = 0
        # All of a folder or nothing: it may be growing.
        with frontier.together():
            for chunk in _repositories(RunFolder(Path(part.key))):
                frontier.add_found(map(judge.listed, chunk), SOURCE)
                taken += len(chunk)
            closed = Part(
                source=SOURCE, key=part.key, state="closed", facts={"repositories": taken}
            )
            frontier.keep_parts([closed])
        report(Progress("earlier", done, len(folders), "harvests"))


def _repositories(folder: RunFolder) -> Iterator[list[Found]]:
    if folder.frontier.exists():
        yield from _in_frontier(folder.frontier)
        return
    shards = list_shards(folder.raw) if folder.raw.is_dir() else []
    if not shards:
        raise FileError(folder.root, "no harvest there: neither a frontier nor raw shards")
    for shard in shards:
        yield _in_shard(shard)


def _in_frontier(path: Path) -> Iterator[list[Found]]:
    with reading(path) as database:
        known, after = Frontier(path, database), -1
        while chunk := known.planned_after(after, _CHUNK):
            after = chunk[-1].id
            yield [
                # Without what it was like then: stars, licence and the rest are asked for anew.
                Found(id=each.id, node_id=each.node_id, name=each.name, fork=each.fork)
                for each in chunk
            ]


def _in_shard(shard: Shard) -> list[Found]:
    table = read_rows(shard, columns=["repo_id", "repo", "fork"])
    each_once = table.group_by("repo_id").aggregate([("repo", "max"), ("fork", "max")])
    ordered = each_once.take(pc.sort_indices(each_once, sort_keys=[("repo_id", "ascending")]))
    return [
        Found(
            id=row["repo_id"],
            node_id=made_node_id(row["repo_id"]),
            name=row["repo_max"],
            fork=row["fork_max"],
        )
        for row in ordered.to_pylist()
    ]
