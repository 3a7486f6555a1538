"""Small raw folders, as a finished harvest leaves them, and an engine without processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from corpus.engine import Done, Engine, Lost, Unit, Work
from corpus.manifest import Manifest, file_entry, write_manifest
from corpus.schema import DOCUMENT, git_blob_id
from corpus.shards import Shard, list_shards, write_shard

_GOOD = '''"""Work on the numbers of part {number}."""


def total_{number}(numbers, limit={number}):
    result = 0
    for number in numbers:
        if number > limit * {number}:
            result += number ** {number}
    return result


class Part{number}:
    """Nothing but a name and the values {values}."""

    name = "part {number}"

    def values(self):
        return [{values}]
'''


def good_code(number: int) -> str:
    """A file that passes every rule; no two numbers give near duplicates."""
    values = ", ".join(str(number * 1000 + 7 * step) for step in range(20))
    return _GOOD.format(number=number, values=values)


def write_raw(
    folder: Path, documents: Sequence[Mapping[str, Any]], *, shards: int = 1
) -> list[Shard]:
    """Deal `documents` on `shards` raw shards and write the manifest.

    A document needs `content`; the other columns of the schema have defaults.
    """
    for number in range(shards):
        with write_shard(folder / f"shard-{number:05}.parquet") as writer:
            rows = [_row(document) for document in documents[number::shards]]
            writer.write(pa.Table.from_pylist(rows, schema=DOCUMENT))
    written = list_shards(folder)
    outputs = tuple(file_entry(shard.path, folder, rows=shard.rows) for shard in written)
    write_manifest(folder, Manifest(stage="harvest", parameters={}, outputs=outputs))
    return written


def _row(document: Mapping[str, Any]) -> dict[str, Any]:
    content = document["content"]
    content = content.encode() if isinstance(content, str) else content
    repo_id = document.get("repo_id", 1)
    when = datetime(2024, 1, 1, tzinfo=UTC)
    defaults = {
        "repo_id": repo_id,
        "repo": f"owner/repo{repo_id}",
        "commit": f"{repo_id:040x}",
        "path": "package/module.py",
        "blob_id": git_blob_id(content),
        "size": len(content),
        "stars": 0,
        "fork": False,
        "license": "MIT",
        "language_bytes": None,
        "pushed_at": when,
        "fetched_at": when,
        "transport": "archive",
    }
    return {**defaults, **document, "content": content}


class InlineEngine:
    """Runs everything in this process, and loses the rows that it is told to."""

    def __init__(self, lose: Iterable[tuple[str, int]] = ()) -> None:
        self._lose = set(lose)  # (shard name, row)

    def enter(self, row: int) -> None:
        """No clock to set."""

    def run(self, work: Work[Any], units: Iterable[Unit]) -> Iterator[Done[Any] | Lost]:
        for unit in units:
            lost = [row for name, row in self._lose if name == unit.shard.name]
            lost = sorted(row for row in lost if unit.start <= row < unit.stop)
            start = unit.start
            for row in [*lost, unit.stop]:
                if start < row:
                    part = Unit(unit.shard, start, row)
                    yield Done(part, work(part, self))
                if row < unit.stop:
                    yield Lost(Unit(unit.shard, row, row + 1), "crash", "made to crash")
                start = row + 1


@pytest.fixture(name="write_raw")
def _write_raw() -> Callable[..., list[Shard]]:
    return write_raw


@pytest.fixture(name="good_code")
def _good_code() -> Callable[[int], str]:
    return good_code


@pytest.fixture
def engine() -> Engine:
    return InlineEngine()


@pytest.fixture
def losing_engine() -> Callable[..., Engine]:
    return InlineEngine
