from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from corpus.events import Event, Notice
from corpus.layout import RunFolder
from corpus.manifest import Manifest
from corpus.shards import list_shards, read_rows
from harvest.loopback.catalog import TreeCatalog, memory_catalog
from harvest.loopback.server import Loopback, serve_in_thread
from harvest.recipe import HarvestRecipe
from harvest.run import harvest
from harvest.scheduler import Clock

Rows = dict[str, list[Mapping[str, Any]]]
TOKEN = "ghp_SecretThatMustNeverShowUpAnywhere0001"


class ImpatientClock(Clock):
    """Waits cost no time; what was waited for is kept."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return super().now() + sum(self.slept)

    async def pause(self, seconds: float) -> None:
        self.slept.append(seconds)
        await super().pause(0)


class Log:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def lines(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Notice)]


def small_catalog(repositories: int = 12) -> TreeCatalog:
    contents: dict[str, dict[str, bytes]] = {}
    facts: dict[str, dict[str, Any]] = {}
    for number in range(repositories):
        name = f"owner{number % 3}/project{number:02}"
        contents[name] = {
            f"pkg/module{i}.py": f"# {name}\nvalue = {number * 100 + i}\n".encode() * (i + 1)
            for i in range(2 + number % 4)
        } | {"README.md": b"# read me\n", "café/naïve.py": b"x = 1\r\n"}
        facts[name] = {"stars": 1000 - number, "license": "MIT" if number % 2 else None}
    return memory_catalog(contents, facts)


class Bench:
    """A server, a run folder, and what it takes to harvest the one into the other."""

    token = TOKEN

    def __init__(self, github: Loopback, root: Path) -> None:
        self.github, self.folder = github, RunFolder(root)
        self.clock, self.log = ImpatientClock(), Log()

    def recipe(self, **changes: Any) -> HarvestRecipe:
        settings: dict[str, Any] = {
            "api_url": self.github.url,
            "repositories_per_shard": 5,
            "concurrency": 4,
            "retries": 2,
            "created_until": "2030-01-01",
        }
        return HarvestRecipe(**(settings | changes))

    def harvest(self, *, tokens: Sequence[str] = (TOKEN,), **changes: Any) -> Manifest:
        return harvest(
            self.recipe(**changes),
            self.folder,
            tokens=tokens,
            report=self.log,
            clock=self.clock,
        )

    @property
    def rows(self) -> Rows:
        """The rows of every shard by its name, less the moment of fetching."""
        return {
            shard.name: read_rows(shard).drop_columns(["fetched_at"]).to_pylist()
            for shard in list_shards(self.folder.raw)
        }

    @property
    def repositories(self) -> set[str]:
        return {row["repo"] for rows in self.rows.values() for row in rows}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with serve_in_thread(small_catalog(), limits=None) as github:
        yield Bench(github, tmp_path / "run")


@pytest.fixture
def make_bench(tmp_path: Path) -> Callable[[Loopback], Bench]:
    """A bench at a server of the test's own."""
    return lambda github: Bench(github, tmp_path / "run")


@pytest.fixture
def catalog_of() -> Callable[[int], TreeCatalog]:
    """A catalog of so many small repositories."""
    return small_catalog


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def clock() -> ImpatientClock:
    return ImpatientClock()


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """What an undisturbed harvest of the small catalog brings."""
    with serve_in_thread(small_catalog(), limits=None) as github:
        undisturbed = Bench(github, tmp_path_factory.mktemp("expected"))
        undisturbed.harvest(concurrency=1)
        return undisturbed.rows


@pytest.fixture
def tar_of_one() -> bytes:
    """A tar of one file, `x = 1`."""
    content = b"x = 1\n"
    info = tarfile.TarInfo("top/x.py")
    info.size = len(content)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
