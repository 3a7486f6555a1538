import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clean.compiled.kernel import KERNELS
from clean.compiled.marks import mark
from clean.compiled.warm import warm
from corpus.events import Event

ROOT = Path(__file__).parents[3]
PROGRAM = """
import numpy as np
from clean.compiled.marks import mark
from clean.compiled.warm import warm
warm(lambda event: print(event.text))
marks = np.empty(5, np.uint8)
mark(np.frombuffer(b"x '#'", np.uint8), marks)
print(marks.tolist())
"""
NOTICE = "compiling kernels, once for this machine"


def run(folder: Path, program: str = PROGRAM) -> list[str]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert not done.stderr
    return done.stdout.splitlines()


def test_kernels_are_compiled_once_and_kept(tmp_path: Path) -> None:
    notice, marks = run(tmp_path / "code")
    assert notice.startswith(NOTICE)
    assert marks == "[0, 0, 1, 1, 1]"
    assert run(tmp_path / "code") == [marks]
    for path in (tmp_path / "code").rglob("*.nb?"):
        path.write_bytes(b"")  # as a machine that lost its power may leave them
    assert run(tmp_path / "code") == [notice, marks]


def test_only_what_is_missing_is_compiled(tmp_path: Path) -> None:
    program = PROGRAM.replace("warm", "compile_missing").replace(".compile_missing ", ".warm ")
    program += "from clean.compiled.kernel import KERNELS\nprint([k.is_ready for k in KERNELS])\n"
    notice, marks, ready = run(tmp_path / "code", program)
    assert notice.startswith(NOTICE)
    assert "False" not in ready
    again = run(tmp_path / "code", program)
    assert again[0] == marks
    assert again[1].count("True") == 1  # `mark`, which was called
    assert again[1].count("False") == ready.count("True") - 1


def test_without_a_folder_each_process_compiles(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    notice, marks = run(blocked)
    assert "can't be kept" in notice
    assert marks == "[0, 0, 1, 1, 1]"


def test_warming_again_does_nothing() -> None:
    warm()
    events: list[Event] = []
    warm(events.append)
    assert events == []
    assert all(kernel.is_ready for kernel in KERNELS)


def test_a_call_with_other_types_never_compiles() -> None:
    with pytest.raises(TypeError, match="No matching definition"):
        mark(np.zeros(3, np.int64), np.zeros(3, np.uint8))
    with pytest.raises(TypeError, match="No matching definition"):
        mark(np.zeros(6, np.uint8)[::2], np.zeros(3, np.uint8))
