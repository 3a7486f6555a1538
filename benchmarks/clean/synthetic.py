"""Millions of measured rows without the files: sidecars drawn from those of real code.

Every column of every stage but `fingerprint` is a draw (with replacement) from what was measured
of the real corpus, whole rows at a time, so that values belong together as they do there. Contents,
band keys and shingles are made: 15 of 100 documents are equal to another, 12 of 100 contents have a
near family of two to four, whose similarity lies between 0.55 and 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clean.dedup.bands import STAGE as BANDS
from clean.dedup.bands import band_stamp, banding
from clean.dedup.bands import schema as bands_schema
from clean.dedup.index import store_of
from clean.dedup.store import entries, pack
from clean.recipe import DedupRecipe
from clean.signals.document import SignalStage
from clean.signals.fingerprint import band_keys
from corpus.manifest import Manifest, file_entry, write_manifest
from corpus.schema import DOCUMENT
from corpus.shards import Shard, list_shards, read_rows, write_shard
from corpus.sidecars import sidecar_path, write_sidecar

EQUAL_SHARE, NEAR_SHARE = 0.15, 0.12
LARGEST_FAMILY = 4
_SEED = 11
_CHUNK = 8192
_WHEN = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Family:
    """Contents near one another: the shingles that they share, and how alike each member is."""

    name: bytes
    shingles: np.ndarray
    signature: np.ndarray
    likeness: np.ndarray  # of each member to the family's own shingles


def write_rows(root: Path, rows: int, shards: int, real: Sequence[Shard]) -> list[Shard]:
    """Raw shards of `rows` documents without content, drawn from the real ones."""
    columns = ["path", "size", "stars", "license"]
    known = pa.concat_tables([read_rows(shard, columns=columns) for shard in real])
    rng = np.random.default_rng(_SEED)
    each = rows // shards
    for number in range(shards):
        path = root / "raw" / f"shard-{number:05}.parquet"
        with write_shard(path) as writer:
            for start in range(0, each, _CHUNK):
                count = min(_CHUNK, each - start)
                drawn = known.take(pa.array(rng.integers(0, known.num_rows, count)))
                writer.write(_raw(drawn, number * each + start))
    written = list_shards(root / "raw")
    outputs = tuple(file_entry(one.path, root / "raw", rows=one.rows) for one in written)
    write_manifest(root / "raw", Manifest(stage="harvest", parameters={}, outputs=outputs))
    return written


def _raw(drawn: pa.Table, first: int) -> pa.Table:
    count = drawn.num_rows
    numbers = np.arange(first, first + count)
    repos = numbers // 50
    blobs = [hashlib.sha1(b"%d" % n, usedforsecurity=False).hexdigest() for n in numbers.tolist()]
    made = {
        "repo_id": pa.array(repos),
        "repo": pa.array([f"synthetic/r{repo}" for repo in repos.tolist()]),
        "commit": pa.array([f"{repo:040x}" for repo in repos.tolist()]),
        "blob_id": pa.array(blobs),
        "content": pa.array([b""] * count, pa.binary()),
        "fork": pa.array(np.zeros(count, bool)),
        "fetched_at": pa.array([_WHEN] * count, pa.timestamp("s", tz="UTC")),
        "transport": pa.array(["archive"] * count),
        **{name: drawn[name] for name in drawn.column_names},
    }
    columns = [made.get(field.name, pa.nulls(count, field.type)) for field in DOCUMENT]
    return pa.table(columns, schema=DOCUMENT)


def write_signals(
    sidecars: Path, shards: Sequence[Shard], stages: Sequence[SignalStage], real: Path
) -> None:
    """Sidecars of `stages`, whole rows drawn from the real ones in `real`."""
    for stage in stages:
        # Row i of every stage is drawn from the same document.
        known = pa.concat_tables(pq.read_table(p) for p in sorted((real / stage.name).iterdir()))
        rng = np.random.default_rng(_SEED + 1)
        for shard in shards:
            drawn = known.take(pa.array(rng.integers(0, known.num_rows, shard.rows)))
            path = sidecar_path(sidecars, stage.name, shard)
            write_sidecar(path, drawn.cast(stage.schema), stage.stamp(shard), shard.rows)


def write_fingerprints(
    sidecars: Path, shards: Sequence[Shard], stage: SignalStage, recipe: DedupRecipe
) -> None:
    """Fingerprints without signatures, the band keys that they would give, and the shingles."""
    for number, shard in enumerate(shards):
        rng = np.random.default_rng([_SEED, 2, number])
        members = list(_members(number, len(shards), shard.rows, recipe))
        contents, keys = _contents(rng, shard.rows, members, recipe)
        sizes = rng.lognormal(5.3, 0.8, shard.rows).astype(np.int32) + 1
        digests = pa.array([content.tobytes() for content in contents], pa.binary(16))
        nothing = pa.nulls(shard.rows, stage.schema.field("signature").type)
        table = pa.table([digests, pa.array(sizes), nothing], schema=stage.schema)
        path = sidecar_path(sidecars, stage.name, shard)
        write_sidecar(path, table, stage.stamp(shard), shard.rows)
        uuids = pa.ExtensionArray.from_storage(pa.uuid(), digests)
        schema = bands_schema(keys.shape[1])
        columns = [pa.array(np.ascontiguousarray(key)) for key in keys.T]
        path = sidecar_path(sidecars, BANDS, shard)
        write_sidecar(path, pa.table([uuids, *columns], schema=schema),
                      band_stamp(shard, sidecars, recipe), shard.rows, compress=False)  # fmt: skip
        store = store_of(sidecars, recipe)
        store.write(store.next_part(shard.name), entries(
            [content for content, _, _ in members],
            [signature.tobytes() for _, signature, _ in members],
            [pack(shingles) for _, _, shingles in members],
        ))  # fmt: skip


_Member = tuple[bytes, np.ndarray, np.ndarray]  # content, signature, shingles


def _contents(
    rng: np.random.Generator, rows: int, members: Sequence[_Member], recipe: DedupRecipe
) -> tuple[np.ndarray, np.ndarray]:
    """(rows, 16) digests and (rows, bands) keys: members of families, others, and repeats."""
    bands, band_rows = banding(recipe)
    digests = rng.integers(0, 256, (rows, 16), np.uint8)
    keys = rng.integers(0, 1 << 63, (rows, bands), np.uint64)
    places = rng.permutation(rows)
    mine, repeats = places[: len(members)], places[len(places) - int(EQUAL_SHARE * rows) :]
    if members:
        digests[mine] = np.frombuffer(b"".join(m[0] for m in members), np.uint8).reshape(-1, 16)
        keys[mine] = band_keys(np.stack([m[1] for m in members]), bands, band_rows)
    sources = places[rng.integers(0, rows - len(repeats), len(repeats))]
    digests[repeats], keys[repeats] = digests[sources], keys[sources]
    return digests, keys


def _members(number: int, shards: int, rows: int, recipe: DedupRecipe) -> Iterator[_Member]:
    """The members that lie in shard `number`: member j of a family is j shards further on."""
    for j in range(LARGEST_FAMILY):
        for family in _families((number - j) % shards, rows, recipe.permutations):
            if j < len(family.likeness):
                yield _member(family, j)


def _families(number: int, rows: int, permutations: int) -> Iterator[Family]:
    """The families whose first member lies in shard `number`."""
    rng = np.random.default_rng([_SEED, 3, number])
    for family in range(int(NEAR_SHARE * rows / 3)):
        size = int(rng.integers(2, LARGEST_FAMILY + 1))
        shingles = rng.integers(0, 1 << 63, int(rng.lognormal(5.3, 0.8)) + 8, np.uint64)
        signature = rng.integers(0, 1 << 32, permutations, np.uint32)
        likeness = np.concatenate([[1.0], rng.uniform(0.55, 1.0, size - 1)])
        yield Family(b"%d/%d" % (number, family), shingles, signature, likeness)


def _member(family: Family, j: int) -> _Member:
    content = hashlib.blake2b(b"%s/%d" % (family.name, j), digest_size=16).digest()
    rng = np.random.default_rng(list(content))
    likeness = family.likeness[j]
    # Of n shingles, as many are its own as leave a Jaccard of `likeness`.
    own = round(len(family.shingles) * (1 - likeness) / (1 + likeness))
    shingles = family.shingles.copy()
    shingles[:own] = rng.integers(0, 1 << 63, own, np.uint64)
    agrees = rng.random(len(family.signature)) < likeness
    other = rng.integers(0, 1 << 32, len(family.signature), np.uint32)
    return content, np.where(agrees, family.signature, other), np.sort(shingles)
