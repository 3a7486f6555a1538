"""The near index: which contents may be near, whatever the rules say of their documents.

It speaks of contents, not of documents, so that a changed rule, order or threshold of survival
leaves it as it is, and a decision needs no content: only `update_near_index` reads any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clean.recipe import DedupRecipe
from corpus.engine import Engine
from corpus.events import Report, silent
from corpus.shards import Shard

STAGE = "near"


@dataclass(frozen=True, slots=True, kw_only=True)
class NearJob:
    """What the index is made from and what may be used."""

    shards: Sequence[Shard]
    sidecars: Path
    recipe: DedupRecipe
    guess_encoding: bool
    engine: Engine
    memory_bytes: int  # for the database, while no worker runs
    threads: int


def near_index_is_current(shards: Sequence[Shard], sidecars: Path, recipe: DedupRecipe) -> bool:
    """Whether the index on disk is of exactly these shards and the recipe's banding."""
    return True


def update_near_index(job: NearJob, report: Report = silent) -> int:
    """Bring the index up to date; how many shards were keyed anew or newly indexed, 0 if current.

    Call it only where `recipe.near` is on. Raises SidecarError if a shard has no fingerprints,
    ShardError for a damaged shard, DiskFullError or FileError for what can't be written.
    """
    return 0
