import os
import signal
import time
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.engine import Done, Guard, Lost, Unit, gather_shards, units_of
from corpus.engine.pool import Limits, LocalPool, split_around
from corpus.errors import FileError, WorkerError
from corpus.shards import Shard, open_shard, read_rows, write_shard

ROWS = 60
LIMITS = Limits(row_cpu_s=0.5, unit_wall_s=8, worker_bytes=1 << 30)
BAD = {7: "crash", 20: "timeout", 33: "memory", 34: "error", 50: "crash"}


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    with write_shard(tmp_path / "s.parquet", pa.schema([("path", pa.string())])) as writer:
        writer.write(pa.table({"path": [str(i) for i in range(ROWS)]}))
    return open_shard(tmp_path / "s.parquet")


def hostile(unit: Unit, guard: Guard) -> pa.Table:
    """Number the rows, except for those that break the worker in one way each."""
    numbers = []
    for row in range(unit.start, unit.stop):
        guard.enter(row)
        match row:
            case 7:
                os.abort()
            case 20:
                while True:
                    pass
            case 33:
                bytearray(8 << 30)
            case 34:
                raise ValueError("no")
            case 50:
                os.kill(os.getpid(), signal.SIGSEGV)
        numbers.append(row)
    return pa.table({"row": pa.array(numbers, pa.int64())})


def sleeper(unit: Unit, guard: Guard) -> pa.Table:
    for row in range(unit.start, unit.stop):
        guard.enter(row)
        if row == 3:
            time.sleep(600)
    return pa.table({"row": pa.array(range(unit.start, unit.stop), pa.int64())})


def dies_before_any_row(unit: Unit, guard: Guard) -> None:
    os._exit(3)


def finds_a_damaged_file(unit: Unit, guard: Guard) -> None:
    raise FileError(unit.shard.path, "damaged")


def prints_and_aborts(unit: Unit, guard: Guard) -> None:
    guard.enter(unit.start)
    os.write(2, b"a backtrace of forty lines")
    os.abort()


def reads_more_than_it_may(unit: Unit, guard: Guard) -> int:
    guard.enter(unit.start)
    return int(read_rows(unit.shard).num_rows)


def fills_most_of_its_memory(unit: Unit, guard: Guard) -> int:
    guard.enter(unit.start)
    return len(pa.array([1]).buffers()) + len(bytearray(500 << 20))


def missing(lost: Lost) -> pa.Table:
    return pa.table({"row": pa.array([None], pa.int64())})


def test_a_bad_row_costs_itself_and_no_other(shard: Shard) -> None:
    outcomes = list(LocalPool(2, LIMITS).run(hostile, units_of(shard, max_rows=25)))
    lost = {o.unit.start: o.reason for o in outcomes if isinstance(o, Lost)}
    assert lost == BAD
    ((_, table),) = gather_shards(outcomes, missing)
    assert table["row"].to_pylist() == [None if i in BAD else i for i in range(ROWS)]


def test_a_sleeping_row_is_given_up_by_the_wall_clock(shard: Shard) -> None:
    limits = Limits(row_cpu_s=0.5, unit_wall_s=2)
    outcomes = list(LocalPool(1, limits).run(sleeper, [Unit(shard, 0, 6)]))
    assert [(o.unit.start, o.reason) for o in outcomes if isinstance(o, Lost)] == [(3, "timeout")]
    assert sum(o.value.num_rows for o in outcomes if isinstance(o, Done)) == 5


def test_workers_that_never_reach_a_row_end_the_run(shard: Shard) -> None:
    with pytest.raises(WorkerError, match=r"s\.parquet.* fail before they reach a row"):
        list(LocalPool(1, LIMITS).run(dies_before_any_row, [Unit(shard, 0, 2)]))


def test_our_own_errors_pass_through_and_are_no_rows_fault(shard: Shard) -> None:
    with pytest.raises(FileError, match=r"s\.parquet: damaged") as caught:
        list(LocalPool(1, LIMITS).run(finds_a_damaged_file, [Unit(shard, 0, 2)]))
    assert caught.value.path == shard.path


