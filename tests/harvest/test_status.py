from __future__ import annotations

import asyncio
import fcntl
import threading
from pathlib import Path
from typing import Any

import pytest

from corpus.errors import HarvestError
from harvest.credentials import users_of
from harvest.database import is_being_written, reading, writing
from harvest.frontier import Frontier, Sample
from harvest.frontier.history import BREAK_S, MAX_SAMPLES
from harvest.pulse import pulse
from harvest.scheduler import Scheduler
from harvest.status import Rates, left_s, phase_of, rates_of, status_of


def sample(at: float, settled: int = 0, **more: int) -> Sample:
    values = {"found": 0, "detailed": 0, "files": 0, "bytes": 0, **more}
    return Sample(at=at, settled=settled, **values)


@pytest.mark.parametrize(
    ("states", "refreshing", "written", "planned", "phase"),
    [
        ({}, None, 0, None, "search"),
        ({"found": 9}, None, 0, None, "search"),
        ({"wanted": 9}, None, 0, None, "details"),
        ({"pending": 9}, None, 0, 2, "fetch"),
        ({"done": 9}, None, 2, 2, "finished"),
        ({"done": 9}, {"generation": 1}, 2, 2, "refresh: details"),
        ({"pending": 9}, {"generation": 1, "planned": 9}, 2, 3, "refresh: fetch"),
    ],
)
def test_the_phase_follows_from_the_frontier(
    states: Any, refreshing: Any, written: int, planned: int | None, phase: str
) -> None:
    assert phase_of(states, refreshing, written, planned) == phase


def test_rates_are_those_of_the_last_half_hour() -> None:
    samples = [sample(0), sample(3_600, 100, files=1_000, bytes=5_000)]
    assert rates_of(samples, "fetch") is None  # one sample in half an hour says nothing
    samples += [sample(4_500, 150, files=1_100, bytes=6_000)]
    found = rates_of(samples, "fetch")
    assert found == Rates(repositories=200.0, files=400.0, bytes=4_000.0, span_s=900.0)
    assert left_s({"pending": 50}, "fetch", found) == 900
    assert left_s({"pending": 50}, "search", found) is None
    assert left_s({"pending": 50}, "fetch", None) is None
    assert rates_of([], "fetch") is None


def test_samples_of_the_last_stretch_are_kept_and_no_more_than_a_thousand(tmp_path: Path) -> None:
    path = tmp_path / "frontier.sqlite"
    with writing(path) as database:
        frontier = Frontier(path, database)
        frontier.keep_sample(sample(0), {})
        start = BREAK_S + 1
        for number in range(MAX_SAMPLES + 20):
            frontier.keep_sample(sample(start + number), {"ada": {"core": {"remaining": number}}})
        found = frontier.samples()
        assert len(found) <= MAX_SAMPLES + 1
        assert found[-1].at == start + MAX_SAMPLES + 19
        assert found[0].at >= start
        assert frontier.note("limits")["users"]["ada"]["core"]["remaining"] == MAX_SAMPLES + 19
        frontier.keep_sample(sample(found[-1].at + BREAK_S + 1), {})
        assert len(frontier.samples()) == 1
        assert is_being_written(path)
    assert not is_being_written(path)


async def test_a_pulse_beats_while_the_block_runs_and_ends_with_it(
    tmp_path: Path, clock: Any, log: Any
) -> None:
    path = tmp_path / "frontier.sqlite"
    scheduler = Scheduler(users_of(["t"]), clock=clock, report=log, max_wait_s=1)
    with writing(path) as database:
        frontier = Frontier(path, database)
        async with pulse(frontier, scheduler, interval_s=0.01):
            await asyncio.sleep(0.1)
        beats = len(frontier.samples())
        assert beats >= 3
        await asyncio.sleep(0.05)
        assert len(frontier.samples()) == beats


def test_a_full_frontier_sums_as_its_rows_do(bench: Any) -> None:
    bench.harvest()
    status = status_of(bench.folder)
    with reading(bench.folder.frontier) as database:
        row = database.execute(
            "SELECT sum(json_extract(counts, '$.kept')), sum(bytes) FROM repositories"
        ).fetchone()
    assert (status.files_kept, status.bytes_kept) == tuple(row)
    rows = [row for rows in bench.rows.values() for row in rows if row["path"].endswith(".py")]
    assert (status.files_kept, status.bytes_kept) == (len(rows), sum(r["size"] for r in rows))
    assert (status.phase, status.running, status.rates) == ("finished", False, None)


def test_a_look_at_the_lock_keeps_no_harvest_out(tmp_path: Path) -> None:
    path = tmp_path / "frontier.sqlite"
    with writing(path):
        pass
    with (tmp_path / "frontier.sqlite.lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        timer = threading.Timer(0.08, lambda: fcntl.flock(file, fcntl.LOCK_UN))
        timer.start()
        with writing(path):
            timer.join()
    with writing(path), pytest.raises(HarvestError, match="another harvest is running"):
        writing(path).__enter__()
