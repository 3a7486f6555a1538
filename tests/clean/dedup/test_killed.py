"""An index or a decision that is killed at any point ends, in the next run, with the same bytes."""

import dataclasses
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clean.dedup import shingling
from corpus.files import ASIDE_SUFFIX

ROOT = Path(__file__).parents[3]
# What it does to names on the disk is counted; it dies without a word at the given count.
_DRIVER = """
import os, signal, sys
from pathlib import Path

count = 0

def counted(call):
    def wrapper(*args, **kwargs):
        global count
        count += 1
        if count == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)
    return wrapper

from clean.dedup import shingling
from clean.dedup.stage import decide_duplicates
from corpus.engine import Done
from tests.clean.dedup.conftest import Folder

class Inline:
    def enter(self, row):
        pass

    def run(self, work, units):
        for unit in units:
            yield Done(unit, work(unit, self))

shingling.PART_BYTES = 1
folder = Folder(Path(sys.argv[1]), Inline())
print("ready", flush=True)
for name in ("replace", "rename", "unlink", "rmdir", "mkdir"):
    setattr(os, name, counted(getattr(os, name)))
folder.index()
folder.decide()
print(count)
"""
FOLDERS = ("bands", "near", "dedup", "edges")


@pytest.fixture
def prepared(folder, write_raw, family, monkeypatch):
    """Fingerprints and verdicts are there; the rest is to be made."""
    monkeypatch.setattr(shingling, "PART_BYTES", 1)
    documents = [document for number in range(1, 5) for document in family(number)]
    write_raw(folder.root / "raw", documents, shards=2)
    folder.fingerprint()
    folder.judge(out=["1-0-0.py"])
    (folder.root / "driver.py").write_text(_DRIVER)
    return folder


def copy_of(folder, name: str):
    copy = dataclasses.replace(folder, root=folder.root.with_name(f"{folder.root.name}-{name}"))
    shutil.copytree(folder.root, copy.root)
    return copy


def start(folder, kill_at: int) -> subprocess.Popen:
    command = [sys.executable, str(folder.root / "driver.py"), str(folder.root), str(kill_at)]
    return subprocess.Popen(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdout=-1, text=True)


def finish(folder) -> dict[str, bytes]:
    folder.index()
    folder.decide()
    left = [path for path in folder.sidecars.rglob("*") if path.name.endswith(ASIDE_SUFFIX)]
    left += folder.sidecars.glob("*.scratch")
    assert not left
    return folder.files(*FOLDERS)


def kill_and_finish(prepared, kill_at: int) -> dict[str, bytes]:
    folder = copy_of(prepared, f"killed{kill_at}")
    process = start(folder, kill_at)
    process.communicate()
    assert process.returncode == -9
    return finish(folder)


def operations(prepared) -> int:
    output, _ = start(copy_of(prepared, "counted"), 0).communicate()
    return int(output.split()[1])


def test_killed_once_in_each(prepared):
    count = operations(prepared)
    reference = finish(copy_of(prepared, "reference"))
    chance = random.Random(5)
    for third in range(2):
        half = count // 2
        assert kill_and_finish(prepared, 1 + third * half + chance.randrange(half)) == reference


@pytest.mark.slow
def test_killed_at_every_point(prepared):
    reference = finish(copy_of(prepared, "reference"))
    for kill_at in range(1, operations(prepared) + 1):
        assert kill_and_finish(prepared, kill_at) == reference


@pytest.mark.slow
def test_killed_at_ten_random_moments(prepared):
    reference = finish(copy_of(prepared, "reference"))
    folder = copy_of(prepared, "killed")
    chance = random.Random(3)
    for _ in range(10):
        process = start(folder, 0)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0, 1.0))
        process.kill()
        process.communicate()
    assert finish(folder) == reference