@given(st.integers(0, 50), st.integers(1, 50), st.data())
def test_splitting_loses_no_row_and_isolates_the_bad_one(
    start: int, length: int, data: st.DataObject
) -> None:
    shard = Shard(Path("s"), 100, (100,), "", {})
    row = data.draw(st.integers(start, start + length - 1))
    parts = split_around(Unit(shard, start, start + length), row)
    assert [r for p in parts for r in range(p.start, p.stop)] == list(range(start, start + length))
    assert Unit(shard, row, row + 1) in parts


@given(st.lists(st.integers(1, 40), max_size=6), st.integers(1, 50))
def test_units_cover_every_row_once_and_stay_in_their_row_group(
    groups: list[int], max_rows: int
) -> None:
    shard = Shard(Path("s"), sum(groups), tuple(groups), "", {})
    units = list(units_of(shard, max_rows=max_rows))
    assert [r for u in units for r in range(u.start, u.stop)] == list(range(sum(groups)))
    bounds = [sum(groups[:i]) for i in range(len(groups) + 1)]
    for unit in units:
        assert unit.stop - unit.start <= max_rows
        assert not any(unit.start < bound < unit.stop for bound in bounds)


def test_a_row_group_is_read_once_unless_there_are_few() -> None:
    many, few = (Shard(Path("s"), 1024 * n, (1024,) * n, "", {}) for n in (4, 3))
    assert [unit.stop - unit.start for unit in units_of(many)] == [1024] * 4
    assert [unit.stop - unit.start for unit in units_of(few)] == [512] * 6


def test_what_a_library_prints_before_it_aborts_stays_out_of_the_way(shard: Shard, capfd) -> None:
    (lost,) = LocalPool(1, LIMITS).run(prints_and_aborts, [Unit(shard, 0, 1)])
    assert isinstance(lost, Lost)
    assert lost.reason == "crash"
    assert capfd.readouterr().err == ""


def test_a_shard_that_needs_too_much_memory_is_not_a_damaged_one(tmp_path: Path) -> None:
    schema = pa.schema([("content", pa.binary())])
    with write_shard(tmp_path / "s.parquet", schema) as writer:
        writer.write(pa.table({"content": [bytes(300 << 20)]}))
    limits = Limits(row_cpu_s=30, worker_bytes=400 << 20)
    unit = Unit(open_shard(tmp_path / "s.parquet"), 0, 1)
    (lost,) = LocalPool(1, limits).run(reads_more_than_it_may, [unit])
    assert isinstance(lost, Lost)
    assert lost.reason == "memory"


def test_a_workers_limit_is_its_own_memory_and_no_reservation(shard: Shard) -> None:
    limits = Limits(row_cpu_s=30, worker_bytes=800 << 20)
    (done,) = LocalPool(1, limits).run(fills_most_of_its_memory, [Unit(shard, 0, 1)])
    assert isinstance(done, Done)


def test_a_pools_folder_lies_where_it_is_told_and_goes(shard: Shard, tmp_path: Path) -> None:
    scratch = tmp_path / "run" / "scratch"
    outcomes = LocalPool(1, LIMITS, scratch=scratch).run(sleeper, [Unit(shard, 0, 2)])
    next(outcomes)
    assert [path.name.startswith("pycodegpt-pool-") for path in scratch.iterdir()] == [True]
    assert list(outcomes) == []
    assert list(scratch.iterdir()) == []


def says_who_started_it(unit: Unit, guard: Guard) -> tuple[int, str | None]:
    guard.enter(unit.start)
    return os.getppid(), os.environ.get("OPENBLAS_NUM_THREADS")


def test_workers_are_forks_of_a_server_and_nothing_stays_behind(shard: Shard) -> None:
    before = dict(os.environ)
    units = [Unit(shard, 0, 1), Unit(shard, 1, 2)]
    outcomes = list(
        LocalPool(2, LIMITS, preload=["clean.signals.measure"]).run(says_who_started_it, units)
    )
    parents = {outcome.value[0] for outcome in outcomes if isinstance(outcome, Done)}
    assert len(parents) == 1
    assert parents != {os.getpid()}
    assert {outcome.value[1] for outcome in outcomes if isinstance(outcome, Done)} == {"1"}
    assert dict(os.environ) == before
