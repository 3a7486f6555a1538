"""The warmed interpreter that programs are forked from. Started by eval/sandbox.py as a script.

It gets one JSON line on standard input (how to confine), answers with what it achieved, and then
runs one program for each further line. Three processes: the outer one, which only waits; process 1
of the new namespaces, which forks, watches and judges; and the program. A program's verdict is a
message that begins and ends with a random token, so that neither leaving nor printing can pass.
"""

from __future__ import annotations

import collections
import contextlib
import gc
import importlib
import json
import os
import platform
import random
import re
import select
import signal
import sys
import time
import types
from typing import Any, NoReturn

# Started as a script with -P: the project is on the path only while these are imported.
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
sys.path.insert(0, _ROOT)
from eval import confine, seccomp  # noqa: E402

sys.path.remove(_ROOT)

_WARM = (
    "abc array bisect cmath collections copy dataclasses datetime decimal enum fractions functools "
    "hashlib heapq itertools json math operator random re statistics string textwrap typing"
)
_TOKEN_BYTES = 16
_MAX_MESSAGE_BYTES = 4096
_MAX_DETAIL_CHARS = 300
_LEAST_WAIT_S = 0.01
_CHANNEL = 3  # where a program finds the pipe of its verdict


def main() -> None:
    """Confine this interpreter as asked, then run programs until standard input ends."""
    jobs, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    lines = _Lines(jobs)
    settings = lines.next()
    if settings is None:
        return
    try:
        _confine_template(settings)
    except Exception as error:
        _answer(answers, {"failed": f"{error}"})
        return
    for name in _WARM.split():
        importlib.import_module(name)
    _answer(answers, {"ready": settings["isolation"]})
    _serve(lines, answers, settings)


def _confine_template(settings: dict[str, Any]) -> None:
    """Everything that is done once for all programs. Returns in the process that is to serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    confine.die_with_parent()
    if not seccomp.supported(platform.machine()):
        raise OSError(f"no list of system calls for {platform.machine()}")
    if settings["isolation"] == "namespaces+seccomp":
        paths = confine.python_paths()
        confine.enter_namespaces()
        if child := os.fork():
            _wait_and_leave(child)
        confine.die_with_parent()
        confine.enter_minimal_root(paths)
        confine.mount_scratch(settings["disk_bytes"])
    elif settings["isolation"] == "landlock+seccomp":
        confine.landlock(confine.python_paths())


def _wait_and_leave(child: int) -> NoReturn:
    os.closerange(3, 64)  # so that the pipes end when the child does
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _serve(lines: _Lines, answers: int, settings: dict[str, Any]) -> None:
    random.seed(0)
    gc.collect()
    gc.freeze()  # a collection in a program must not touch, and so copy, all pages
    while (job := lines.next()) is not None:
        _answer(answers, _run(job["source"], lines.descriptor, settings))
        if settings["isolation"] == "namespaces+seccomp":
            _sweep(settings)


def _sweep(settings: dict[str, Any]) -> None:
    """Nothing of a program is there for the next one: no process, no file."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)  # as process 1: all others of the namespace
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    confine.empty_scratch(settings["disk_bytes"])


