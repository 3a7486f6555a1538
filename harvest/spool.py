"""A repository's kept files on their way into a shard: one Arrow stream a repository, on disk.

Repositories are downloaded side by side and stand in a shard one after the other; spools keep
memory bounded meanwhile, and let a killed run keep what it had downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from corpus.errors import ShardError
from corpus.files import ASIDE_SUFFIX, fsync, named_errors
from corpus.schema import DOCUMENT, git_blob_id
from harvest.archive import SourceFile
from harvest.frontier import Repository

_BATCH_BYTES = 4 << 20
_BATCH_ROWS = 512
TRANSPORT = "archive"


def spool_path(folder: Path, repository: int) -> Path:
    """Where a repository's spool lies."""
    return folder / f"{repository}.arrow"


class Spool:
    """Writes a spool; it takes its name when `commit` is called and is gone otherwise."""

    def __init__(self, path: Path, repository: Repository, fetched_at: float) -> None:
        self.rows = 0
        self.bytes = 0  # of Python files
        self._path = path
        self._aside = path.with_name(path.name + ASIDE_SUFFIX)
        self._repository = repository
        self._fetched_at = datetime.fromtimestamp(int(fetched_at), UTC)
        self._files: list[SourceFile] = []
        self._pending_bytes = 0

    def __enter__(self) -> Spool:
        with named_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._sink = pa.OSFile(str(self._aside), "wb")
        self._writer = pa.ipc.new_stream(self._sink, DOCUMENT)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # After a full disk closing fails again; the first error is the one to tell.
        self._sink.close()
        self._aside.unlink(missing_ok=True)

    def add(self, file: SourceFile) -> None:
        """Append a file. Raises DiskFullError or FileError."""
        self._files.append(file)
        self._pending_bytes += len(file.content)
        self.bytes += len(file.content) if file.is_python else 0
        if self._pending_bytes >= _BATCH_BYTES or len(self._files) >= _BATCH_ROWS:
            self._flush()

    def commit(self) -> None:
        """Finish: the spool is on disk before the frontier says so."""
        self._flush()
        with named_errors(self._path):
            self._writer.close()
            self._sink.close()
            fsync(self._aside)
            self._aside.replace(self._path)

    def _flush(self) -> None:
        if not self._files:
            return
        with named_errors(self._path):
            self._writer.write_batch(self._batch())
        self.rows += len(self._files)
        self._files, self._pending_bytes = [], 0

    def _batch(self) -> pa.RecordBatch:
        repository, files = self._repository, self._files
        languages = repository.languages
        pushed_at = repository.pushed_at
        same = {
            "repo_id": repository.id,
            "repo": repository.name,
            "commit": repository.commit,
            "stars": repository.stars,
            "fork": repository.fork,
            "license": repository.license,
            "language_bytes": None if languages is None else list(languages.items()),
            "pushed_at": datetime.fromisoformat(pushed_at) if pushed_at else None,
            "fetched_at": self._fetched_at,
            "transport": TRANSPORT,
        }
        own = {
            "path": [file.path for file in files],
            "blob_id": [git_blob_id(file.content) for file in files],
            "size": [len(file.content) for file in files],
            "content": [file.content for file in files],
        }
        columns = {name: [value] * len(files) for name, value in same.items()} | own
        arrays = [pa.array(columns[field.name], field.type) for field in DOCUMENT]
        return pa.RecordBatch.from_arrays(arrays, schema=DOCUMENT)


def read_spool(path: Path, rows: int) -> Iterator[pa.Table]:
    """The tables of a spool of `rows` rows. Raises ShardError if it is missing or damaged."""
    read = 0
    try:
        with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as stream:
            for batch in stream:
                read += batch.num_rows
                yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as error:
        raise ShardError(path, f"a damaged spool ({error})") from error
    if read != rows:
        raise ShardError(path, f"a spool of {read} rows where {rows} were written")


def holds(path: Path, rows: int) -> bool:
    """Whether the spool is there and whole; only its batch headers are read."""
    try:
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
            return sum(batch.num_rows for batch in stream) == rows
    except (pa.ArrowException, OSError):
        return False
