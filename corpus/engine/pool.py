"""The local engine: worker processes that may crash, hang or run out of memory.

Each row has a CPU-time limit kept by the kernel (an interval timer whose signal kills), so that a
parser that never returns to Python is stopped too; a wall-clock guard around the whole unit
catches what sleeps. The row that was being worked on stands in a file that both sides map.

Workers are forks of one small server process that has imported what they need and has no threads
(multiprocessing's forkserver): a worker, and one more after a crash, starts in milliseconds.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import resource
import signal
import struct
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, TimeoutError, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import pebble

from corpus.engine import Done, LossReason, Lost, Unit, Work
from corpus.errors import PycodegptError, WorkerError
from corpus.files import named_errors

R = TypeVar("R")
_SLOT = struct.Struct("<q")
_NO_ROW = -1
# Arrow's own allocator reserves a gigabyte at once, all of which counts for a worker's limit; and
# threads that a library starts when it is imported have no place in a process that forks.
_SERVER_ENVIRONMENT = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OPENBLAS_NUM_THREADS": "1"}
_MAX_STARTUP_FAILURES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one row may cost before it is given up."""

    row_cpu_s: float = 10.0
    unit_wall_s: float = 600.0
    worker_bytes: int = 3 << 30


class LocalPool:
    """The engine that runs on this machine's cores. See `corpus.engine.Engine`."""

    def __init__(
        self,
        workers: int | None = None,
        limits: Limits | None = None,
        *,
        scratch: Path | None = None,  # where a few bytes lie; off: the system's folder for such
        preload: Sequence[str] = (),  # modules that are imported once for all workers
    ) -> None:
        self.workers = workers or os.cpu_count() or 1
        self.limits = limits or Limits()
        self.scratch = scratch
        self.preload = tuple(preload)

    def run(self, work: Work[R], units: Iterable[Unit]) -> Iterator[Done[R] | Lost]:
        """Yield outcomes as they come. Raises WorkerError if workers die before any row."""
        with _pool_folder(self.scratch) as folder, _server_environment():
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(list(self.preload))  # counts where none runs yet
            yield from _Run(work, units, self.workers, self.limits, Path(folder)).outcomes()


def _pool_folder(scratch: Path | None) -> tempfile.TemporaryDirectory[str]:
    if scratch is not None:
        with named_errors(scratch):
            scratch.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="pycodegpt-pool-", dir=scratch)


