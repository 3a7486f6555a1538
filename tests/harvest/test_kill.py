"""`kill -9` and Ctrl-C of a real process at points spread over a harvest, then the run again."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harvest.loopback.faults import Delay, Fault, SecondaryLimit


@pytest.fixture
def start(
    bench: Any, harvests: Any, tmp_path: Path
) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Begin `pycodegpt harvest run` against the bench's server."""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'run = "{bench.folder.root}"\n[harvest]\napi_url = "{bench.github.url}"\n'
        "repositories_per_shard = 5\nconcurrency = 2\ncreated_until = '2030-01-01'\n"
    )
    with harvests(recipe, bench.token) as begin:
        yield begin


def stop_after(bench: Any, process: subprocess.Popen[str], requests: int, how: int) -> None:
    """Signal the process when the server has answered so many more requests, or it has ended."""
    goal = bench.github.requests.total() + requests
    while bench.github.requests.total() < goal and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(how)


def run_to_the_end(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out + err


def test_killed_three_times(bench: Any, expected: Any, start: Any) -> None:
    for requests in (1, 9, 6):
        process = start()
        stop_after(bench, process, requests, signal.SIGKILL)
        process.wait()
    run_to_the_end(start())
    assert bench.rows == expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_killed_ten_times_at_random(bench: Any, expected: Any, start: Any, seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(10):
        process = start()
        stop_after(bench, process, draw.randint(0, 5), signal.SIGKILL)
        time.sleep(draw.random() * 0.05)
        process.kill()
        process.wait()
    run_to_the_end(start())
    assert bench.rows == expected


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(action=Delay(wait_s=30), route="search"), id="search"),
        pytest.param(
            Fault(action=SecondaryLimit(status=429, retry_after_s=50), route="tarball"),
            id="wait in fetching",
        ),
        pytest.param(
            Fault(action=Delay(wait_s=30), route="graphql"), id="details", marks=pytest.mark.slow
        ),
        pytest.param(
            Fault(action=Delay(wait_s=30), route="tarball"), id="redirect", marks=pytest.mark.slow
        ),
        pytest.param(
            Fault(action=SecondaryLimit(status=403, retry_after_s=None), route="graphql"),
            id="wait in details",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_ctrl_c_ends_whatever_is_waited_for(
    bench: Any, expected: Any, start: Any, fault: Fault
) -> None:
    bench.github.set_faults(fault)
    process = start()
    before = {"search": None, "graphql": "search", "tarball": "graphql"}[fault.route]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answered = bench.github.requests[before, 200] if before else bench.folder.frontier.exists()
        if answered:
            break
        time.sleep(0.01)
    time.sleep(0.7)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - started < 6, "seconds, not the half minute that the answer takes"
    assert process.returncode == 130, err
    assert err.rstrip().endswith("interrupted; run the same command again to go on from here")
    assert "Traceback" not in err
    bench.github.set_faults()
    bench.harvest()
    assert bench.rows == expected


def test_interrupted_and_resumed(bench: Any, expected: Any, start: Any) -> None:
    bench.github.set_faults(Fault(action=Delay(wait_s=30), route="archive", skip=3))
    process = start()
    stop_after(bench, process, 9, signal.SIGINT)
    _, err = process.communicate(timeout=20)  # much less than the archives would take
    assert process.returncode == 130, err
    assert "run the same command again" in err
    assert "Traceback" not in err
    bench.github.set_faults()
    shown = run_to_the_end(start())
    assert "12 repositories" in shown
    assert bench.rows == expected
