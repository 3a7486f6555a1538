import datetime
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from clean.signals.document import SignalStage
from clean.signals.fingerprint import shingle_hashes, signature
from clean.signals.measure import measure_unit, run_signals
from clean.signals.parameters import SignalParameters
from clean.signals.stages import signal_stages
from corpus.engine import Done, Lost, Unit, Work
from corpus.engine.pool import Limits, LocalPool
from corpus.errors import ShardError
from corpus.events import Event, Progress
from corpus.schema import DOCUMENT, git_blob_id
from corpus.shards import Shard, list_shards, open_shard, write_shard
from corpus.sidecars import read_sidecar, sidecar_path

ROOT = Path(__file__).parents[3]
GOOD = b"# Licensed under the Apache License, Version 2.0\ndef f(x):\n    return x + 1\n"
STAGES = signal_stages(SignalParameters())
NAMES = ["text", "structure", "syntax", "license", "fingerprint"]


def make_shard(path: Path, contents: list[bytes], license: str | None = "MIT") -> Shard:
    rows = [
        {
            "repo_id": 1,
            "repo": "a/b",
            "commit": "0" * 40,
            "path": f"f{number}.py",
            "blob_id": git_blob_id(content),
            "size": len(content),
            "content": content,
            "stars": 3,
            "fork": False,
            "license": license,
            "fetched_at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
            "transport": "archive",
        }
        for number, content in enumerate(contents)
    ]
    with write_shard(path) as writer:
        writer.write(pa.Table.from_pylist(rows, schema=DOCUMENT))
    return open_shard(path)


class Inline:
    """An engine in this process. Rows whose content names a stage are lost where it runs."""

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self.entered: list[int] = []

    def enter(self, row: int) -> None:
        self.entered.append(row)

    def run(self, work: Work[pa.Table], units: Iterable[Unit]) -> Iterator[Done[pa.Table] | Lost]:
        for unit in units:
            self.units.append(unit)
            for row in range(unit.start, unit.stop):
                yield self._one(work, Unit(unit.shard, row, row + 1))

    def _one(self, work: Work[pa.Table], unit: Unit) -> Done[pa.Table] | Lost:
        table = work(unit, self)
        if "syntax_reject" in table.schema.names and unit.start in self.hangs:
            return Lost(unit, "timeout", "")
        return Done(unit, table)

    hangs: frozenset[int] = frozenset()


def sidecar(folder: Path, stage: str, shard: Shard) -> pa.Table:
    return read_sidecar(sidecar_path(folder, stage, shard), shard)


def run(folder: Path, shards: list[Shard], stages: tuple[SignalStage, ...] = STAGES) -> Inline:
    engine = Inline()
    run_signals(shards, folder, stages, engine)
    return engine


def test_every_stage_says_what_it_measured(tmp_path: Path) -> None:
    shard = make_shard(tmp_path / "shard-00000.parquet", [GOOD, b"x\0", b"print 1\n", b""])
    run(tmp_path / "s", [shard])
    text = sidecar(tmp_path / "s", "text", shard).to_pylist()
    assert text[0]["encoding"] == "utf-8"
    assert (text[0]["lines"], text[0]["code_lines"], text[0]["keywords"]) == (3, 2, 2)
    assert [row["text_reject"] for row in text] == [None, "nul", None, None]
    assert text[1]["encoding"] is text[1]["chars"] is None
    syntax = sidecar(tmp_path / "s", "syntax", shard).to_pylist()
    assert [row["syntax_reject"] for row in syntax] == [None, None, "python2", None]
    licenses = sidecar(tmp_path / "s", "license", shard).to_pylist()
    assert licenses[0]["file_license"] == "Apache-2.0"
    assert [row["license_category"] for row in licenses] == ["permissive", "none", "none", "none"]
    assert {row["repo_category"] for row in licenses} == {"permissive"}
    prints = sidecar(tmp_path / "s", "fingerprint", shard).to_pylist()
    assert [row["shingles"] for row in prints] == [6, None, 1, 0]
    assert [row["signature"] is None for row in prints] == [False, True, False, True]
    assert [row["content_digest"] is None for row in prints] == [False, True, False, False]
    expected = signature(shingle_hashes(GOOD.decode()))
    assert expected is not None
    assert np.array_equal(np.frombuffer(prints[0]["signature"], dtype="<u4"), expected)


