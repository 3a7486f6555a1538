"""The eval commands as a user meets them: what they print, and where, and how they fail."""

import json

import pytest

from pycodegpt.__main__ import run

PROBLEM = {
    "prompt": "def add(x):\n",
    "entry_point": "add",
    "test": "def check(f):\n    assert f(1) == 3\n",
    "canonical_solution": "    return x + 2\n",
}


@pytest.fixture
def recipe(tmp_path):
    problems = tmp_path / "problems.jsonl"
    lines = [json.dumps({"task_id": f"T/{i}", **PROBLEM}) for i in range(2)]
    problems.write_text("\n".join(lines))
    path = tmp_path / "recipe.toml"
    path.write_text(f'run = "{tmp_path}/run"\n[eval]\nproblems = "{problems}"\nworkers = 1\n')
    return path


def samples(tmp_path, *completions):
    path = tmp_path / "samples.jsonl"
    lines = [
        json.dumps({"task_id": f"T/{i}", "completion": text})
        for text in completions
        for i in range(2)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_score_prints_the_result_and_writes_each_outcome(recipe, tmp_path, capsys):
    path = samples(tmp_path, "    return x + 2\n", "    return x\n")
    assert run(["eval", "score", str(path), "-r", str(recipe)]) == 0
    shown = capsys.readouterr()
    assert "4 samples of 2 problems" in shown.out
    assert "pass@1: 50.00% (95% interval" in shown.out
    assert "pass@10 needs 10 samples of each problem; there are 2: not reported" in shown.out
    assert "outcomes: 2 passed, 2 failed" in shown.out
    lines = (tmp_path / "samples.results.jsonl").read_text().splitlines()
    assert [json.loads(line)["outcome"] for line in lines] == ["passed"] * 2 + ["failed"] * 2


def test_score_as_json_is_one_value_on_standard_output(recipe, tmp_path, capsys):
    path = samples(tmp_path, "    return x + 2\n")
    assert run(["eval", "score", str(path), "-r", str(recipe), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["pass_at"][0]["value"] == 1.0
    assert value["outcomes"] == {"passed": 2}


def test_canonical_solutions_check_the_harness(recipe, capsys):
    assert run(["eval", "score", "--canonical", "-r", str(recipe)]) == 0
    assert "outcomes: 2 passed\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text, complaint",
    [
        ('{"task_id": "X", "completion": ""}', "samples.jsonl: line 1: unknown task 'X'"),
        ('{"task_id": "T/0", "completion": ""}', "no sample for 1 of 2 tasks, such as T/1"),
        ('{"task_id": "T/0", "comp', "samples.jsonl: line 1: not JSON, or cut off"),
    ],
)
def test_a_bad_samples_file_is_one_line(recipe, tmp_path, capsys, text, complaint):
    path = tmp_path / "samples.jsonl"
    path.write_text(text)
    assert run(["eval", "score", str(path), "-r", str(recipe)]) == 1
    shown = capsys.readouterr()
    assert complaint in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""


def test_partial_scores_what_is_there(recipe, tmp_path, capsys):
    path = tmp_path / "samples.jsonl"
    path.write_text('{"task_id": "T/0", "completion": "    return x + 2"}')
    assert run(["eval", "score", str(path), "-r", str(recipe), "--partial"]) == 0
    assert "1 samples of 1 problems" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["x.jsonl", "--canonical"]])
def test_score_wants_a_file_or_canonical(recipe, arguments, capsys):
    assert run(["eval", "score", *arguments, "-r", str(recipe)]) == 2
    assert "name a samples file, or say --canonical" in capsys.readouterr().err


def test_a_missing_model_is_one_line(recipe, tmp_path, capsys):
    assert run(["eval", "run", "-r", str(recipe)]) == 1
    shown = capsys.readouterr().err
    assert f"error: {tmp_path}/run/model: no such model folder" in shown


def test_leaderboard_without_a_score_shows_the_published_rows(recipe, capsys):
    assert run(["eval", "leaderboard", "-r", str(recipe)]) == 0
    shown = capsys.readouterr()
    assert "PyCodeGPT-110M" in shown.out
    assert "holds no score yet" in shown.err
    assert run(["eval", "leaderboard", "-r", str(recipe), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["published"]) == 26
    assert run(["eval", "leaderboard", "-r", str(recipe), "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("# HumanEval")


def test_a_damaged_score_is_one_line(recipe, tmp_path, capsys):
    folder = tmp_path / "run" / "eval"
    folder.mkdir(parents=True)
    for text in ("{", '{"stage": "eval", "parameters": {}, "inputs": [], "outputs": []}'):
        (folder / "manifest.json").write_text(text)
        assert run(["eval", "leaderboard", "-r", str(recipe)]) == 1
        assert f"error: {folder}/manifest.json: " in capsys.readouterr().err
