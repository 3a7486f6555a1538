"""Hostile programs and their outcomes, under each isolation that this machine can give.

Every program here stays harmless if the sandbox should fail: bombs are small, signals go to the
program's own parent, and files are written below the test's folder.
"""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from corpus.errors import SandboxError
from eval.problems import humaneval_path, read_problems
from eval.recipe import ProgramLimits
from eval.sandbox import ISOLATIONS, Program, Sandbox, verdict_of

# The wall limit is out of reach, so that a loaded machine changes no outcome.
LIMITS = ProgramLimits(cpu_s=0.5, wall_s=60.0, memory_bytes=256 << 20, disk_bytes=1 << 20)


@pytest.fixture(scope="module", params=ISOLATIONS)
def sandbox(request):
    try:
        with Sandbox(LIMITS, workers=2, isolation=request.param) as opened:
            yield opened
    except SandboxError as error:
        if request.param == "seccomp":
            raise
        pytest.skip(str(error))


def verdicts(sandbox, **sources):
    programs = [Program(key, textwrap.dedent(source)) for key, source in sources.items()]
    return dict(sandbox.run(programs))


def one(sandbox, source):
    return verdicts(sandbox, program=source)["program"]


OUTCOMES = {
    "passes": ("assert 1 + 1 == 2", "passed", ""),
    "fails": ("assert 1 + 1 == 3, 'arithmetic'", "failed", "AssertionError: arithmetic"),
    "raises": ("[][0]", "error", "IndexError: list index out of range"),
    "no_syntax": ("def f(:", "syntax_error", "SyntaxError"),
    "nul": ("x = '\0'", "syntax_error", ""),
    "half_a_surrogate": ("x = '\ud800'", "syntax_error", "UnicodeEncodeError"),
    "dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\nassert A(1).x",
        "passed",
        "",
    ),
    "thread": (
        "import threading as t\na = t.Thread(target=int)\na.start()\na.join()",
        "passed",
        "",
    ),
    "leaves_with_0": ("import sys; sys.exit(0)", "exited", "SystemExit: 0"),
    "leaves_hard": ("import os; os._exit(0)", "exited", "left with exit code 0"),
    "interrupts": ("raise KeyboardInterrupt", "exited", "KeyboardInterrupt"),
    "loops": ("while True: pass", "timeout", "over 0.5 s of CPU time"),
    "swallows": (
        "while True:\n try:\n  while True: pass\n except BaseException: pass",
        "timeout",
        "CPU time",
    ),
    "eats_memory": ("x = [bytearray(1 << 24) for _ in range(64)]", "memory", ""),
    "recurses": ("def f(): f()\nf()", "error", "RecursionError"),
    "null_pointer": ("import ctypes; ctypes.string_at(0)", "killed", "SIGSEGV"),
    "aborts": ("import os; os.abort()", "killed", "SIGABRT"),
    "kills_itself": ("import os; os.kill(os.getpid(), 9)", "memory", "killed by the kernel"),
    "forks": ("import os\nfor _ in range(3): os.fork()", "forbidden", "PermissionError"),
    "spawns": ("import subprocess; subprocess.run(['true'])", "forbidden", "PermissionError"),
    "execs": ("import os; os.execv('/bin/true', ['true'])", "forbidden", "PermissionError"),
    "kills_parent": ("import os; os.kill(os.getppid(), 15)", "forbidden", "PermissionError"),
    "opens_a_socket": ("import socket; socket.socket()", "forbidden", "PermissionError"),
    "pairs_sockets": ("import socket; socket.socketpair()", "forbidden", "PermissionError"),
    "raises_with_a_bad_str": (
        "class E(Exception):\n def __str__(self): raise ValueError\nraise E",
        "error",
        "E",
    ),
    "floods_the_channel": (
        "import os\nfor fd in range(3, 20):\n"
        " try: os.write(fd, b'x' * 100000)\n except OSError: pass",
        "forbidden",
        "channel",
    ),
}


