"""Why one document was kept or dropped: every failed rule, with what was measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clean.ask.judged import Duplicate, Failure, judged
from clean.ask.places import Place, place_of
from clean.decide import decided
from clean.dedup.stage import STAGE as DEDUP
from clean.inputs import Cleaning
from clean.write.split import Cuts, shares, split_of
from clean.write.stage import MANIFEST_STAGE
from corpus.errors import ManifestError
from corpus.layout import SPLITS
from corpus.manifest import read_manifest
from corpus.shards import Shard, read_rows
from corpus.sidecars import read_sidecar, sidecar_path

_MOST_COPIES = 5
TAKEDOWN = "takedown"  # the rule


@dataclass(frozen=True, slots=True)
class Explanation:
    """A document's fate."""

    place: Place
    kept: bool
    failures: tuple[Failure, ...]  # in the order of the rules: the first gives the reason
    duplicate: Duplicate | None
    split: str | None  # if kept
    stands_for: int  # if kept: how many duplicates were dropped for it
    copies: tuple[Place, ...]  # the first few of these
    measured: dict[str, Any]  # all that the rules look at
    lost: str | None = None  # why it could not be written though it was kept


def explain(cleaning: Cleaning, place: Place) -> Explanation:
    """Judge one document by the recipe's rules and what the stages found out about it.

    The rules are the recipe's as it is now, whatever they were when the corpus was written; if
    it was never decided, that is done first, aside. Raises StaleInputError if something that the
    recipe needs was not measured.
    """
    shards = {shard.name: shard for shard in cleaning.shards}
    shard = shards[place.shard]
    with decided(cleaning) as decisions:
        (found,) = judged(
            shards,
            shard,
            [place.row],
            sidecars=cleaning.sidecars,
            decisions=decisions,
            rules=cleaning.rules,
        )
        count, copies = _stood_for(cleaning, decisions, place) if found.kept else (0, ())
    return Explanation(
        place=place,
        kept=found.kept,
        failures=tuple(_with_takedown(cleaning, failure) for failure in found.failures),
        duplicate=found.duplicate,
        split=_split(cleaning, shard, place.row) if found.kept else None,
        stands_for=count,
        copies=copies,
        measured=dict(found.measured),
        lost=_lost(cleaning, place) if found.kept else None,
    )


def _with_takedown(cleaning: Cleaning, failure: Failure) -> Failure:
    """When and why the repository was taken down, if that is the failure."""
    if failure.rule != TAKEDOWN:
        return failure
    for takedown in cleaning.takedowns:
        if str(takedown.id) == failure.measured:
            why = f": {takedown.reason}" if takedown.reason else ""
            return replace(failure, detail=f"{takedown.name}, on {takedown.date}{why}")
    return failure


def _stood_for(cleaning: Cleaning, decisions: Path, place: Place) -> tuple[int, tuple[Place, ...]]:
    """How many documents were dropped for this one, and the first of them."""
    copies: list[Place] = []
    count = 0
    for shard in cleaning.shards:
        path = sidecar_path(decisions, DEDUP, shard)
        table = read_sidecar(path, shard, ["survivor_shard", "survivor_row"])
        mine = pc.and_(
            pc.equal(table["survivor_shard"], place.shard),
            pc.equal(table["survivor_row"], pa.scalar(place.row, pa.int64())),
        )
        rows = np.flatnonzero(pc.fill_null(mine, False).to_numpy())
        count += len(rows)
        copies += [place_of(shard, row) for row in rows[: _MOST_COPIES - len(copies)].tolist()]
    return count, tuple(copies)


def _split(cleaning: Cleaning, shard: Shard, row: int) -> str:
    repo_id = read_rows(shard, row, row + 1, ["repo_id"]).column(0).to_numpy()
    return SPLITS[split_of(repo_id, _cuts(cleaning), cleaning.seed)[0]]


def _cuts(cleaning: Cleaning) -> Cuts:
    """The cuts of the corpus as it was written, or else those that the recipe asks for."""
    try:
        return Cuts(**read_manifest(cleaning.folder.clean, MANIFEST_STAGE).facts["cuts"])
    except (ManifestError, KeyError, TypeError):
        return shares(cleaning.recipe.split)


def _lost(cleaning: Cleaning, place: Place) -> str | None:
    """What the corpus's manifest says of a document that could not be rewritten."""
    try:
        listed = read_manifest(cleaning.folder.clean, MANIFEST_STAGE).facts["quarantined"]
    except (ManifestError, KeyError):
        return None
    for entry in listed:
        here = (entry.get("shard"), entry.get("row")) == (place.shard, place.row)
        if here and entry.get("stage") == "write":
            return f"{entry['reason']} while rewriting ({entry.get('detail')})"
    return None
