"""Runs programs apart from everything, several at once, and says what became of each.

Each worker is a fresh, warmed interpreter (eval/template.py) in namespaces of its own, from which
every program is forked under limits and a system-call filter. What this promises, and what it does
not, stands in docs/sandbox.md.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, get_args

from corpus.errors import SandboxError
from eval.confine import SCRATCH
from eval.outcome import OUTCOMES, Verdict
from eval.recipe import Isolation, ProgramLimits

ISOLATIONS: tuple[Isolation, ...] = get_args(Isolation)
_TEMPLATE = Path(__file__).with_name("template.py")
_GRACE_S = 30.0  # beyond the wall limit, which the worker keeps itself
_MAX_TRIES = 2
# Programs get this environment and no other. Hashes are fixed, so that verdicts are.
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUTF8": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TMPDIR": SCRATCH,
}


@dataclass(frozen=True, slots=True)
class Program:
    """A source to run; `key` comes back with its verdict."""

    key: str
    source: str


class Sandbox:
    """A pool of confined workers. Use as a context manager; `isolation` says what was achieved.

    Raises SandboxError if nothing as strong as `min_isolation` can be had on this machine.
    """

    def __init__(
        self,
        limits: ProgramLimits,
        *,
        workers: int | None = None,
        min_isolation: Isolation = "seccomp",
        isolation: Isolation | None = None,  # this and no other, as tests want it
    ) -> None:
        self._limits = limits
        self._count = workers or os.cpu_count() or 1
        allowed = ISOLATIONS[: ISOLATIONS.index(min_isolation) + 1]
        self._wanted = (isolation,) if isolation else allowed
        self._workers: list[_Worker] = []
        self.isolation: Isolation = self._wanted[0]
        self.refusals: list[str] = []  # why no stronger isolation was to be had

    def __enter__(self) -> Sandbox:
        for isolation in self._wanted:
            worker = _Worker(isolation, self._limits)
            refusal = worker.start()
            if refusal is None:
                self.isolation = isolation
                self._workers.append(worker)
                return self
            worker.stop()
            self.refusals.append(f"{isolation}: {refusal}")
        reasons = "; ".join(self.refusals)
        raise SandboxError(f"programs can't be confined on this machine ({reasons})")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.stop()
        self._workers.clear()

    def run(self, programs: Iterable[Program]) -> Iterator[tuple[str, Verdict]]:
        """Run every program; keys and verdicts, as they come. Raises SandboxError."""
        source = iter(programs)
        again: deque[_Job] = deque()
        with selectors.DefaultSelector() as selector:
            while self._hand_out(source, again):
                busy = [worker for worker in self._workers if worker.job]
                _wait(selector, busy)
                for worker in busy:
                    yield from self._collect(worker, again)

    def _hand_out(self, source: Iterator[Program], again: deque[_Job]) -> bool:
        """Give each idle worker a program; whether any program is running."""
        for index in range(self._count):
            if index < len(self._workers) and self._workers[index].job:
                continue
            job = again.popleft() if again else _next_job(source)
            if job is None:
                break
            self._worker(index).give(job)
        return any(worker.job for worker in self._workers)

    def _worker(self, index: int) -> _Worker:
        """The worker at `index`, started if there is none: few programs need few workers."""
        if index < len(self._workers):
            return self._workers[index]
        worker = _Worker(self.isolation, self._limits)
        if (refusal := worker.start()) is not None:
            raise SandboxError(f"a worker could not be started: {refusal}")
        self._workers.append(worker)
        return worker

    def _collect(self, worker: _Worker, again: deque[_Job]) -> Iterator[tuple[str, Verdict]]:
        job = worker.job
        assert job is not None
        state, answer = worker.poll()
        if state == "working":
            return
        if state == "answered":
            yield job.program.key, verdict_of(answer)
            return
        worker.stop()
        self._workers.remove(worker)
        if job.tries < _MAX_TRIES:
            again.append(job)
        else:
            yield job.program.key, Verdict("killed", f"its worker {state}, twice")


def verdict_of(answer: dict[str, Any]) -> Verdict:
    """A worker's answer as a verdict. Raises SandboxError if the program was not confined."""
    if answer["outcome"] not in OUTCOMES:
        raise SandboxError(f"a program could not be confined: {answer['detail']}")
    return Verdict(answer["outcome"], answer["detail"], answer["cpu_s"])


@dataclass(slots=True)
class _Job:
    program: Program
    tries: int = 0


def _next_job(source: Iterator[Program]) -> _Job | None:
    program = next(source, None)
    return None if program is None else _Job(program)


def _wait(selector: selectors.BaseSelector, busy: list[_Worker]) -> None:
    for worker in busy:
        selector.register(worker.answers, selectors.EVENT_READ)
    selector.select(max(0.0, min(worker.deadline for worker in busy) - time.monotonic()))
    for worker in busy:
        selector.unregister(worker.answers)


class _Worker:
    """One template process: its pipes, and the program that it is at."""

    def __init__(self, isolation: Isolation, limits: ProgramLimits) -> None:
        self.job: _Job | None = None
        self.deadline = 0.0
        self._limits = limits
        self._settings = {
            "isolation": isolation,
            "cpu_s": limits.cpu_s,
            "wall_s": limits.wall_s,
            "memory_bytes": limits.memory_bytes,
            "disk_bytes": limits.disk_bytes,
        }
        self._unread = b""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def answers(self) -> int:
        """The descriptor that becomes readable when the worker has something to say."""
        assert self._process is not None and self._process.stdout is not None
        return self._process.stdout.fileno()

    def start(self) -> str | None:
        """Start the interpreter; None, or why it can't be confined as wanted."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-s", str(_TEMPLATE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        self._send(self._settings)
        self.deadline = time.monotonic() + _GRACE_S
        with selectors.DefaultSelector() as selector:
            while True:
                _wait(selector, [self])
                state, answer = self.poll()
                if state == "answered":
                    return answer.get("failed")
                if state != "working":
                    return f"the worker {state} at its start"

    def give(self, job: _Job) -> None:
        """Let the worker run a program."""
        job.tries += 1
        self.job = job
        self.deadline = time.monotonic() + self._limits.wall_s + _GRACE_S
        self._send({"source": job.program.source})

    def poll(self) -> tuple[str, dict[str, Any]]:
        """`answered` and the answer, `working`, or how the worker was lost; never blocks."""
        if time.monotonic() > self.deadline:
            return "stopped answering", {}
        os.set_blocking(self.answers, False)
        try:
            part = os.read(self.answers, 1 << 16)
        except BlockingIOError:
            return "working", {}
        self._unread += part
        if not part:
            return "died", {}
        if not self._unread.endswith(b"\n"):
            return "working", {}
        answer = json.loads(self._unread)
        self._unread = b""
        self.job = None
        return "answered", answer

    def stop(self) -> None:
        """End the worker and with it whatever it runs."""
        process = self._process
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
            process.wait()

    def _send(self, value: dict[str, Any]) -> None:
        assert self._process is not None and self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # a dead worker shows when it is polled
            self._process.stdin.write(json.dumps(value).encode() + b"\n")
            self._process.stdin.flush()
