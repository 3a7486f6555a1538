"""`kill -9` of a real process while it fetches blobs, then the run again."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harvest.loopback.catalog import git_catalog
from harvest.loopback.server import serve_in_thread

SETTINGS: dict[str, Any] = {"transport": "blobs", "forks": True, "repositories_per_shard": 2}


@pytest.fixture(scope="module")
def undisturbed(mirrors: Path, tmp_path_factory: pytest.TempPathFactory, bench_class: Any) -> Any:
    with serve_in_thread(git_catalog(mirrors), limits=None) as github:
        bench = bench_class(github, tmp_path_factory.mktemp("undisturbed") / "run")
        manifest = bench.harvest(concurrency=1, **SETTINGS)
        return bench.rows, bench.copies, manifest.counts


@pytest.fixture
def start(
    git_bench: Any, harvests: Any, tmp_path: Path
) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'run = "{git_bench.folder.root}"\n[harvest]\napi_url = "{git_bench.github.url}"\n'
        'transport = "blobs"\nforks = true\nrepositories_per_shard = 2\nconcurrency = 3\n'
        'created_until = "2030-01-01"\n'
    )
    with harvests(recipe, git_bench.token) as begin:
        yield begin


def kill_after(bench: Any, process: subprocess.Popen[str], requests: int, wait_s: float) -> None:
    """Kill it when the server has answered so many more requests, and a moment has passed."""
    goal = bench.github.requests.total() + requests
    while bench.github.requests.total() < goal and process.poll() is None:
        time.sleep(0.001)
    time.sleep(wait_s)
    process.send_signal(signal.SIGKILL)
    process.wait()


def ends_as(bench: Any, process: subprocess.Popen[str], undisturbed: Any) -> None:
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    rows, copies, counts = undisturbed
    assert (bench.rows, bench.copies) == (rows, copies)
    manifest = bench.harvest(concurrency=3, **SETTINGS)  # which has nothing to do
    assert manifest.counts == counts
    assert not (bench.folder.root / "frontier.spool").exists()


def test_killed_among_trees_blobs_and_shards(git_bench: Any, undisturbed: Any, start: Any) -> None:
    git_bench.settings = {}
    for requests in (4, 3, 5):
        kill_after(git_bench, start(), requests, 0.0)
    ends_as(git_bench, start(), undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_killed_ten_times_at_random(
    git_bench: Any, undisturbed: Any, start: Any, seed: int
) -> None:
    git_bench.settings = {}
    draw = random.Random(seed)
    for _ in range(10):
        kill_after(git_bench, start(), draw.randint(0, 4), draw.random() * 0.15)
    ends_as(git_bench, start(), undisturbed)
