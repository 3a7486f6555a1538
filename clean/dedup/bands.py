"""Band keys: two contents that share a key in the same band may be near.

They lie row by row beside the shards, a column a band, so that the grouping of one band reads
that band alone. A changed rule leaves them as they are; another banding makes them anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clean.dedup.near import band_shape
from clean.recipe import DedupRecipe
from clean.signals.fingerprint import band_keys
from corpus.errors import SidecarError
from corpus.events import Progress, Report
from corpus.recipe import digest
from corpus.shards import Shard
from corpus.sidecars import (
    Stamp,
    is_current,
    read_sidecar,
    read_stamp,
    sidecar_path,
    write_sidecar,
)

STAGE = "bands"
VERSION = 1
FINGERPRINT = "fingerprint"
_KEYED_AT_ONCE = 4096  # rows


# Bands that find the pairs at this similarity find the more similar ones even more surely: they
# serve every threshold from here up, so that trying one out needs no other index.
_INDEXED_JACCARD = 0.7


def banding(recipe: DedupRecipe) -> tuple[int, int]:
    """(bands, rows a band), stated by the recipe or derived from its recall."""
    if recipe.bands is not None and recipe.band_rows is not None:
        return recipe.bands, recipe.band_rows
    lowest = min(recipe.min_jaccard, _INDEXED_JACCARD)
    return band_shape(lowest, recipe.permutations, recipe.min_recall)


def schema(bands: int) -> pa.Schema:
    """Of a sidecar; all is null where there is nothing to compare."""
    keys = [pa.field(f"band{band}", pa.uint64()) for band in range(bands)]
    return pa.schema([pa.field("content", pa.uuid()), *keys])


def row_bytes(bands: int) -> int:
    """What one row takes on disk: keys are hashes, which nothing makes smaller."""
    return 16 + 8 * bands


def band_stamp(shard: Shard, sidecars: Path, recipe: DedupRecipe) -> Stamp:
    """What the shard's keys depend on. Raises SidecarError if it has no fingerprints."""
    fingerprints = stamp_of(shard, sidecars, FINGERPRINT)
    parameters = digest(list(banding(recipe)))
    return Stamp(STAGE, VERSION, parameters, shard.digest, (fingerprints.digest,))


def stamp_of(shard: Shard, folder: Path, stage: str) -> Stamp:
    """The stamp of a sidecar that must be there. Raises SidecarError."""
    path = sidecar_path(folder, stage, shard)
    stamp = read_stamp(path)
    if stamp is None:
        raise SidecarError(path, "no such sidecar; run the stage that makes it")
    return stamp


def update_bands(
    shards: Sequence[Shard], sidecars: Path, recipe: DedupRecipe, report: Report
) -> int:
    """Key the shards whose fingerprints or banding have changed; how many there were."""
    stamps = [(shard, band_stamp(shard, sidecars, recipe)) for shard in shards]
    stale = [
        (shard, stamp)
        for shard, stamp in stamps
        if not is_current(sidecar_path(sidecars, STAGE, shard), stamp)
    ]
    for done, (shard, stamp) in enumerate(stale, 1):
        shape = banding(recipe)
        tables = [key_bands(piece, *shape) for piece in _fingerprints(shard, sidecars)]
        table = pa.concat_tables([schema(shape[0]).empty_table(), *tables])
        path = sidecar_path(sidecars, STAGE, shard)
        write_sidecar(path, table, stamp, shard.rows, compress=False)
        report(Progress("near: key bands", done, len(stale), "shards"))
    return len(stale)


def _fingerprints(shard: Shard, sidecars: Path) -> Iterator[pa.Table]:
    """A shard's digests and signatures, a piece in memory at a time. Raises SidecarError."""
    path = sidecar_path(sidecars, FINGERPRINT, shard)
    columns = ["content_digest", "signature"]
    read_sidecar(path, shard, ["shingles"])  # for its checks
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_KEYED_AT_ONCE, columns=columns):
                yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as error:
        raise SidecarError(path, f"damaged ({error}); delete it and run again") from error


def key_bands(fingerprints: pa.Table, bands: int, rows: int) -> pa.Table:
    """The keys of each row of `fingerprints` that has a signature."""
    column = fingerprints.column("signature").combine_chunks()
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    places = np.cumsum(valid) - 1
    keys = band_keys(_signatures(column.drop_null()), bands, rows)
    # A row without a signature takes no key: its place is masked.
    spread = pa.array(places, pa.int64(), mask=~valid)
    content = fingerprints.column("content_digest").combine_chunks()
    content = pa.array(content.take(pa.array(np.arange(len(valid)), mask=~valid)))
    columns = [pa.array(np.ascontiguousarray(key)).take(spread) for key in keys.T]
    uuids = pa.ExtensionArray.from_storage(pa.uuid(), content)
    return pa.table([uuids, *columns], schema=schema(bands))


def _signatures(column: pa.FixedSizeBinaryArray) -> np.ndarray:
    """(documents, permutations) uint32, not copied."""
    width = column.type.byte_width // 4
    if not len(column):
        return np.empty((0, width), np.uint32)
    values = np.frombuffer(column.buffers()[1], "<u4").reshape(-1, width)
    return values[column.offset : column.offset + len(column)]
