"""Near-dedup in a stated memory, whatever the number of documents."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_DRIVER = """
import sys
from pathlib import Path

from clean.compiled.warm import warm
from corpus.engine.pool import LocalPool
from tests.clean.dedup.conftest import Folder

if __name__ == "__main__":
    warm()
    folder = Folder(Path(sys.argv[1]), LocalPool(1))
    folder.index(memory_bytes=128 << 20)
    folder.decide(memory_bytes=128 << 20)
"""
_OWN_MB = 384  # what a budget sets aside for interpreter, libraries and compiled kernels
_WORKER_MB = 384


def tree(pid: int) -> list[int]:
    """A process and all that came from it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(found for child in children for found in tree(int(child)))]


def resident_mb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmRSS:"))


def peaks(process: subprocess.Popen) -> tuple[int, int]:
    """(the process, all processes together) in MB."""
    alone = together = 0
    while process.poll() is None:
        each = [resident_mb(pid) for pid in tree(process.pid)]
        alone, together = max(alone, *each[:1], 0), max(together, sum(each))
        time.sleep(0.01)
    return alone, together


def documents(count: int):
    """Small files, of which a third are near duplicates or copies of one before."""
    chance = random.Random(5)
    names = [f"{verb}_{n}" for verb in ("load", "parse", "emit", "scan") for n in range(300)]

    def line() -> str:
        target, function, value = chance.choices(names, k=3)
        return f"    {target} = {function}({value}, {chance.randrange(10**6)})"

    earlier: list[list[str]] = []
    for number in range(count):
        if earlier and chance.random() < 0.33:
            lines = list(chance.choice(earlier))
            for _ in range(chance.randrange(3)):
                lines[chance.randrange(len(lines))] = line()
        else:
            lines = [line() for _ in range(chance.randrange(8, 24))]
        earlier.append(lines)
        yield {"content": "def f():\n" + "\n".join(lines) + "\n", "path": f"{number}.py"}


@pytest.mark.slow
def test_the_budget_holds_for_many_documents(folder, write_raw):
    write_raw(folder.root / "raw", list(documents(100_000)), shards=10)
    folder.fingerprint()
    folder.judge()
    driver = folder.root / "driver.py"
    driver.write_text(_DRIVER)
    command = [sys.executable, str(driver), str(folder.root)]
    environment = {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)  # compiles what is not yet
    for name in ("bands", "near", "dedup", "edges"):
        for path in (folder.sidecars / name).rglob("*"):
            if path.is_file():
                path.unlink()
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    alone, together = peaks(process)
    assert process.returncode == 0
    assert 100 < alone < _OWN_MB + 128
    assert together < _OWN_MB + _WORKER_MB
    assert len(list((folder.sidecars / "dedup").iterdir())) == 10
