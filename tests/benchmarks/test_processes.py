import sys

import pytest

from benchmarks.processes import descendants, run_measured
from corpus.errors import WorkerError

_BUSY = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"


def test_children_count_as_the_command_itself() -> None:
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_BUSY!r}])"
    usage = run_measured([sys.executable, "-c", child])
    assert usage.cpu_s >= 0.3
    assert usage.wall_s > 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux accounts for shared pages")
def test_the_peak_covers_a_child_that_is_gone_at_the_end() -> None:
    child = "b = bytearray(80_000_000); import time; time.sleep(0.6)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    usage = run_measured([sys.executable, "-c", code])
    assert usage.peak_bytes > 80_000_000
    assert usage.peak_bytes >= usage.peak_private_bytes > 80_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans over")
def test_a_child_that_nobody_waited_for_counts_too() -> None:
    child = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {_BUSY!r}])"
    assert run_measured([sys.executable, "-c", child]).cpu_s >= 0.3


def test_a_command_that_fails_says_its_last_words() -> None:
    with pytest.raises(WorkerError, match=r"exit code 3.*no such luck"):
        run_measured([sys.executable, "-c", "import sys; print('no such luck'); sys.exit(3)"])


def test_descendants_are_found_at_any_depth() -> None:
    tree = {1: [2, 3], 2: [4], 4: [5]}
    assert sorted(descendants(1, lambda pid: tree.get(pid, []))) == [2, 3, 4, 5]
