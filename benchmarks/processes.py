"""Run a command and say what it and all its descendants cost.

CPU time is the kernel's account of the command and of every child that it waited for (wait4);
children that it left to themselves, as a fork server's workers are, come to us and count too.
Memory is the sum of the tree's proportional set sizes, in which a page that several processes
share counts once, sampled while it runs; where the kernel has no such account (only Linux has),
it is the largest process's own peak.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks import ROOT
from corpus.errors import WorkerError

SAMPLE_S = 0.1
_PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)
_PRIVATE = re.compile(rb"^Pss_(?:Anon|Shmem):\s+(\d+) kB", re.MULTILINE)
_TAIL_CHARS, _OUTPUT_CHARS = 2000, 1 << 20
_PR_SET_CHILD_SUBREAPER = 36
_ORPHANS_S = 10.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command cost."""

    cpu_s: float
    wall_s: float
    peak_bytes: int  # of the whole tree, mapped files included
    peak_private_bytes: int  # without the pages of mapped files, which the kernel can drop
    output: str = ""  # the last of what it said

    def as_dict(self) -> dict[str, float]:
        """Rounded, for the JSON."""
        return {
            "cpu_s": round(self.cpu_s, 2),
            "wall_s": round(self.wall_s, 2),
            "peak_mb": round(self.peak_bytes / 1e6),
            "peak_private_mb": round(self.peak_private_bytes / 1e6),
        }


def run_measured(
    command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> Usage:
    """Run `command` to its end. Raises WorkerError with its last words if it fails."""
    with tempfile.TemporaryFile() as log:
        started, ours = time.monotonic(), frozenset(_children(os.getpid()))
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=cwd,
            env={**os.environ, **(env or {})},
        )  # fmt: skip
        sampler = _Sampler(process.pid)
        with _adopting_orphans(), _sampled(process, sampler):
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            orphans_cpu_s = _reap_orphans(ours)
        wall_s = time.monotonic() - started
        if process.returncode:
            words = f"ended with exit code {process.returncode}: {_tail(log)}"
            raise WorkerError(f"{' '.join(map(str, command))}: {words}")
        output = _tail(log, _OUTPUT_CHARS)
    # A child's own account begins with its parent's size, so it is asked only in need.
    own_peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    cpu_s = usage.ru_utime + usage.ru_stime + orphans_cpu_s
    return Usage(cpu_s, wall_s, sampler.peak or own_peak, sampler.peak_private, output)


@contextmanager
def _sampled(process: subprocess.Popen[bytes], sampler: _Sampler) -> Iterator[None]:
    """Sample during the block, and leave no process behind if the block is interrupted."""
    sampler.start()
    try:
        yield
    except BaseException:
        with suppress(ProcessLookupError):
            process.terminate()
        raise
    finally:
        sampler.stop()


@contextmanager
def _adopting_orphans() -> Iterator[None]:
    """Become the parent of descendants whose own parent ends before them (prctl(2), Linux)."""
    if sys.platform != "linux":
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _reap_orphans(ours: frozenset[int]) -> float:
    """Wait for what the command left behind, end what does not end itself; their CPU-seconds.

    `ours` are children that we had before: servers of our own, which are none of the command's.
    """
    cpu_s, deadline = 0.0, time.monotonic() + _ORPHANS_S
    while orphans := [pid for pid in _children(os.getpid()) if pid not in ours]:
        for orphan in orphans:
            with suppress(ChildProcessError):
                _, _, usage = os.wait4(orphan, os.WNOHANG)
                cpu_s += usage.ru_utime + usage.ru_stime
        if time.monotonic() > deadline:
            for orphan in (one for each in orphans for one in (each, *descendants(each))):
                with suppress(ProcessLookupError):
                    os.kill(orphan, signal.SIGKILL)
        time.sleep(0.02)
    return cpu_s


def _tail(log: IO[bytes], chars: int = _TAIL_CHARS) -> str:
    log.seek(0)
    return log.read().decode("utf-8", "replace")[-chars:].strip()


class _Sampler:
    """Follows the memory of a process and its descendants from a thread of ours."""

    def __init__(self, pid: int) -> None:
        self.peak = self.peak_private = 0
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._done.wait(SAMPLE_S):
            total, private = tree_memory(self._pid)
            self.peak = max(self.peak, total)
            self.peak_private = max(self.peak_private, private)


def tree_memory(pid: int) -> tuple[int, int]:
    """(all, private) bytes of a process and its descendants now; zeros where nobody says."""
    total = private = 0
    for member in (pid, *descendants(pid)):
        rollup = _read(Path(f"/proc/{member}/smaps_rollup"))
        total += sum(int(size) for size in _PSS.findall(rollup)) * 1024
        private += sum(int(size) for size in _PRIVATE.findall(rollup)) * 1024
    return total, private


def descendants(pid: int, children: Callable[[int], list[int]] | None = None) -> list[int]:
    """All processes below `pid`."""
    children = children or _children
    found, waiting = [], [pid]
    while waiting:
        below = children(waiting.pop())
        found += below
        waiting += below
    return found


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    with suppress(OSError):
        return [
            int(child) for task in tasks.iterdir() for child in _read(task / "children").split()
        ]
    return []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process ended meanwhile
        return b""
