"""A DuckDB database for one global step: a stated memory, the rest spilled beside the run.

Everything in it can be made again, so that nothing is lost with a killed process.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from corpus.errors import DiskFullError, FileError, SidecarError
from corpus.files import named_errors


class Scratch:
    """A folder that holds a database and whatever files the step puts beside it."""

    def __init__(self, folder: Path, *, max_memory_bytes: int, threads: int) -> None:
        self.folder = folder
        self._max_memory_bytes, self._threads = max_memory_bytes, threads
        self._connection = self._connect()

    def _connect(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(self.folder / "scratch.duckdb")
        connection.execute(f"SET memory_limit = '{self._max_memory_bytes // 1024} KiB'")
        connection.execute(f"SET threads = {self._threads}")
        connection.execute("SET temp_directory = $1", [str(self.folder / "spill")])
        # UUIDs as 16 bytes, not as text.
        connection.execute("SET arrow_lossless_conversion = true")
        return connection

    def close(self) -> None:
        """Give back the memory; the tables stay on the disk."""
        self._connection.close()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Leave the memory to others while the block runs."""
        self.close()
        yield
        self._connection = self._connect()

    def run(self, sql: str, *values: object) -> None:
        """Run one statement."""
        self._connection.execute(sql, values or None)

    def batches(self, sql: str, rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        """A query's result, a batch in memory at a time."""
        with self._cursor() as cursor:
            reader = cursor.sql(sql).to_arrow_reader(rows)
            assert reader is not None, "the statement has no result"
            yield from reader

    def table(self, sql: str) -> pa.Table:
        """A query's whole result."""
        with self._cursor() as cursor:
            return cursor.sql(sql).to_arrow_table()

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        # Closed by hand: one that is left to the garbage collector keeps the database's memory.
        cursor = self._connection.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def add(self, name: str, table: pa.Table) -> None:
        """Make a table of the database from one in memory."""
        self._take(f"CREATE TABLE {name} AS SELECT * FROM incoming", table)

    def append(self, name: str, table: pa.Table) -> None:
        """Append rows to a table of the same columns."""
        self._take(f"INSERT INTO {name} SELECT * FROM incoming", table)

    def _take(self, sql: str, incoming: pa.Table) -> None:
        self._connection.register("incoming", incoming)
        self._connection.execute(sql)
        self._connection.unregister("incoming")


@contextmanager
def open_scratch(folder: Path, *, max_memory_bytes: int, threads: int) -> Iterator[Scratch]:
    """An empty database in `folder`, which is removed before and after.

    Raises DiskFullError or FileError naming the folder, also where the memory does not suffice.
    """
    remove_scratch(folder)
    with named_errors(folder):
        folder.mkdir(parents=True)
    try:
        with _named_database_errors(folder):
            scratch = Scratch(folder, max_memory_bytes=max_memory_bytes, threads=threads)
            try:
                yield scratch
            finally:
                scratch.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_scratch(folder: Path) -> None:
    """Remove what a killed run left."""
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _named_database_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        problem = f"not enough memory or disk to spill: raise limits.max_memory_bytes ({error})"
        raise FileError(folder, _one_line(problem)) from error
    except duckdb.Error as error:
        # A full disk comes as whatever was being tried: an IOException, a failed commit, ...
        if "No space left" in str(error):
            problem = "no space left on the disk; free some and run again"
            raise DiskFullError(folder, problem) from error
        if isinstance(error, duckdb.IOException):
            raise FileError(folder, _one_line(str(error))) from error
        raise


def _one_line(text: str) -> str:
    return " ".join(text.split())


@contextmanager
def reading(paths: Iterable[Path]) -> Iterator[None]:
    """Name the file that is damaged where the database can't read one of `paths`.

    Raises SidecarError.
    """
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        for path in paths:
            if problem := _damage(path):
                problem = f"damaged ({_one_line(problem)}); delete it and run again"
                raise SidecarError(path, problem) from error
        raise


def _damage(path: Path) -> str | None:
    """What keeps a Parquet file from being read, a row group at a time."""
    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                file.read_row_group(group)
    except (pa.ArrowException, OSError) as error:
        return str(error)
    return None


def quoted(path: Path) -> str:
    """A path as a string of SQL."""
    return "'" + str(path).replace("'", "''") + "'"
