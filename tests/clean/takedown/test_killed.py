"""A takedown that is killed at any point is finished by the same command, with the same bytes."""

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clean.recipe import CleanRecipe, DedupRecipe, SplitRecipe
from clean.run import run_clean
from clean.takedown.stage import plan_takedown, take_down
from corpus.layout import RunFolder
from corpus.manifest import Manifest, file_entry, write_manifest

ROOT = Path(__file__).parents[3]
NEAR = CleanRecipe(dedup=DedupRecipe(near=True), split=SplitRecipe(validation_share=0.3))
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

from clean.recipe import CleanRecipe, DedupRecipe, SplitRecipe
from clean.takedown.stage import plan_takedown, take_down
from corpus.engine import Done
from corpus.layout import RunFolder

class Inline:
    def enter(self, row):
        pass

    def run(self, work, units):
        for unit in units:
            yield Done(unit, work(unit, self))

NEAR = CleanRecipe(dedup=DedupRecipe(near=True), split=SplitRecipe(validation_share=0.3))
folder = RunFolder(Path(sys.argv[1]))
plan = plan_takedown(folder, ["owner/repo1"], date="2024-01-01")
take_down(folder, NEAR, plan, seed=1, engine=Inline())
print(count)
"""


@pytest.fixture
def source(tmp_path, write_raw, good_code, engine) -> Path:
    documents = [
        {"content": good_code(n % 5), "path": f"{n}.py", "repo_id": n % 4, "stars": 4 - n % 4}
        for n in range(12)
    ]
    write_raw(tmp_path / "source" / "raw", documents, shards=3)
    folder = RunFolder(tmp_path / "source")
    run_clean(folder, NEAR, seed=1, engine=engine)
    folder.tokens.mkdir()
    corpus = next(iter(sorted(folder.clean.rglob("*.parquet"))))
    made = Manifest(stage="pack", parameters={}, inputs=(file_entry(corpus, folder.tokens),))
    write_manifest(folder.tokens, made)
    return tmp_path / "source"


def start(tmp_path: Path, folder: Path, kill_at: int) -> subprocess.Popen:
    driver = tmp_path / "driver.py"
    driver.write_text(_DRIVER)
    command = [sys.executable, str(driver), str(folder), str(kill_at)]
    return subprocess.Popen(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdout=-1, text=True)


def result(folder: Path) -> dict[str, bytes]:
    """Every file of the run but the manifest that tells the time."""
    files = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    return {name: p.read_bytes() for name, p in files.items() if name != "clean/manifest.json"}


def reference(tmp_path: Path, source: Path) -> tuple[dict[str, bytes], int]:
    folder = tmp_path / "whole"
    shutil.copytree(source, folder)
    process = start(tmp_path, folder, 0)
    output, _ = process.communicate()
    assert process.returncode == 0
    return result(folder), int(output)


def kill_and_repeat(tmp_path, source, engine, expected, kill_at: int) -> None:
    folder = tmp_path / f"killed{kill_at}"
    shutil.copytree(source, folder)
    process = start(tmp_path, folder, kill_at)
    process.communicate()
    assert process.returncode == -9
    plan = plan_takedown(RunFolder(folder), ["owner/repo1"], date="2024-01-01")
    take_down(RunFolder(folder), NEAR, plan, seed=1, engine=engine)
    assert result(folder) == expected
    shutil.rmtree(folder)


def test_killed_at_three_random_points(tmp_path, source, engine):
    expected, operations = reference(tmp_path, source)
    for third, kill_at in enumerate(random.Random(5).sample(range(operations // 3), 3)):
        place = 1 + kill_at + third * (operations // 3)
        kill_and_repeat(tmp_path, source, engine, expected, place)


@pytest.mark.slow
def test_killed_at_every_point(tmp_path, source, engine):
    expected, operations = reference(tmp_path, source)
    for kill_at in range(1, operations + 1):
        kill_and_repeat(tmp_path, source, engine, expected, kill_at)
