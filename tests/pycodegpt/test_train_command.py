import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from corpus.manifest import Manifest, file_entry, write_manifest
from corpus.recipe import read_recipe
from corpus.schema import CLEANED
from corpus.shards import write_shard
from pycodegpt.__main__ import run
from pycodegpt.recipe import Recipe
from train.recipe import TrainRecipe

RECIPE = """
run = "{run}"

[train.tokenizer]
vocab_size = 300

[train.model]
layers = 2
width = 16
heads = 2
context = 16
window = 4

[train.schedule]
warmup_steps = 2

[train.loop]
steps = {steps}
batch_windows = 4
eval_every_steps = 4
eval_windows = 4
save_every_steps = 3
device = "cpu"
"""
ROOT = Path(__file__).parents[2]
# Tiny tensors gain nothing from threads, and on a busy machine waiting for them costs minutes.
torch.set_num_threads(1)
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def write_clean(clean: Path) -> None:
    paths = []
    for number, split in enumerate(("train", "validation", "test")):
        texts = [
            f"def name_{i}(value):\n    if value > {i * 7}:\n        return {i}\n    return None\n"
            for i in range(number, 30, number + 1)
        ]
        rows = [
            {
                "text": text,
                "repo_id": number,
                "repo": "owner/name",
                "commit": "0" * 40,
                "path": f"{row}.py",
                "blob_id": "0" * 40,
                "license": None,
                "stars": 0,
                "source_shard": "shard-00000.parquet",
                "source_row": row,
            }
            for row, text in enumerate(texts)
        ]
        paths.append(clean / split / "shard-00000.parquet")
        with write_shard(paths[-1], CLEANED) as writer:
            writer.write(pa.Table.from_pylist(rows, CLEANED))
    entries = tuple(file_entry(path, clean) for path in paths)
    write_manifest(clean, Manifest(stage="clean", parameters={}, outputs=entries))


def make(folder: Path, steps: int = 8) -> str:
    write_clean(folder / "run" / "clean")
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE.format(run=folder / "run", steps=steps))
    return str(recipe)


def test_the_four_parts_one_by_one_and_all_at_once(tmp_path: Path, capsys) -> None:
    recipe = make(tmp_path)
    summaries = {}
    for part in ("tokenizer", "pack", "loop", "export", "run"):
        assert run(["train", part, "-r", recipe, "--json"]) == 0
        output = capsys.readouterr()
        summaries[part] = json.loads(output.out)  # and nothing but JSON
    assert "model: up to date, 8 steps" in output.err
    assert summaries["tokenizer"]["vocab_size"] == 300
    assert summaries["pack"]["splits"]["train"]["documents"] == 30
    assert summaries["loop"]["step"] == 8
    assert summaries["run"] == summaries["export"]
    assert summaries["run"]["tokens_seen"] == 8 * 4 * 16
    assert set(summaries["run"]["held_out"]) == {"validation", "test"}


def test_people_get_a_few_lines(tmp_path: Path, capsys) -> None:
    assert run(["train", "run", "-r", make(tmp_path)]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{tmp_path}/run/model: 0.01M parameters, 8 steps, 512 tokens")
    assert [line.split(":")[0].strip() for line in rest] == ["train", "validation", "test"]
    assert rest[-1].endswith("bits per byte")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("run", "run the clean stage first"),
        ("tokenizer", "run the clean stage first"),
        ("pack", "train one first"),
        ("loop", "run `pycodegpt train pack` first"),
        ("export", "run `pycodegpt train pack` first"),
    ],
)
def test_out_of_order_is_one_line(tmp_path: Path, capsys, part: str, message: str) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.format(run=tmp_path / "run", steps=8))
    assert run(["train", part, "-r", str(recipe)]) == 1
    output = capsys.readouterr()
    assert not output.out
    assert output.err.count("\n") == 1
    assert message in output.err


def test_another_recipe_on_old_checkpoints_needs_restart(tmp_path: Path, capsys) -> None:
    recipe = make(tmp_path)
    assert run(["train", "run", "-r", recipe]) == 0
    wider = ["train", "run", "-r", recipe, "--set", "train.model.width=24"]
    capsys.readouterr()
    assert run(wider) == 1
    assert "model.width is 16 there and 24 now" in capsys.readouterr().err
    assert run([*wider, "--restart"]) == 0


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("train.loop.step=3", "did you mean 'steps'?"),
        ("train.loop.steps=0", "steps must be at least 1, not 0"),
        ("train.model.heads=5", "width must be a multiple of heads: 16 / 5"),
        ("train.optimizer.beta2=1.0", "beta2 must be in [0, 1), not 1.0"),
        ("train.optimizer.learning_rate=nan", "learning_rate must be at least 0, not nan"),
        ("train.optimizer.max_grad_norm=0", "max_grad_norm must be above 0"),
        ("train.schedule.final_fraction=2", "final_fraction must be in [0, 1]"),
        ("train.loop.device=tpu", "must be one of 'auto', 'cpu', 'cuda'"),
    ],
)
def test_a_bad_value_names_its_key(tmp_path: Path, capsys, key: str, message: str) -> None:
    assert run(["train", "run", "-r", make(tmp_path), "--set", key]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "train." in error


def test_the_published_recipe_is_the_default_to_the_letter() -> None:
    """REFERENCE: 12 layers, 768, 12 heads, 1,024; AdamW; 480K tokens a step, 200K steps."""
    published = read_recipe(ROOT / "recipes" / "pycodegpt-110m.toml", Recipe).train
    default = TrainRecipe()
    assert published.tokenizer == default.tokenizer
    assert published.model == default.model
    assert published.optimizer == default.optimizer
    assert published.schedule == default.schedule
    assert published.loop.steps == default.loop.steps == 200_000
    assert published.loop.batch_windows * published.model.context == 491_520
    assert (published.model.layers, published.model.width) == (12, 768)


def command(recipe: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "pycodegpt", "train", "run", "-r", recipe, *options]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.slow
def test_a_signal_saves_and_leaves_with_its_code(tmp_path: Path, number: int, code: int) -> None:
    recipe = make(tmp_path, steps=100_000)
    checkpoints = tmp_path / "run" / "checkpoints"
    with subprocess.Popen(
        command(recipe), cwd=ROOT, env=ONE_THREAD, stderr=subprocess.PIPE, text=True
    ) as process:
        while not list(checkpoints.glob("step-*[0-9]")):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        _, error = process.communicate()
    assert process.returncode == code
    assert "saved step" in error
    assert "Traceback" not in error


@pytest.mark.slow
def test_killed_anywhere_it_ends_in_the_same_bytes(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole", steps=60)
    subprocess.run(command(whole), cwd=ROOT, env=ONE_THREAD, check=True, capture_output=True)
    recipe = make(tmp_path / "cut", steps=60)
    dice = random.Random(2)
    for _ in range(10):
        with subprocess.Popen(
            command(recipe), cwd=ROOT, env=ONE_THREAD, stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(dice.uniform(1.0, 8.0))
            os.kill(process.pid, signal.SIGKILL)
    subprocess.run(command(recipe), cwd=ROOT, env=ONE_THREAD, check=True, capture_output=True)
    files = ["model.safetensors", "config.json", "tokenizer.json", "generation_config.json"]
    for name in files:
        cut, expected = (tmp_path / which / "run" / "model" / name for which in ("cut", "whole"))
        assert cut.read_bytes() == expected.read_bytes()
