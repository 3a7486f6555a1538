"""Opening the frontier's SQLite file: schema, lock, and errors that name the file."""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TextIO

from corpus.errors import DiskFullError, FileError, HarvestError
from corpus.files import named_errors

FORMAT = 2
_LOOKS, _LOOK_S = 5, 0.05
_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS windows (
    start INTEGER, stop INTEGER, min_stars INTEGER, max_stars INTEGER,
    min_size_kb INTEGER, max_size_kb INTEGER, short_splits INTEGER NOT NULL,
    state TEXT NOT NULL,  -- open, split, closed, capped, short, enough
    page INTEGER NOT NULL, total INTEGER NOT NULL,
    seen BLOB NOT NULL, seen_count INTEGER NOT NULL,  -- the ids are dropped with the last page
    incomplete INTEGER NOT NULL, looks INTEGER NOT NULL,
    PRIMARY KEY (start, stop, min_stars, max_stars, min_size_kb, max_size_kb)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (
    source TEXT, key TEXT, state TEXT NOT NULL, position INTEGER NOT NULL, facts TEXT NOT NULL,
    PRIMARY KEY (source, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS parts_by_state ON parts (source, state);
CREATE TABLE IF NOT EXISTS repositories (
    id INTEGER PRIMARY KEY, node_id TEXT NOT NULL, name TEXT NOT NULL, sources INTEGER NOT NULL,
    stars INTEGER, fork INTEGER, archived INTEGER, size_kb INTEGER, license TEXT,
    created_at TEXT, pushed_at TEXT,
    state TEXT NOT NULL, reason TEXT, commit_id TEXT, previous_commit TEXT,
    generation INTEGER NOT NULL DEFAULT 0, languages TEXT, python_bytes INTEGER,
    shard INTEGER, position INTEGER,
    rows INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
    counts TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS by_shard ON repositories (shard, position) WHERE shard IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_state ON repositories (state);
CREATE TABLE IF NOT EXISTS shards (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL
);
-- What a refresh found changed: where its older rows stand, and what they were.
CREATE TABLE IF NOT EXISTS former (
    repository INTEGER, generation INTEGER, shard INTEGER NOT NULL, commit_id TEXT NOT NULL,
    rows INTEGER NOT NULL, bytes INTEGER NOT NULL, counts TEXT NOT NULL,
    PRIMARY KEY (repository, generation)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS former_by_shard ON former (shard);
-- Since when a repository can't be had.
CREATE TABLE IF NOT EXISTS ended (repository INTEGER PRIMARY KEY, since TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS note_end AFTER UPDATE OF state ON repositories
WHEN NEW.state IN ('gone', 'blocked', 'empty', 'opted_out') AND NEW.state != OLD.state BEGIN
    REPLACE INTO ended VALUES (NEW.id, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'));
END;
CREATE TRIGGER IF NOT EXISTS note_return AFTER UPDATE OF state ON repositories
WHEN OLD.state IN ('gone', 'blocked', 'empty', 'opted_out') AND NEW.state != OLD.state
    AND NEW.state NOT IN ('gone', 'blocked', 'empty', 'opted_out') BEGIN
    DELETE FROM ended WHERE repository = NEW.id;
END;
-- Python files kept and their bytes, of this generation and of those before it.
CREATE TABLE IF NOT EXISTS sums (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO sums VALUES ('files', 0), ('bytes', 0);
CREATE TRIGGER IF NOT EXISTS sum_change AFTER UPDATE OF bytes, counts ON repositories
WHEN OLD.bytes != NEW.bytes OR OLD.counts != NEW.counts BEGIN
    UPDATE sums SET n = n + NEW.bytes - OLD.bytes WHERE name = 'bytes';
    UPDATE sums SET n = n + coalesce(json_extract(NEW.counts, '$.kept'), 0)
        - coalesce(json_extract(OLD.counts, '$.kept'), 0) WHERE name = 'files';
END;
CREATE TRIGGER IF NOT EXISTS sum_former AFTER INSERT ON former BEGIN
    UPDATE sums SET n = n + NEW.bytes WHERE name = 'bytes';
    UPDATE sums SET n = n + coalesce(json_extract(NEW.counts, '$.kept'), 0) WHERE name = 'files';
END;
CREATE TABLE IF NOT EXISTS history (
    at REAL PRIMARY KEY, found INTEGER NOT NULL, detailed INTEGER NOT NULL,
    settled INTEGER NOT NULL, files INTEGER NOT NULL, bytes INTEGER NOT NULL
);
-- How many repositories are in each state: counted as they change, never by reading them all.
CREATE TABLE IF NOT EXISTS counters (
    state TEXT, reason TEXT, n INTEGER NOT NULL, PRIMARY KEY (state, reason)
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS count_new AFTER INSERT ON repositories BEGIN
    INSERT INTO counters VALUES (NEW.state, coalesce(NEW.reason, ''), 1)
    ON CONFLICT (state, reason) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER IF NOT EXISTS count_change AFTER UPDATE OF state, reason ON repositories
WHEN OLD.state IS NOT NEW.state OR OLD.reason IS NOT NEW.reason BEGIN
    UPDATE counters SET n = n - 1 WHERE state = OLD.state AND reason = coalesce(OLD.reason, '');
    INSERT INTO counters VALUES (NEW.state, coalesce(NEW.reason, ''), 1)
    ON CONFLICT (state, reason) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER IF NOT EXISTS count_end AFTER DELETE ON repositories BEGIN
    UPDATE counters SET n = n - 1 WHERE state = OLD.state AND reason = coalesce(OLD.reason, '');
END;
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


def is_being_written(path: Path) -> bool:
    """Whether a harvest holds the folder's lock at this moment."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        with lock.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


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
        problem = f"a frontier of format {version}, and this version reads format {FORMAT}"
        hint = "finish it with the version that began it, or choose another run folder (run = ...)"
        raise FileError(path, f"{problem}; {hint}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system drops however the process ends."""
    lock = path.with_name(f"{path.name}.lock")
    with named_errors(lock):
        file = lock.open("w")
    with file:
        if not _takes(file):
            raise HarvestError(f"{path}: another harvest is running in this folder")
        yield


def _takes(file: TextIO) -> bool:
    """Whether nobody else holds the lock; `harvest status` does so for a moment, to look."""
    for _ in range(_LOOKS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOOK_S)
        else:
            return True
    return False
