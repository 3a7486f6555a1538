"""The harvest's manifest: what was asked for, what came, and what became of all the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corpus.manifest import FileEntry, Manifest
from corpus.recipe import as_plain
from harvest.assemble import shard_path
from harvest.certificate import MAX_NAMED, certificate
from harvest.frontier import Frontier, Repository
from harvest.recipe import HarvestRecipe

STAGE = "harvest"


def account(
    recipe: HarvestRecipe,
    frontier: Frontier,
    raw: Path,
    *,
    opted_out: int,
    seconds: float,
    refreshed: Mapping[str, Any] | None = None,
) -> Manifest:
    """Put the manifest together from the frontier; `refreshed` is the refresh that just ended."""
    return Manifest(
        stage=STAGE,
        parameters=as_plain(recipe.selection),
        outputs=tuple(_outputs(frontier, raw)),
        counts=_counts(frontier),
        facts={
            "coverage": certificate(frontier),
            # What was planned and can't be had: later harvests and readers must know.
            "tombstones": _tombstones(frontier),
            # Rows of repositories that were fetched again: both commits stand in the shards.
            "superseded": [
                {"id": each.id, "name": each.name, "from": each.before, "to": each.now}
                for each in frontier.superseded()
            ],
            "refreshes": [
                *(frontier.note("refreshes") or ()),
                *([dict(refreshed)] if refreshed else ()),
            ],
            "failed": [_grave(each) for each in frontier.with_states("failed")],
            "opt_out_entries": opted_out,
            # Of fetching alone, all runs together: requests, and bytes both ways by transport.
            "wire": frontier.note("wire") or {},
        },
        seconds=round(seconds, 3),
    )


def _outputs(frontier: Frontier, raw: Path) -> list[FileEntry]:
    return [
        FileEntry(
            path=shard_path(raw, row.shard).name, digest=row.digest, rows=row.rows, bytes=row.bytes
        )
        for row in frontier.written_shards()
    ]


def _counts(frontier: Frontier) -> dict[str, int]:
    counts: Counter[str] = Counter(repositories_found=frontier.found())
    for state, number in frontier.states().items():
        counts[f"repositories_{state}"] = number
    for reason, number in frontier.reasons().items():
        counts[f"repositories_{reason}"] = number
    for reason, number in frontier.file_counts().items():
        counts[f"files_{reason}"] = number
    counts["bytes_kept"] = frontier.totals()[1]
    return dict(counts)


def _tombstones(frontier: Frontier) -> list[dict[str, Any]]:
    """With the moment since when each is known to be so, and how many of its rows are there."""
    return [
        {**_grave(each), "since": since, "rows": each.rows}
        for each, since in frontier.ended(unplanned=MAX_NAMED)
        # A wish that came before anything was fetched is no news.
        if each.state != "opted_out" or each.rows
    ]


def _grave(repository: Repository) -> dict[str, Any]:
    return {
        "id": repository.id,
        "name": repository.name,
        "state": repository.state,
        "reason": repository.reason,
    }
