"""A run that is killed at any point is taken up by the next, which ends with the same bytes."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clean.recipe import CleanRecipe, DedupRecipe, SplitRecipe, WriteRecipe
from clean.run import run_clean
from clean.write.stage import next_folder, old_folder, restore, swap
from corpus.files import ASIDE_SUFFIX
from corpus.layout import RunFolder
from corpus.manifest import FILE_NAME

ROOT = Path(__file__).parents[2]
RECIPE = CleanRecipe(
    dedup=DedupRecipe(near=True),
    split=SplitRecipe(validation_share=0.2, test_share=0.2),
    write=WriteRecipe(shard_bytes=1500),
)
# The run counts what it does to names on the disk, and dies without a word at the given count.
_DRIVER = """
import os, signal, sys

count = 0

def counted(call):
    def wrapper(*args, **kwargs):
        global count
        count += 1
        if count == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)
    return wrapper

for name in ("replace", "rename", "unlink", "rmdir", "mkdir"):
    setattr(os, name, counted(getattr(os, name)))

from pathlib import Path

from clean.recipe import CleanRecipe, DedupRecipe, SplitRecipe, WriteRecipe
from clean.run import run_clean
from corpus.engine import Done
from corpus.engine.pool import LocalPool
from corpus.layout import RunFolder

class Inline:
    def enter(self, row):
        pass

    def run(self, work, units):
        for unit in units:
            yield Done(unit, work(unit, self))

RECIPE = CleanRecipe(
    dedup=DedupRecipe(near=True),
    split=SplitRecipe(validation_share=0.2, test_share=0.2),
    write=WriteRecipe(shard_bytes=1500),
)
if __name__ == "__main__":
    engine = LocalPool(2) if sys.argv[3] == "pool" else Inline()
    run_clean(RunFolder(Path(sys.argv[1])), RECIPE, seed=1, engine=engine)
    print(count)
"""


@pytest.fixture
def driver(tmp_path) -> Path:
    path = tmp_path / "driver.py"
    path.write_text(_DRIVER)
    return path


@pytest.fixture
def raw(tmp_path, write_raw, good_code) -> Path:
    documents = [
        {"content": f"# Copyright\n{good_code(n % 9)}", "path": f"{n}.py", "repo_id": n}
        for n in range(12)
    ]
    write_raw(tmp_path / "source" / "raw", documents, shards=3)
    return tmp_path / "source" / "raw"


def start(driver: Path, folder: Path, kill_at: int, engine: str = "inline") -> subprocess.Popen:
    command = [sys.executable, str(driver), str(folder), str(kill_at), engine]
    return subprocess.Popen(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdout=-1, text=True)


def result(folder: RunFolder) -> dict[str, bytes]:
    """Every file of the run but the manifest, which tells the time."""
    files = [path for path in folder.root.rglob("*") if path.is_file()]
    found = {str(path.relative_to(folder.root)): path.read_bytes() for path in files}
    assert not [name for name in found if name.endswith(ASIDE_SUFFIX)]
    return {name: data for name, data in found.items() if name != f"clean/{FILE_NAME}"}


@pytest.fixture
def reference(tmp_path, raw, engine) -> dict[str, bytes]:
    folder = RunFolder(tmp_path / "reference")
    shutil.copytree(raw, folder.raw)
    run_clean(folder, RECIPE, seed=1, engine=engine)
    return result(folder)


def kill_and_resume(tmp_path, raw, driver, engine, reference, kill_at: int) -> None:
    folder = RunFolder(tmp_path / f"killed{kill_at}")
    shutil.copytree(raw, folder.raw)
    process = start(driver, folder.root, kill_at)
    process.communicate()
    assert process.returncode == -9
    run_clean(folder, RECIPE, seed=1, engine=engine)
    assert result(folder) == reference


def count_operations(tmp_path, raw, driver, reference) -> int:
    folder = RunFolder(tmp_path / "counted")
    shutil.copytree(raw, folder.raw)
    process = start(driver, folder.root, kill_at=0)
    output, _ = process.communicate()
    assert result(folder) == reference
    return int(output)


def test_killed_at_three_random_points(tmp_path, raw, driver, engine, reference):
    operations = count_operations(tmp_path, raw, driver, reference)
    for third, kill_at in enumerate(random.Random(7).sample(range(operations // 3), 3)):
        place = 1 + kill_at + third * (operations // 3)
        kill_and_resume(tmp_path, raw, driver, engine, reference, place)


@pytest.mark.slow
def test_killed_at_every_point(tmp_path, raw, driver, engine, reference):
    operations = count_operations(tmp_path, raw, driver, reference)
    for kill_at in range(1, operations + 1):
        kill_and_resume(tmp_path, raw, driver, engine, reference, kill_at)


@pytest.mark.slow
def test_killed_at_ten_random_moments_with_workers(tmp_path, raw, driver, reference):
    folder = RunFolder(tmp_path / "killed")
    shutil.copytree(raw, folder.raw)
    started = time.monotonic()
    whole = RunFolder(tmp_path / "whole")
    shutil.copytree(raw, whole.raw)
    start(driver, whole.root, 0, "pool").communicate()
    length_s = time.monotonic() - started
    chance = random.Random(3)
    for _ in range(10):
        process = start(driver, folder.root, 0, "pool")
        time.sleep(chance.uniform(0, length_s))
        process.kill()
        process.communicate()
    process = start(driver, folder.root, 0, "pool")
    process.communicate()
    assert process.returncode == 0
    assert result(folder) == reference


def corpus(folder: Path, content: str) -> None:
    folder.mkdir()
    (folder / FILE_NAME).write_text(content)


def test_a_change_of_folders_that_was_cut_short_is_undone_or_finished(tmp_path):
    target = tmp_path / "clean"
    corpus(old_folder(target), "old")
    corpus(next_folder(target), "new")
    restore(target)  # killed after the first of the two renames
    assert (target / FILE_NAME).read_text() == "old"
    swap(target)
    assert (target / FILE_NAME).read_text() == "new"
    corpus(old_folder(target), "old")
    restore(target)  # killed after the second
    assert (target / FILE_NAME).read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["clean"]
