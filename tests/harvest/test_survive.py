"""`kill -9` at every point at which something reaches the disk, then the run again."""

from __future__ import annotations

import multiprocessing
import runpy
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from corpus.layout import RunFolder
from harvest.loopback.catalog import git_catalog
from harvest.loopback.server import Loopback, serve_in_thread

ROOT = Path(__file__).parents[2]
KILL_AT = Path(__file__).with_name("kill_at.py")
FILES = {
    f"owner/project{number}": {
        "own.py": b"own = %d\n" % number,
        "pkg/shared.py": b"shared = 1\n" * 50,
        f"pkg/pair{number // 2}.py": b"pair = %d\n" % (number // 2),
        "LICENSE": b"licence of %d\n" % number,
        "README.md": b"# read me\n",
    }
    for number in range(7)
}
CHANGED = ("owner/project1", "owner/project4")


@pytest.fixture
def mirrors(tmp_path: Path, commit: Callable[..., str]) -> Path:
    folder = tmp_path / "mirrors"
    for name, files in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        commit(folder / f"{name}.git", files)
    return folder


@pytest.fixture
def github(mirrors: Path) -> Iterator[Loopback]:
    with serve_in_thread(git_catalog(mirrors), limits=None) as github:
        yield github


class Victims:
    """Processes that end themselves at a given point, forked from one that has all loaded."""

    def __init__(self, make_bench: Callable[[Loopback], Any], scratch: Path) -> None:
        self._make_bench, self._scratch = make_bench, scratch
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["runpy", "sqlite3", "harvest.run", "harvest.refresh"])

    def bench(self, github: Loopback, name: str, transport: str) -> Any:
        """A folder of its own for one harvest."""
        bench = self._make_bench(github)
        bench.folder = RunFolder(self._scratch / name)
        bench.settings = {"transport": transport, "repositories_per_shard": 3, "language": None}
        return bench

    def run(self, bench: Any, command: str, at: int | None) -> int:
        """Run until point `at`, killed there; how many points there were, if it came to its end."""
        return int(self.told(bench, command, at) or 0)

    def told(self, bench: Any, command: str, at: int | None, *, full: bool = False) -> str | None:
        """What the process said at its end: a number of points or an error; None if killed."""
        told = self._scratch / "told"
        told.unlink(missing_ok=True)
        recipe = bench.recipe()
        job = {
            "root": str(ROOT),
            "command": command,
            "recipe": {name: getattr(recipe, name) for name in recipe.__dataclass_fields__},
            "folder": str(bench.folder.root),
            "at": at,
            "full": full,
            "told": str(told),
        }
        process = self._context.Process(
            target=runpy.run_path, args=(str(KILL_AT), {"JOB": job}), daemon=True
        )
        process.start()
        process.join(60)
        if told.exists():
            assert process.exitcode == 0
            return told.read_text()
        assert process.exitcode == -signal.SIGKILL
        return None


@pytest.fixture
def victims(make_bench: Any, tmp_path: Path) -> Victims:
    return Victims(make_bench, tmp_path)


def everything(bench: Any) -> tuple[Any, Any]:
    """Rows and copies by shard, and nothing left beside them."""
    left = [path.name for path in bench.folder.raw.rglob("*.aside")]
    left += [path.name for path in bench.folder.root.glob("*.spool/*")]
    assert not left
    return bench.rows, bench.copies


def spread(points: int, number: int) -> list[int]:
    """So many points, the first and the last among them."""
    return sorted({round(i * (points - 1) / (number - 1)) for i in range(number)})


def kill_everywhere(
    victims: Victims, github: Loopback, transport: str, number: int, *, again: bool
) -> None:
    undisturbed = victims.bench(github, "undisturbed", transport)
    points = victims.run(undisturbed, "harvest", None)
    assert points > 20
    expected = everything(undisturbed)
    assert sum(len(rows) for rows in expected[0].values()) == 7 + 1 + 4 + 7
    for at in spread(points, number):
        bench = victims.bench(github, f"killed-{at}", transport)
        assert not victims.run(bench, "harvest", at)
        if again:  # and the run that puts things in order as well
            victims.run(bench, "harvest", at // 2)
        bench.harvest()
        assert everything(bench) == expected, at


@pytest.mark.parametrize("transport", ["archive", "blobs"])
def test_killed_at_a_few_points(victims: Victims, github: Loopback, transport: str) -> None:
    kill_everywhere(victims, github, transport, 4, again=False)


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["archive", "blobs"])
def test_killed_at_a_hundred_points(victims: Victims, github: Loopback, transport: str) -> None:
    kill_everywhere(victims, github, transport, 100, again=True)


def fill_everywhere(victims: Victims, github: Loopback, transport: str, number: int) -> None:
    undisturbed = victims.bench(github, "undisturbed", transport)
    points = victims.run(undisturbed, "harvest", None)
    expected = everything(undisturbed)
    for at in spread(points, number + 1)[:-1]:  # after the last one there is nothing to write
        bench = victims.bench(github, f"full-{at}", transport)
        error = victims.told(bench, "harvest", at, full=True)
        assert error is not None
        assert error.startswith("DiskFullError: "), error
        assert "no space left on the disk" in error
        assert str(bench.folder.root) in error
        assert "\n" not in error
        bench.harvest()
        assert everything(bench) == expected, at


@pytest.mark.parametrize("transport", ["archive", "blobs"])
def test_a_full_disk_is_one_line_and_loses_nothing(
    victims: Victims, github: Loopback, transport: str
) -> None:
    fill_everywhere(victims, github, transport, 3)


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["archive", "blobs"])
def test_a_disk_full_at_forty_points(victims: Victims, github: Loopback, transport: str) -> None:
    fill_everywhere(victims, github, transport, 40)


def kill_refreshes(
    victims: Victims, mirrors: Path, commit: Any, transport: str, number: int
) -> None:
    folders = [f"refreshed-{i}" for i in range(number)]
    with serve_in_thread(git_catalog(mirrors), limits=None) as github:
        undisturbed = victims.bench(github, "undisturbed", transport)
        for name in ("undisturbed", *folders):
            victims.bench(github, name, transport).harvest()
        port = int(github.url.rpartition(":")[2])
    for name in CHANGED:
        files = {**FILES[name], "own.py": b"changed = 1\n", "new.py": b"new = 1\n"}
        commit(mirrors / f"{name}.git", files, "second")
    with serve_in_thread(git_catalog(mirrors), limits=None, port=port) as github:
        points = victims.run(undisturbed, "refresh", None)
        expected = everything(undisturbed)
        assert [len(rows) for rows in expected[0].values()][3:] == [4]  # LICENSE twice
        for name, at in zip(folders, spread(points, number), strict=True):
            bench = victims.bench(github, name, transport)
            assert not victims.run(bench, "refresh", at)
            victims.run(bench, "refresh", None)
            assert everything(bench) == expected, at


def test_a_refresh_killed_at_a_few_points(
    victims: Victims, mirrors: Path, commit: Callable[..., str]
) -> None:
    kill_refreshes(victims, mirrors, commit, "blobs", 3)


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["archive", "blobs"])
def test_a_refresh_killed_at_forty_points(
    victims: Victims, mirrors: Path, commit: Callable[..., str], transport: str
) -> None:
    kill_refreshes(victims, mirrors, commit, transport, 40)
