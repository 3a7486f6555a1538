"""The near index: which contents may be near, whatever the rules say of their documents.

It speaks of contents, not of documents, so that a changed rule, order or threshold of survival
leaves it as it is, and a decision needs no content. `candidates.parquet` is written last; its
note says what the whole index was made from. See `clean.dedup.update` for how it is made.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from clean.dedup import bands
from clean.dedup.store import ShingleStore
from clean.recipe import DedupRecipe
from corpus.errors import ShardError
from corpus.files import named_errors
from corpus.recipe import digest
from corpus.shards import Shard, open_shard
from corpus.sidecars import Stamp, is_current, sidecar_path

STAGE = "near"
VERSION = 1
CANDIDATES_SCHEMA = pa.schema(
    [
        pa.field("component", pa.int64(), nullable=False),
        pa.field("content", pa.uuid(), nullable=False),
        pa.field("shingles", pa.int32()),
        pa.field("part", pa.int32()),  # number of the part that holds them; null: could not be read
        pa.field("entry", pa.int32()),  # row of the part
    ]
)
EDGES_SCHEMA = pa.schema(
    [
        pa.field("hub", pa.uuid(), nullable=False),
        pa.field("member", pa.uuid(), nullable=False),
        pa.field("bands", pa.int16(), nullable=False),  # that the two share
        pa.field("estimate", pa.float64()),  # from the signatures
        pa.field("jaccard", pa.float64()),  # from the shingles; null: one could not be read
    ]
)


def candidates_path(sidecars: Path) -> Path:
    """Where the candidates are."""
    return sidecars / STAGE / "candidates.parquet"


def star_edges_path(sidecars: Path) -> Path:
    """Where the star edges are, with their similarities."""
    return sidecars / STAGE / "edges.parquet"


def store_of(sidecars: Path, recipe: DedupRecipe) -> ShingleStore:
    """The store of the candidates' shingles."""
    folder = sidecars / STAGE / "shingles"
    return ShingleStore(folder, recipe.shingle_tokens, recipe.permutations)


def made_from(shards: Sequence[Shard], sidecars: Path, recipe: DedupRecipe) -> str:
    """What the index depends on. Raises SidecarError if a shard has no fingerprints."""
    return _made_from(_band_stamps(shards, sidecars, recipe), recipe)


def _band_stamps(shards: Sequence[Shard], sidecars: Path, recipe: DedupRecipe) -> list[Stamp]:
    return [bands.band_stamp(shard, sidecars, recipe) for shard in shards]


def _made_from(stamps: Sequence[Stamp], recipe: DedupRecipe) -> str:
    keys = sorted(stamp.digest for stamp in stamps)
    return digest([VERSION, recipe.shingle_tokens, recipe.permutations, keys])


def near_index_is_current(shards: Sequence[Shard], sidecars: Path, recipe: DedupRecipe) -> bool:
    """Whether the index on disk is whole, and of these shards and the recipe's banding.

    Raises SidecarError if a shard has no fingerprints.
    """
    return current_index(shards, sidecars, recipe) is not None


def current_index(shards: Sequence[Shard], sidecars: Path, recipe: DedupRecipe) -> str | None:
    """What the index on disk was made from; None if it is not current."""
    stamps = _band_stamps(shards, sidecars, recipe)
    for shard, stamp in zip(shards, stamps, strict=True):
        if not is_current(sidecar_path(sidecars, bands.STAGE, shard), stamp):
            return None
    try:
        notes = [open_shard(path(sidecars)).notes for path in (candidates_path, star_edges_path)]
    except ShardError:
        return None
    expected = _made_from(stamps, recipe)
    if any(note.get("made_from") != expected for note in notes):
        return None
    return expected if notes[0].get("parts") == store_of(sidecars, recipe).sizes() else None


def forget_near_index(sidecars: Path) -> None:
    """Remove the whole index, so that the next update makes it anew."""
    # First what says that the index is complete.
    for path in (candidates_path(sidecars), sidecars / STAGE, sidecars / bands.STAGE):
        with named_errors(path):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