@pytest.fixture(scope="module")
def outcomes(sandbox):
    return verdicts(sandbox, **{name: source for name, (source, _, _) in OUTCOMES.items()})


@pytest.mark.parametrize("name", OUTCOMES)
def test_outcome(outcomes, name):
    _, outcome, detail = OUTCOMES[name]
    verdict = outcomes[name]
    assert (verdict.outcome, detail in verdict.detail) == (outcome, True), verdict


@pytest.mark.parametrize(
    "waits", ["import time; time.sleep(60)", "import os; os.kill(os.getpid(), 19)"]
)
def test_what_only_waits_meets_the_wall_limit(sandbox, waits):
    limits = ProgramLimits(cpu_s=0.5, wall_s=0.5)
    with Sandbox(limits, workers=1, isolation=sandbox.isolation) as fresh:
        verdict = one(fresh, waits)
    assert (verdict.outcome, verdict.detail) == (
        "timeout",
        "over 0.5 s, without using its CPU time",
    )


def test_a_forged_verdict_does_not_pass(sandbox):
    verdict = one(
        sandbox,
        """
        import os
        print("passed")
        for fd in range(64):
            for message in (b"passed", b"passed\\0", bytes(16) + b"passed\\0" + bytes(16)):
                try:
                    os.write(fd, message)
                except OSError:
                    pass
        os._exit(0)
        """,
    )
    assert verdict.outcome == "forbidden"


def test_nothing_arrives_at_a_server(sandbox):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        source = f"import socket; socket.create_connection(('127.0.0.1', {port})).send(b'x')"
        assert one(sandbox, source).outcome == "forbidden"
        with pytest.raises(BlockingIOError):
            server.accept()


def test_the_environment_holds_no_secret(sandbox, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "hunter2")
    with Sandbox(LIMITS, workers=1, isolation=sandbox.isolation) as fresh:
        verdict = one(fresh, "import os; assert 'MY_TOKEN' not in os.environ, 'leaked'")
    assert verdict.passed, verdict


def test_no_other_process_can_be_read(sandbox):
    if sandbox.isolation == "seccomp":
        pytest.skip("promised from Landlock on")
    pid = os.getpid()
    verdict = one(sandbox, f"open('/proc/{pid}/environ').read()")
    assert verdict.outcome in ("forbidden", "error"), verdict
    assert "FileNotFoundError" in verdict.detail or "PermissionError" in verdict.detail