def _run(source: str, jobs: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Run one program in a fork, and say what became of it."""
    token = os.urandom(_TOKEN_BYTES)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _be_the_program(source, token, writing, settings)
    os.close(writing)
    watch = _Watch(pid, reading, token, jobs)
    ended = watch.until_end(settings["cpu_s"], settings["wall_s"])
    os.kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    watch.drain()
    cpu_s = usage.ru_utime + usage.ru_stime
    outcome, detail = judge(watch.message(), bool(watch.data), ended, status, cpu_s, settings)
    # Addresses differ from run to run, and results must not.
    detail = re.sub(r"0x[0-9a-f]{6,}", "0x...", detail)
    return {"outcome": outcome, "detail": detail, "cpu_s": round(cpu_s, 4)}


def judge(
    message: tuple[str, str] | None,
    noise: bool,
    ended: str | None,
    status: int,
    cpu_s: float,
    settings: dict[str, Any],
) -> tuple[str, str]:
    """The outcome and its detail, from what was seen of a program that has ended.

    `message` is its own word, which counts only with the token; `ended` is why the watch ended it.
    """
    if message is not None:
        return message
    if ended is not None:
        return "timeout", ended
    if noise:
        return "forbidden", "wrote to the channel of the verdict"
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return "exited", f"left with exit code {code} before its tests had ended"
    if cpu_s >= settings["cpu_s"]:
        return "timeout", f"over {settings['cpu_s']:g} s of CPU time"
    name = signal.Signals(-code).name
    if name == "SIGSYS":
        return "forbidden", "a system call of another architecture"
    if name == "SIGKILL":
        return "memory", "killed by the kernel, as when memory runs out"
    return "killed", f"died of {name}"


class _Watch:
    """Waits for a program: for its verdict, its end, its limits, or the supervisor's end."""

    def __init__(self, pid: int, reading: int, token: bytes, jobs: int) -> None:
        self.data = b""
        self._pid, self._reading, self._token, self._jobs = pid, reading, token, jobs
        self._process = os.pidfd_open(pid)
        self._poll = select.poll()
        self._poll.register(reading, select.POLLIN)
        self._poll.register(self._process, select.POLLIN)
        self._poll.register(jobs, 0)  # only its hanging up is of interest

    def until_end(self, cpu_s: float, wall_s: float) -> str | None:
        """Return when the program has spoken, died, or must be killed; then why."""
        deadline = time.monotonic() + wall_s
        while (left_s := deadline - time.monotonic()) > 0:
            cpu_left_s = cpu_s - self._cpu_s()
            if cpu_left_s <= 0:
                return f"over {cpu_s:g} s of CPU time"
            wait_s = max(_LEAST_WAIT_S, min(left_s, cpu_left_s))
            for descriptor, _ in self._poll.poll(wait_s * 1000):
                if descriptor == self._jobs:
                    os._exit(1)  # the supervisor is gone, and with this process all others
                if descriptor == self._process:
                    return None
                if self._read() and self.message() is not None:
                    return None
        return f"over {wall_s:g} s, without using its CPU time"

    def drain(self) -> None:
        """Read what the program left in the pipe, and close."""
        os.set_blocking(self._reading, False)
        with contextlib.suppress(BlockingIOError):
            while self._read():
                pass
        os.close(self._reading)
        os.close(self._process)

    def message(self) -> tuple[str, str] | None:
        """The program's verdict on itself, if it is whole and bears the token at both ends."""
        token = self._token
        if not self.data.startswith(token) or not self.data.endswith(token):
            return None
        outcome, zero, detail = self.data[len(token) : -len(token)].partition(b"\0")
        return (outcome.decode(), detail.decode("utf-8", "replace")) if zero else None

    def _read(self) -> bool:
        """Read some; False when there will be no more, or too much came."""
        part = os.read(self._reading, _MAX_MESSAGE_BYTES)
        self.data = (self.data + part)[:_MAX_MESSAGE_BYTES]
        if not part:
            with contextlib.suppress(KeyError):
                self._poll.unregister(self._reading)
        return bool(part)

    def _cpu_s(self) -> float:
        # The clock id of another process's CPU time: clock_getcpuclockid(3), without /proc.
        return time.clock_gettime((~self._pid << 3) | 2)


def _be_the_program(source: str, token: bytes, writing: int, settings: dict[str, Any]) -> NoReturn:
    """Confine this fork, run the program, send its verdict, and never return."""
    write, leave = os.write, os._exit
    memory = token + b"memory\0" + token  # made while there still is memory
    try:
        os.dup2(writing, _CHANNEL)
        os.closerange(_CHANNEL + 1, 64)
        try:
            _confine_program(settings)
            message = _execute(source, token)
        except MemoryError:
            message = memory
        except BaseException as error:
            message = token + f"unconfined\0{error}".encode() + token
        write(_CHANNEL, message)
    finally:
        leave(0)


def _execute(source: str, token: bytes) -> bytes:
    """Run the program; its verdict as a message. Raises MemoryError."""
    passed = token + b"passed\0" + token
    try:
        code = compile(source, "program.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:  # ValueError: a NUL, or half a surrogate pair
        return _message(error, token, "syntax_error")
    except RecursionError as error:
        return _message(error, token)
    module = types.ModuleType("program")
    sys.modules["program"] = module
    try:
        exec(code, module.__dict__)
    except MemoryError:
        raise
    except BaseException as error:
        return _message(error, token)
    return passed


def _message(error: BaseException, token: bytes, outcome: str | None = None) -> bytes:
    name = type(error).__name__
    try:
        text = " ".join(str(error).split())[:_MAX_DETAIL_CHARS]
    except BaseException:  # an exception's __str__ may do anything
        text = ""
    detail = f"{name}: {text}" if text else name
    return token + f"{outcome or outcome_of(error)}\0{detail}".encode("utf-8", "replace") + token


def outcome_of(error: BaseException) -> str:
    """The outcome that a program's exception stands for."""
    if isinstance(error, AssertionError):
        return "failed"
    if isinstance(error, SystemExit | KeyboardInterrupt | GeneratorExit):
        return "exited"
    return "forbidden" if isinstance(error, PermissionError) else "error"


def _confine_program(settings: dict[str, Any]) -> None:
    os.setsid()
    writable = settings["isolation"] == "namespaces+seccomp"
    os.chdir(confine.SCRATCH if writable else "/")
    confine.die_with_parent()
    confine.limit_resources(
        cpu_s=settings["cpu_s"],
        memory_bytes=settings["memory_bytes"],
        disk_bytes=settings["disk_bytes"],
    )
    confine.drop_capabilities()
    program = seccomp.build_filter(platform.machine(), os.getpid(), writable=writable)
    confine.install_filter(program)


class _Lines:
    """JSON values, one a line, from a pipe."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._parts: collections.deque[bytes] = collections.deque()

    def next(self) -> Any:
        """The next value, or None at the end."""
        while not self._parts or not self._parts[-1].endswith(b"\n"):
            part = os.read(self.descriptor, 1 << 16)
            if not part:
                return None
            self._parts.append(part)
        line = b"".join(self._parts)
        self._parts.clear()
        return json.loads(line)


def _answer(descriptor: int, value: dict[str, Any]) -> None:
    data = json.dumps(value).encode() + b"\n"
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    main()
