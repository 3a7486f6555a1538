from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from corpus.events import Event, Notice
from corpus.layout import RunFolder
from corpus.manifest import Manifest
from corpus.shards import list_shards, read_rows
from harvest.loopback.catalog import TreeCatalog, git_catalog, memory_catalog
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
        self.settings: dict[str, Any] = {}  # of every recipe

    def recipe(self, **changes: Any) -> HarvestRecipe:
        settings: dict[str, Any] = {
            "api_url": self.github.url,
            "repositories_per_shard": 5,
            "concurrency": 4,
            "retries": 2,
            "created_until": "2030-01-01",
        }
        return HarvestRecipe(**(settings | self.settings | changes))

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
    def copies(self) -> Rows:
        """The lists of copies by shard."""
        return {
            shard.name: read_rows(shard).to_pylist()
            for shard in list_shards(self.folder.raw / "copies")
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


def commit_files(where: Path, files: Mapping[str, Any], message: str = "first") -> str:
    """Commit files by path to a bare repository, as git itself stores them; the commit's id.

    A value is the content, or (mode, content), or (mode, id) for a submodule.
    """
    if not where.exists():
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", where], check=True)
    script = bytearray(b"commit refs/heads/main\n")
    script += b"committer Test <test@example.org> 1577836800 +0000\n"
    script += b"data %d\n%s\ndeleteall\n" % (len(message), message.encode())
    for path, value in files.items():
        mode, content = value if isinstance(value, tuple) else ("100644", value)
        raw = path.encode("utf-8", "surrogateescape")
        quoted = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
        if isinstance(content, str):
            script += b'M %s %s "%s"\n' % (mode.encode(), content.encode(), quoted)
        else:
            script += b'M %s inline "%s"\ndata %d\n' % (mode.encode(), quoted, len(content))
            script += content + b"\n"
    git = ["git", "-C", str(where)]
    settings = ["-c", "fastimport.unpackLimit=1"]
    command = [git[0], *settings, *git[1:], "fast-import", "--quiet", "--force"]
    subprocess.run(command, input=bytes(script), check=True)
    subprocess.run([*git, "repack", "-qadf"], check=True)
    head = subprocess.run([*git, "rev-parse", "main"], capture_output=True, text=True, check=True)
    return head.stdout.strip()


@pytest.fixture(scope="session")
def commit() -> Callable[..., str]:
    """Make git repositories; see `commit_files`."""
    return commit_files


def mirror_contents() -> dict[str, dict[str, Any]]:
    """Repositories that share files, and hold what is hard to carry."""
    long = "".join(f"def function_{n}(x):\n    return x * {n * n}\n" for n in range(3_000))
    apache = ("Apache License, Version 2.0\n" * 400).encode()
    first: dict[str, Any] = {
        "LICENSE": apache,
        "README.md": b"# read me",
        "pkg/__init__.py": b"",
        "pkg/x.py": b"x = 1\n",
        "pkg/long.py": long.encode(),
        "pkg.py": b"# sorted before the folder\n",
        "huge.py": b"# " + b"0123456789" * 110_000 + b"\n",
        "link.py": ("120000", b"pkg/x.py"),
        "vendored": ("160000", "1" * 40),
        "run.py": ("100755", b"#!/usr/bin/env python3\nprint(1)\n"),
        "caf\u00e9/na\u00efve.py": b"x = 1\r\n",
        "bad\udcff.py": b"x = 2\n",
        "back\\slash.py": b"x = 3\n",
    }
    versions = {f"v{n}.py": long.replace("* 4\n", f"* {n}\n").encode() for n in range(8)}
    fork = {**first, "pkg/x.py": b"x = 'forked'\n", "new.py": b"new = True\n"}
    other = {"deep/down/x.py": b"x = 1\n", "same.py": b"x = 1\n", "COPYING": b"other terms\n"}
    return {
        "a/first": first,
        "b/fork": fork,
        "b/exact": dict(first),
        "c/other": other,
        "d/none": {"README.md": b"nothing here"},
        "d/versions": {**versions, "LICENSE": apache},
        "e/late": {"late.py": b"new = True\n", "own.py": b"own = 1\n"},
    }


@pytest.fixture(scope="session")
def mirrors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of git repositories; the earlier in the alphabet, the more stars."""
    folder = tmp_path_factory.mktemp("mirrors")
    facts = {}
    for number, (name, files) in enumerate(mirror_contents().items()):
        commit_files(folder / f"{name}.git", files)
        facts[name] = {"stars": 100 - number, "fork": name.startswith("b/")}
    (folder / "loopback.json").write_text(json.dumps(facts))
    return folder


@pytest.fixture(scope="session")
def bench_class() -> type[Bench]:
    """For fixtures that outlive a test."""
    return Bench


@pytest.fixture
def git_bench(mirrors: Path, tmp_path: Path) -> Iterator[Bench]:
    """A bench at a server that speaks git, two repositories a shard."""
    with serve_in_thread(git_catalog(mirrors), limits=None) as github:
        bench = Bench(github, tmp_path / "run")
        bench.settings = {
            "transport": "blobs",
            "language": None,
            "forks": True,
            "repositories_per_shard": 2,
        }
        yield bench


@pytest.fixture
def make_git_bench(tmp_path: Path) -> Callable[..., Bench]:
    """The same at a server of the test's own, for a run folder of that name."""

    def make(github: Loopback, name: str = "run", **settings: Any) -> Bench:
        bench = Bench(github, tmp_path / name)
        bench.settings = {"language": None, "forks": True, "repositories_per_shard": 2, **settings}
        return bench

    return make


Begin = Callable[[], subprocess.Popen[str]]


@contextmanager
def _harvests(recipe: Path, token: str) -> Iterator[Begin]:
    command = [sys.executable, "-m", "pycodegpt", "harvest", "run", "--recipe", str(recipe)]
    running: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "GITHUB_TOKEN": token},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Tests that were begun in the background ignore Ctrl-C, and so would their children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        running.append(process)
        return process

    try:
        yield begin
    finally:
        for process in running:
            process.kill()
            process.communicate()


@pytest.fixture(scope="session")
def harvests() -> Callable[[Path, str], AbstractContextManager[Begin]]:
    """What begins `pycodegpt harvest run` with a recipe and a token, and ends what still runs."""
    return _harvests
