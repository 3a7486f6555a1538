"""Shards: Parquet files that appear whole under their final name and then never change.

A shard's footer carries a digest over what its documents are (`schema.IDENTITY`), so that what
depends on it can tell whether it still speaks of the same rows without reading any content.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from corpus.errors import FileError, ShardError
from corpus.files import atomic_path, named_errors
from corpus.schema import DOCUMENT, IDENTITY

ROW_GROUP_ROWS = 1024
ROW_GROUP_BYTES = 16 << 20
_DIGEST_KEY = b"pycodegpt.digest"
_NOTES_KEY = b"pycodegpt.notes"


@dataclass(frozen=True, slots=True)
class Shard:
    """What a shard's footer says: enough to plan work without reading any content."""

    path: Path
    rows: int
    row_groups: tuple[int, ...]  # rows in each
    digest: str
    notes: Mapping[str, Any]  # what the writing stage left for itself

    @property
    def name(self) -> str:
        """The file name, which its sidecars share."""
        return self.path.name


class ShardWriter:
    """Collects tables into row groups of bounded size; see `write_shard`."""

    def __init__(self, file: Path, schema: pa.Schema) -> None:
        self.notes: dict[str, Any] = {}
        self.rows = 0
        self._schema = schema
        self._writer = pq.ParquetWriter(file, schema, compression="zstd")
        self._hash = hashlib.sha256()
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = self._pending_bytes = 0

    def write(self, table: pa.Table) -> None:
        """Append the rows of `table`, which must have the writer's schema."""
        for batch in table.cast(self._schema).to_batches(max_chunksize=64):
            self._hash_rows(batch)
            self._pending.append(batch)
            self._pending_rows += batch.num_rows
            self._pending_bytes += batch.nbytes
            if self._pending_rows >= ROW_GROUP_ROWS or self._pending_bytes >= ROW_GROUP_BYTES:
                self._flush()

    def close(self) -> None:
        """Write the last row group and the footer."""
        self._flush()
        self._writer.add_key_value_metadata(
            {
                _DIGEST_KEY: self._hash.hexdigest().encode(),
                _NOTES_KEY: json.dumps(self.notes, sort_keys=True).encode(),
            }
        )
        self._writer.close()

    def abandon(self) -> None:
        """Close the file without caring what is in it."""
        self._writer.close()

    def _flush(self) -> None:
        if not self._pending_rows:
            return
        group = pa.Table.from_batches(self._pending, self._schema)
        self._writer.write_table(group, row_group_size=self._pending_rows)
        self.rows += self._pending_rows
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0

    def _hash_rows(self, batch: pa.RecordBatch) -> None:
        columns = [batch[name].to_pylist() for name in IDENTITY if name in batch.schema.names]
        for row in zip(*columns, strict=True):
            self._hash.update(json.dumps(row).encode())


@contextmanager
def write_shard(path: Path, schema: pa.Schema = DOCUMENT) -> Iterator[ShardWriter]:
    """Write a shard; it takes its name only when the block ends well.

    Raises DiskFullError or FileError naming `path`.
    """
    with atomic_path(path) as aside:
        writer = ShardWriter(aside, schema)
        try:
            yield writer
            writer.close()
        except BaseException:
            # A full disk fails here again; the first error is the one to tell.
            with suppress(OSError):
                writer.abandon()
            raise


def open_shard(path: Path) -> Shard:
    """Read a shard's footer. Raises ShardError if it is missing, truncated or not a shard."""
    with _shard_errors(path), pq.ParquetFile(path) as file:
        metadata = file.metadata
        keys = metadata.metadata or {}
        if _DIGEST_KEY not in keys:
            raise ShardError(path, "not a shard: its footer holds no document digest")
        groups = tuple(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
        notes = json.loads(keys.get(_NOTES_KEY, b"{}"))
        return Shard(path, metadata.num_rows, groups, keys[_DIGEST_KEY].decode(), notes)


def list_shards(folder: Path) -> list[Shard]:
    """The shards of a folder, by name. Raises ShardError or FileError naming what can't be read."""
    with named_errors(folder):
        paths = sorted(p for p in folder.iterdir() if p.suffix == ".parquet")
    return [open_shard(path) for path in paths]


def read_rows(
    shard: Shard, start: int = 0, stop: int | None = None, columns: Sequence[str] | None = None
) -> pa.Table:
    """Rows [start, stop) of a shard, reading only the row groups that hold them.

    Raises ShardError if the data pages are damaged.
    """
    stop = shard.rows if stop is None else min(stop, shard.rows)
    wanted: list[int] = []
    offset = first = 0
    for index, rows in enumerate(shard.row_groups):
        if offset < stop and offset + rows > start:
            first = offset if not wanted else first
            wanted.append(index)
        offset += rows
    with _shard_errors(shard.path), pq.ParquetFile(shard.path) as file:
        table = file.read_row_groups(
            wanted, columns=list(columns) if columns else None, use_threads=_may_use_threads()
        )
    return table.slice(start - first, max(0, stop - start))


def iter_row_groups(shard: Shard, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """A shard's row groups in order, one in memory at a time. Raises ShardError."""
    with _shard_errors(shard.path), pq.ParquetFile(shard.path) as file:
        for index in range(len(shard.row_groups)):
            yield file.read_row_group(
                index, columns=list(columns) if columns else None, use_threads=_may_use_threads()
            )


def _may_use_threads() -> bool:
    """A worker has a core and a memory limit of its own, which the stacks of threads count for."""
    return multiprocessing.parent_process() is None


@contextmanager
def _shard_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ShardError(path, "no such shard") from error
    except pa.ArrowMemoryError:
        raise  # that is not the shard's fault
    except pa.ArrowException as error:
        raise ShardError(path, f"truncated or damaged: {error}") from error
    except (FileError, PermissionError):
        raise
    except OSError as error:
        raise ShardError(path, f"truncated or damaged: {error}") from error