@contextmanager
def _server_environment() -> Iterator[None]:
    """Set what the server process inherits when the first worker is asked for."""
    before = {name: os.environ.get(name) for name in _SERVER_ENVIRONMENT}
    os.environ.update(_SERVER_ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class _Run(Generic[R]):
    """One call of `LocalPool.run`: the units still to do and those in flight."""

    def __init__(
        self, work: Work[R], units: Iterable[Unit], workers: int, limits: Limits, folder: Path
    ) -> None:
        self._work, self._limits = work, limits
        self._units = iter(units)
        self._again: deque[Unit] = deque()
        self._max_in_flight = 2 * workers
        self._slots = _Slots(folder / "rows", self._max_in_flight)
        self._in_flight: dict[Future[R], tuple[Unit, int]] = {}
        self._startup_failures = 0
        self._pool = pebble.ProcessPool(
            max_workers=workers,
            initializer=_prepare_worker,
            initargs=(limits.worker_bytes, str(folder / "errors")),
            context=multiprocessing.get_context("forkserver"),
        )

    def outcomes(self) -> Iterator[Done[R] | Lost]:
        try:
            while self._submit():
                finished, _ = wait(self._in_flight, return_when=FIRST_COMPLETED)
                for future in finished:
                    unit, slot = self._in_flight.pop(future)
                    row = self._slots.give_back(slot)
                    yield from self._settle(future, unit, row)
        finally:
            self._pool.stop()
            self._pool.join()
            self._slots.close()

    def _submit(self) -> bool:
        """Fill the queue; whether anything is in flight."""
        while len(self._in_flight) < self._max_in_flight:
            unit = self._again.popleft() if self._again else next(self._units, None)
            if unit is None:
                break
            slot = self._slots.take()
            call = (self._work, unit, str(self._slots.path), slot, self._limits.row_cpu_s)
            future = self._pool.schedule(_run_unit, args=call, timeout=self._limits.unit_wall_s)
            self._in_flight[future] = (unit, slot)
        return bool(self._in_flight)

    def _settle(self, future: Future[R], unit: Unit, row: int) -> Iterator[Done[R] | Lost]:
        try:
            yield Done(unit, future.result())
            return
        except PycodegptError:
            raise  # a damaged shard or a full disk is no row's fault
        except Exception as error:  # whatever a worker can die of
            reason, detail = _loss(error)
        if row == _NO_ROW:
            self._count_startup_failure(unit, detail)
            self._again.append(unit)
        elif unit.stop - unit.start == 1:
            yield Lost(unit, reason, detail)
        else:
            self._again.extend(split_around(unit, row))

    def _count_startup_failure(self, unit: Unit, detail: str) -> None:
        self._startup_failures += 1
        if self._startup_failures > _MAX_STARTUP_FAILURES:
            raise WorkerError(f"{unit}: workers fail before they reach a row: {detail}")


def split_around(unit: Unit, row: int) -> list[Unit]:
    """The unit as up to three: what came before `row`, `row` alone, and what comes after."""
    bounds = [(unit.start, row), (row, row + 1), (row + 1, unit.stop)]
    return [Unit(unit.shard, start, stop) for start, stop in bounds if start < stop]


def _loss(error: Exception) -> tuple[LossReason, str]:
    """Why a unit failed, from what its future raised."""
    if isinstance(error, TimeoutError):
        return "timeout", "no answer within the wall-clock guard"
    if isinstance(error, MemoryError):
        return "memory", "out of memory"
    if isinstance(error, pebble.ProcessExpired):
        code = error.exitcode
        if code == -signal.SIGPROF:
            return "timeout", "over the CPU-time limit"
        if code == -signal.SIGKILL:
            return "memory", "killed, as the kernel does when memory runs out"
        return "crash", f"the worker died with {_exit_name(code)}"
    return "error", f"{type(error).__name__}: {error}"


def _exit_name(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


class _Slots:
    """A small mapped file: for each unit in flight, the row that is being worked on."""

    def __init__(self, path: Path, count: int) -> None:
        self.path = path
        path.write_bytes(_SLOT.pack(_NO_ROW) * count)
        self._rows = _map(path)
        self._free = list(range(count))

    def take(self) -> int:
        slot = self._free.pop()
        _SLOT.pack_into(self._rows, slot * _SLOT.size, _NO_ROW)
        return slot

    def give_back(self, slot: int) -> int:
        """Free the slot; the row that stood in it, or `_NO_ROW`."""
        self._free.append(slot)
        (row,) = _SLOT.unpack_from(self._rows, slot * _SLOT.size)
        return int(row)

    def close(self) -> None:
        self._rows.close()


def _map(path: Path) -> mmap.mmap:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)


class _RowClock:
    """The worker's side of the guard: marks the row, and sets its CPU-time limit anew."""

    def __init__(self, rows: mmap.mmap, slot: int, row_cpu_s: float) -> None:
        self._rows, self._offset, self._row_cpu_s = rows, slot * _SLOT.size, row_cpu_s

    def enter(self, row: int) -> None:
        _SLOT.pack_into(self._rows, self._offset, row)
        signal.setitimer(signal.ITIMER_PROF, self._row_cpu_s)


def _run_unit(work: Work[R], unit: Unit, rows_path: str, slot: int, row_cpu_s: float) -> R:
    """Run in a worker. The kernel's default action for SIGPROF ends the process."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    rows = _map(Path(rows_path))
    try:
        return work(unit, _RowClock(rows, slot, row_cpu_s))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        rows.close()


def _prepare_worker(max_bytes: int, errors: str) -> None:
    """Cap the worker's writable memory, and keep the terminal and Ctrl-C for the parent.

    What a library prints before it aborts goes into the file `errors`: the parent tells the reason.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Path(errors).open("ab") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        max_bytes = min(max_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (max_bytes, hard))