def test_the_schemas_are_the_contract(tmp_path: Path) -> None:
    shard = make_shard(tmp_path / "shard-00000.parquet", [GOOD])
    run(tmp_path / "s", [shard])
    for stage in STAGES:
        assert sidecar(tmp_path / "s", stage.name, shard).schema.equals(stage.schema)
    assert [stage.name for stage in STAGES] == NAMES


def test_what_is_current_is_not_read_again(tmp_path: Path) -> None:
    shards = [make_shard(tmp_path / f"shard-{n}.parquet", [GOOD] * 3) for n in range(2)]
    folder = tmp_path / "s"
    assert len(run(folder, shards).units) == 2
    assert run(folder, shards).units == []
    sidecar_path(folder, "license", shards[1]).unlink()
    kept = sidecar_path(folder, "text", shards[1]).stat().st_mtime_ns
    engine = run(folder, shards)
    assert [unit.shard.name for unit in engine.units] == ["shard-1.parquet"]
    assert sidecar_path(folder, "text", shards[1]).stat().st_mtime_ns == kept
    sidecar_path(folder, "syntax", shards[0]).write_bytes(b"damaged")
    counts = run_signals(shards, folder, STAGES, Inline())
    expected = {"sidecars_current": 2 * len(NAMES) - 1, "sidecars_written": 1, "rows_measured": 3}
    assert expected.items() <= counts.items()
    assert (counts["syntax_written"], counts["text_written"]) == (1, 0)


def test_a_parameter_reaches_only_the_stage_that_depends_on_it(tmp_path: Path) -> None:
    shard = make_shard(tmp_path / "shard-00000.parquet", [GOOD])
    run(tmp_path / "s", [shard])
    wider = signal_stages(SignalParameters(permutations=64))
    counts = run_signals([shard], tmp_path / "s", wider, Inline())
    assert (counts["sidecars_current"], counts["sidecars_written"]) == (len(NAMES) - 1, 1)
    prints = sidecar(tmp_path / "s", "fingerprint", shard)
    assert prints.schema.field("signature").type == pa.binary(4 * 64)
    guessing = signal_stages(SignalParameters(permutations=64, guess_encoding=True))
    assert run_signals([shard], tmp_path / "s", guessing, Inline())["sidecars_written"] == len(
        NAMES
    )


def test_another_shard_under_the_same_name_is_measured_anew(tmp_path: Path) -> None:
    path = tmp_path / "shard-00000.parquet"
    run(tmp_path / "s", [make_shard(path, [GOOD])])
    other = make_shard(path, [b"x = 1\n"])
    assert len(run(tmp_path / "s", [other]).units) == 1
    assert sidecar(tmp_path / "s", "text", other)["lines"].to_pylist() == [1]


def test_each_row_gets_its_own_clock(tmp_path: Path) -> None:
    shard = make_shard(tmp_path / "shard-00000.parquet", [GOOD] * 5)
    engine = Inline()
    table = measure_unit(STAGES, Unit(shard, 2, 4), engine)
    assert engine.entered == [2, 3]
    assert table.num_rows == 2


def test_a_row_that_hangs_one_stage_keeps_its_other_signals(tmp_path: Path) -> None:
    """And a stage's sidecar is the same whether it ran beside others or alone."""
    contents = [b"x = %d\n" % number for number in range(5)]
    shards = [make_shard(tmp_path / f"shard-{n}.parquet", contents) for n in range(20)]
    engine = Inline()
    engine.hangs = frozenset({0, 3})
    counts = run_signals(shards, tmp_path / "joint", STAGES, engine)
    assert counts["syntax_lost_timeout"] == 2 * 20
    assert not [key for key in counts if key.startswith(("text_lost", "license_lost"))]
    for stage in STAGES:
        run_signals(shards, tmp_path / "alone", (stage,), engine)
    for shard in shards:
        rejects = sidecar(tmp_path / "joint", "syntax", shard)["syntax_reject"].to_pylist()
        assert rejects == ["timeout", None, None, "timeout", None]
        for stage in STAGES:
            joint, alone = (tmp_path / way / stage.name / shard.name for way in ("joint", "alone"))
            assert joint.read_bytes() == alone.read_bytes()


