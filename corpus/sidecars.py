"""Sidecars: what a stage found out about a shard, row i speaking of the shard's row i.

A sidecar's footer carries a stamp: the stage, its code version, the digests of its parameters,
of the shard and of the sidecars that it was made from. What is out of date is known from files
alone, as `make` knows it, and a change reaches exactly what depends on it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from corpus.errors import SidecarError
from corpus.files import atomic_path, named_errors
from corpus.recipe import digest
from corpus.shards import Shard

_STAMP_KEY = b"pycodegpt.stamp"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a sidecar was made by and from. Two equal stamps promise equal content."""

    stage: str
    version: int  # of the stage's code; raised when its results change
    parameters: str  # digest of the recipe values that the stage was given
    shard: str  # digest of the shard
    inputs: tuple[str, ...] = ()  # digests of the stamps that it was made from

    @property
    def digest(self) -> str:
        """What a dependent's `inputs` holds."""
        return digest(self)


def sidecar_path(folder: Path, stage: str, shard: Shard) -> Path:
    """`folder/STAGE/SHARD.parquet`."""
    return folder / stage / shard.name


def write_sidecar(
    path: Path, table: pa.Table, stamp: Stamp, rows: int, *, compress: bool = True
) -> None:
    """Write a sidecar of exactly `rows` rows, complete or not at all.

    `compress=False` is for hashes, on which it would be wasted. Raises DiskFullError or
    FileError naming `path`.
    """
    assert table.num_rows == rows, f"{path}: {table.num_rows} rows for a shard of {rows}"
    metadata = {_STAMP_KEY: json.dumps(asdict(stamp)).encode()}
    with atomic_path(path) as aside:
        pq.write_table(
            table.replace_schema_metadata(metadata),
            aside,
            compression="zstd" if compress else "none",
            use_dictionary=compress,
        )


def read_stamp(path: Path) -> Stamp | None:
    """The stamp of a sidecar, or None if there is no file. Raises SidecarError if damaged."""
    if not path.exists():
        return None
    try:
        with named_errors(path):
            metadata = _metadata(path)
        fields = json.loads(metadata[_STAMP_KEY])
        return Stamp(**{**fields, "inputs": tuple(fields["inputs"])})
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise SidecarError(path, "damaged, or no sidecar; delete it and run again") from error


def _metadata(path: Path) -> dict[bytes, bytes]:
    try:
        return pq.read_schema(path).metadata or {}
    except OSError as error:
        # Without a number it is Arrow's own, for a footer that makes no sense.
        if error.errno is None:
            raise ValueError(str(error)) from error
        raise


def is_current(path: Path, stamp: Stamp) -> bool:
    """Whether the sidecar on disk is what `stamp` would make. A damaged one is not."""
    try:
        return read_stamp(path) == stamp
    except SidecarError:
        return False


def read_sidecar(path: Path, shard: Shard, columns: Sequence[str] | None = None) -> pa.Table:
    """A sidecar's table, row-aligned with `shard`.

    Raises SidecarError if it is missing, damaged, or speaks of another shard.
    """
    stamp = read_stamp(path)
    if stamp is None:
        raise SidecarError(path, "no such sidecar; run the stage that makes it")
    if stamp.shard != shard.digest:
        raise SidecarError(path, f"speaks of another shard than {shard.path}; run its stage again")
    try:
        table = pq.read_table(path, columns=list(columns) if columns else None)
    except (pa.ArrowException, OSError) as error:
        raise SidecarError(path, f"damaged ({error}); delete it and run again") from error
    if table.num_rows != shard.rows:
        raise SidecarError(path, f"{table.num_rows} rows for a shard of {shard.rows}")
    return table
