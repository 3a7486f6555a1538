import fcntl
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from corpus.errors import FileError
from corpus.manifest import read_manifest
from eval import run as run_module
from eval.passk import PassAtK
from eval.problems import read_problems
from eval.recipe import EvalRecipe
from eval.run import best_scores, evaluate, read_row


@pytest.fixture
def recipe(problems_file):
    return EvalRecipe(
        problems=problems_file,
        samples=4,
        ks=(1, 10),
        temperatures=(0.2, 1.0),
        max_new_tokens=10,
        batch_size=3,
        workers=1,
    )


def run(recipe, model, out, **changes):
    options = {"model": model, "out": out, "seed": 1, "name": "tiny", **changes}
    return evaluate(recipe, **options)


def contents(out: Path) -> dict[str, bytes]:
    """All files but those that tell times."""
    names = ("samples.jsonl", "results.jsonl", "stamp.json", "leaderboard.md")
    files = [path for path in out.rglob("*") if path.name in names]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def test_the_manifest_tells_the_whole_story(recipe, tiny_model, tmp_path):
    evaluation = run(recipe, tiny_model, tmp_path / "eval")
    manifest = read_manifest(tmp_path / "eval", "eval")
    facts = manifest.facts
    assert manifest == evaluation.manifest
    assert sum(manifest.counts.values()) == 2 * 3 * 4
    assert (facts["problems"], facts["samples"], facts["protocol"]) == (3, 4, "standard")
    assert facts["not_reported"] == ["pass@10 needs 10 samples of each problem; there are 4"]
    assert [one["temperature"] for one in facts["runs"]] == [0.2, 1.0]
    assert 0 < facts["timing"]["new_tokens"] == sum(one["tokens"] for one in facts["runs"])
    assert facts["isolation"].endswith("seccomp")
    assert manifest.inputs[0].digest == facts["model"]["digest"]
    for entry in manifest.outputs:
        assert (tmp_path / "eval" / entry.path).stat().st_size == entry.bytes
    assert read_row(manifest) == evaluation.row
    assert "best of T 0.2, 1" in evaluation.row.how
    assert "**tiny**" in (tmp_path / "eval" / "leaderboard.md").read_text()


def test_samples_can_be_read_by_anyone(recipe, tiny_model, tmp_path):
    evaluation = run(recipe, tiny_model, tmp_path / "eval")
    lines = (evaluation.runs[0].folder / "samples.jsonl").read_text().splitlines()
    samples = [json.loads(line) for line in lines]
    assert {sample["task_id"] for sample in samples} == {
        problem.task_id for problem in read_problems(recipe.problems)
    }
    assert all(isinstance(sample["completion"], str) for sample in samples)


def test_a_rerun_does_nothing_again(recipe, tiny_model, tmp_path, monkeypatch):
    out = tmp_path / "eval"
    first = run(recipe, tiny_model, out)
    before = contents(out), (out / "manifest.json").read_bytes()

    def forbidden(*_, **__):
        raise AssertionError("sampled again")

    monkeypatch.setattr("eval.sample.decode", forbidden)
    monkeypatch.setattr("eval.sandbox._Worker.give", forbidden)
    second = run(recipe, tiny_model, out)
    assert (contents(out), (out / "manifest.json").read_bytes()) == before
    assert second.manifest == first.manifest


@pytest.mark.parametrize("change", ["seed", "top_p", "problems", "model"])
def test_what_was_made_otherwise_is_kept_apart(recipe, tiny_model, tmp_path, change):
    import shutil
    from dataclasses import replace

    from safetensors.torch import load_file, save_file

    recipe = replace(recipe, temperatures=(1.0,))
    out = tmp_path / "eval"
    first = run(recipe, tiny_model, out)
    kept = contents(first.runs[0].folder)
    model, seed = tiny_model, 1
    if change == "seed":
        seed = 2
    elif change == "top_p":
        recipe = replace(recipe, top_p=0.5)
    elif change == "problems":
        other = tmp_path / "other.jsonl"
        other.write_text(recipe.problems.read_text() + "\n")
        recipe = replace(recipe, problems=other)
    else:
        model = shutil.copytree(tiny_model, tmp_path / "other")
        weights = load_file(model / "model.safetensors")
        weights["transformer.wte.weight"] *= 1.5
        save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    second = run(recipe, model, out, seed=seed)
    assert second.runs[0].folder != first.runs[0].folder
    assert contents(first.runs[0].folder) == kept


def test_two_runs_at_once_in_a_folder_are_refused(recipe, tiny_model, tmp_path):
    out = tmp_path / "eval"
    out.mkdir()
    with (out / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(FileError, match="another run is at work in this folder"):
            run(recipe, tiny_model, out)
    run(recipe, tiny_model, out)


def test_the_best_temperature_counts_for_each_k():
    class Run:
        def __init__(self, temperature, *values):
            self.temperature = temperature
            scores = tuple(PassAtK(k, v, 0, 1) for k, v in zip((1, 10), values, strict=False))
            self.score = type("Score", (), {"pass_at": scores})

    best, at = best_scores([Run(0.2, 0.3, 0.4), Run(0.8, 0.2, 0.6), Run(0.9, 0.3, 0.6)])
    assert {k: score.value for k, score in best.items()} == {1: 0.3, 10: 0.6}
    assert at == {1: 0.2, 10: 0.8}


@pytest.mark.slow
def test_killed_anywhere_and_run_again_the_files_are_the_same(recipe, tiny_model, tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "killed"
    run(recipe, tiny_model, whole)
    script = f"""
import sys
sys.path.insert(0, {str(Path(run_module.__file__).parents[1])!r})
import torch
torch.set_num_threads(1)
from pathlib import Path
from eval import decode, sample
from eval.recipe import EvalRecipe
from eval.run import evaluate
def slowly(*rest):
    import time
    time.sleep(0.2)
    return decode.decode(*rest)
sample.decode = slowly
recipe = EvalRecipe(problems=Path({str(recipe.problems)!r}), samples=4, ks=(1, 10),
    temperatures=(0.2, 1.0), max_new_tokens=10, batch_size=3, workers=1)
print("started", flush=True)
evaluate(recipe, model=Path({str(tiny_model)!r}), out=Path({str(out)!r}), seed=1, name="tiny")
"""
    for attempt in range(6):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        files = out.rglob("samples.jsonl")
        had = sum(path.stat().st_size for path in files)
        while process.poll() is None:
            now = sum(path.stat().st_size for path in out.rglob("samples.jsonl"))
            if now > had:
                time.sleep(0.1 * attempt)
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    run(recipe, tiny_model, out)
    assert contents(out) == contents(whole)
    assert (out / "manifest.json").is_file()