def test_an_empty_shard_and_no_shard(tmp_path: Path) -> None:
    shard = make_shard(tmp_path / "shard-00000.parquet", [])
    counts = run_signals([shard], tmp_path / "s", STAGES, Inline())
    assert counts["sidecars_written"] == len(NAMES)
    assert sidecar(tmp_path / "s", "syntax", shard).num_rows == 0
    assert run_signals([], tmp_path / "s", STAGES, Inline())["sidecars_written"] == 0


def test_progress_counts_files_and_never_falls(tmp_path: Path) -> None:
    shards = [make_shard(tmp_path / f"shard-{n}.parquet", [GOOD] * 4) for n in range(2)]
    sidecar_path(tmp_path / "s", "text", shards[0]).parent.mkdir(parents=True)
    events: list[Event] = []
    run_signals(shards, tmp_path / "s", STAGES, Inline(), events.append)
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress == events
    assert [event.done for event in progress] == sorted(event.done for event in progress)
    assert (progress[-1].done, progress[-1].total) == (8, 8)


def test_the_work_travels_to_other_processes() -> None:
    stages = pickle.loads(pickle.dumps(STAGES))
    assert [stage.name for stage in stages] == [stage.name for stage in STAGES]


def test_parameters_are_checked_by_name() -> None:
    for name, value in (("shingle_tokens", 0), ("permutations", 0), ("permutations", 5000)):
        with pytest.raises(ValueError, match=f"^{name} "):
            SignalParameters(**{name: value})


def test_two_workers_write_the_bytes_that_one_process_writes(tmp_path: Path) -> None:
    shards = [make_shard(tmp_path / f"shard-{n}.parquet", [GOOD, b"x", b"\0"]) for n in range(3)]
    run(tmp_path / "one", shards)
    run_signals(shards, tmp_path / "pool", STAGES, LocalPool(2))
    for path in sorted((tmp_path / "one").rglob("*.parquet")):
        assert (
            path.read_bytes()
            == (tmp_path / "pool" / path.relative_to(tmp_path / "one")).read_bytes()
        )


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    shard = make_shard(tmp_path / "shard-00000.parquet", [os.urandom(50_000)])
    whole = shard.path.read_bytes()
    shard.path.write_bytes(whole[:100] + os.urandom(40_000) + whole[40_100:])
    with pytest.raises(ShardError, match=r"shard-00000\.parquet"):
        run_signals([shard], tmp_path / "s", STAGES, LocalPool(1, Limits(row_cpu_s=20)))


KILLED = """
import sys
from pathlib import Path
from clean.signals.parameters import SignalParameters
from clean.signals.measure import run_signals
from clean.signals.stages import signal_stages
from corpus.engine.pool import LocalPool
from corpus.shards import list_shards
if __name__ == "__main__":
    root, stages = Path(sys.argv[1]), signal_stages(SignalParameters())
    run_signals(list_shards(root / "raw"), root / "s", stages, LocalPool(1))
"""


@pytest.mark.slow
def test_killed_at_any_time_it_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    contents = [GOOD + b"x = %d\n" % number * 2000 for number in range(40)]
    shards = [make_shard(tmp_path / "raw" / f"shard-{n}.parquet", contents) for n in range(6)]
    program = tmp_path / "program.py"
    program.write_text(KILLED)
    for wait_s in (1.0, 1.5, 2.0, 2.5):
        child = subprocess.Popen(
            [sys.executable, program, tmp_path],
            env={"PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        time.sleep(wait_s)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    run_signals(list_shards(tmp_path / "raw"), tmp_path / "s", STAGES, LocalPool(1))
    run(tmp_path / "whole", shards)
    files = sorted(
        p.relative_to(tmp_path / "s") for p in (tmp_path / "s").rglob("*") if p.is_file()
    )
    assert len(files) == 6 * len(NAMES)
    for file in files:
        assert (tmp_path / "s" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