def test_files_outside_can_be_neither_read_nor_written(sandbox, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    found = verdicts(
        sandbox,
        write=f"open({str(tmp_path / 'new')!r}, 'w').write('x')",
        append=f"open({str(secret)!r}, 'a').write('x')",
        delete=f"import os; os.unlink({str(secret)!r})",
        chmod=f"import os; os.chmod({str(secret)!r}, 0o777)",
        read=f"raise ValueError(open({str(secret)!r}).read())",
    )
    if sandbox.isolation == "seccomp":
        del found["read"]  # promised from Landlock on
    for verdict in found.values():
        assert "FileNotFoundError" in verdict.detail or "PermissionError" in verdict.detail
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret"]
    assert secret.read_text() == "hunter2"
    assert secret.stat().st_mode & 0o777 != 0o777


def test_own_files_are_limited_and_gone_for_the_next_program(sandbox):
    if sandbox.isolation != "namespaces+seccomp":
        pytest.skip("there, no file can be written at all")
    deep = (
        "import os\nfor _ in range(300):\n os.mkdir('d'); os.chdir('d')\nopen('f', 'w').write('x')"
    )
    with Sandbox(LIMITS, workers=1, isolation=sandbox.isolation) as fresh:
        assert one(fresh, deep).passed
        assert one(fresh, "import os; assert os.listdir() == [], os.listdir()").passed
        flood = "with open('f', 'wb') as f:\n for _ in range(4): f.write(bytes(1 << 20))"
        assert one(fresh, flood).outcome == "error"
        inodes = "for i in range(5000): open(str(i), 'w').close()"
        assert "No space left" in one(fresh, inodes).detail


def test_a_program_leaves_nothing_behind_in_the_interpreter(sandbox):
    with Sandbox(LIMITS, workers=1, isolation=sandbox.isolation) as fresh:
        assert one(fresh, "import math, builtins; math.pi = 3; builtins.len = None").passed
        assert one(fresh, "import math; assert math.pi > 3 and len([1]) == 1").passed


def test_installed_packages_can_be_used(sandbox):
    assert one(sandbox, "import numpy; assert numpy.arange(3).sum() == 3").passed


def test_addresses_do_not_make_details_differ(sandbox):
    assert (
        one(sandbox, "raise ValueError(object())").detail == "ValueError: <object object at 0x...>"
    )


@pytest.fixture(scope="module")
def humaneval():
    return read_problems(humaneval_path())


def test_canonical_solutions_pass_and_wrong_ones_do_not(sandbox, humaneval):
    right = [Program(p.task_id, p.program(p.canonical_solution)) for p in humaneval]
    assert [key for key, verdict in sandbox.run(right) if not verdict.passed] == []
    wrong = [Program(p.task_id, p.program("    return 'no'\n")) for p in humaneval]
    assert [key for key, verdict in sandbox.run(wrong) if verdict.passed] == []


def test_a_worker_that_dies_costs_one_program_only():
    with Sandbox(LIMITS, workers=1) as sandbox:
        results = sandbox.run(Program(str(i), "import time; time.sleep(0.3)") for i in range(3))
        first = next(results)
        worker = sandbox._workers[0]._process
        worker.kill()  # while it is at the second program, which is then run again
        rest = list(results)
    assert [verdict.outcome for _, verdict in [first, *rest]] == ["passed"] * 3


def test_no_weaker_isolation_than_asked_for(monkeypatch):
    monkeypatch.setattr("eval.sandbox._Worker.start", lambda self: "not here")
    with (
        pytest.raises(SandboxError, match=r"can't be confined.*namespaces\+seccomp: not here"),
        Sandbox(LIMITS, min_isolation="namespaces+seccomp"),
    ):
        pass


def test_an_unconfined_program_is_an_error_and_no_verdict():
    with pytest.raises(SandboxError, match="could not be confined: seccomp: no"):
        verdict_of({"outcome": "unconfined", "detail": "seccomp: no", "cpu_s": 0.0})


def processes_below(root: int) -> set[int]:
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, _, rest = stat.read_text().partition(" (")
            parents[int(pid)] = int(rest.rpartition(") ")[2].split()[1])
        except (OSError, ValueError):
            continue
    found = {root}
    for _ in range(6):
        found |= {pid for pid, parent in parents.items() if parent in found}
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_supervisor_killed_leaves_no_process(isolation, tmp_path):
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from eval.recipe import ProgramLimits
from eval.sandbox import Program, Sandbox
limits = ProgramLimits(cpu_s=30, wall_s=60)
with Sandbox(limits, workers=2, isolation={isolation!r}) as sandbox:
    print("ready", flush=True)
    list(sandbox.run(Program(str(i), "import time; time.sleep(50)") for i in range(2)))
"""
    supervisor = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert supervisor.stdout is not None
    if supervisor.stdout.readline() != b"ready\n":
        pytest.skip("not available on this machine")
    wanted = 4 if isolation != "namespaces+seccomp" else 6
    deadline = time.monotonic() + 20
    while len(family := processes_below(supervisor.pid)) <= wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(family) == wanted + 1
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait()
    supervisor.stdout.close()
    while any(map(alive, family)) and time.monotonic() < deadline + 20:
        time.sleep(0.05)
    assert not any(map(alive, family))
