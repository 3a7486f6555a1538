"""Opening the frontier's SQLite file: schema, lock, and errors that name the file."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from corpus.errors import DiskFullError, FileError, HarvestError
from corpus.files import named_errors

FORMAT = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS windows (
    start INTEGER, stop INTEGER, short_splits INTEGER NOT NULL,
    state TEXT NOT NULL,  -- open, split, closed, capped, short, enough
    page INTEGER NOT NULL, total INTEGER NOT NULL, seen TEXT NOT NULL,
    incomplete INTEGER NOT NULL, looks INTEGER NOT NULL,
    PRIMARY KEY (start, stop)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS repositories (
    id INTEGER PRIMARY KEY, node_id TEXT NOT NULL, name TEXT NOT NULL, stars INTEGER NOT NULL,
    fork INTEGER NOT NULL, size_kb INTEGER NOT NULL, license TEXT, pushed_at TEXT,
    state TEXT NOT NULL, reason TEXT, shard INTEGER, position INTEGER, commit_id TEXT,
    languages TEXT, rows INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
    counts TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS by_shard ON repositories (shard, position);
CREATE INDEX IF NOT EXISTS by_state ON repositories (state);
CREATE TABLE IF NOT EXISTS shards (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL
);
"""


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """Open or make the database for the one harvest that may write to it.

    Raises FileError or DiskFullError naming `path`; HarvestError if another harvest runs there.
    """
    with named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path), database_errors(path), closing(_connect(path, "rwc")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        # A kill loses nothing; a power cut at worst the last transactions, which are done again.
        database.execute("PRAGMA synchronous = NORMAL")
        _check_format(path, database)
        database.executescript(_SCHEMA)
        database.execute(f"PRAGMA user_version = {FORMAT}")
        yield database


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the database to look at it, whether or not a harvest is writing. Raises FileError."""
    if not path.exists():
        raise FileError(path, "no frontier: no harvest has begun in this run folder")
    with database_errors(path), closing(_connect(path, "ro")) as database:
        _check_format(path, database)
        yield database


@contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ones that name the file."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "full" in str(error):
            raise DiskFullError(path, "no space left on the disk; free some, run again") from error
        raise FileError(path, f"can't be used: {error}") from error
    except sqlite3.DatabaseError as error:
        problem = f"damaged, or no frontier ({error}); use another run folder"
        raise FileError(path, problem) from error


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    address = f"{path.resolve().as_uri()}?mode={mode}"
    database = sqlite3.connect(address, uri=True, timeout=10.0)
    database.row_factory = sqlite3.Row
    return database


def _check_format(path: Path, database: sqlite3.Connection) -> None:
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if version not in (0, FORMAT):
        raise FileError(path, f"a frontier of format {version}; this version reads {FORMAT}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system drops however the process ends."""
    lock = path.with_name(f"{path.name}.lock")
    with named_errors(lock):
        file = lock.open("w")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HarvestError(f"{path}: another harvest is running in this folder") from None
        yield
