import json
import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from clean.recipe import CleanRecipe, signal_parameters
from clean.signals.contamination import SCHEMA, stage
from clean.signals.contamination_problems import find_problem_file, read_sections
from clean.signals.contamination_recipe import PARTS, ContaminationRecipe
from clean.signals.decode import decode
from clean.signals.document import Document, SignalStage
from clean.signals.measure import run_signals
from clean.signals.parameters import SignalParameters
from clean.signals.stages import signal_stages
from corpus.engine import Engine
from corpus.errors import ProblemsError, RecipeError
from corpus.recipe import build
from corpus.shards import Shard
from corpus.sidecars import read_sidecar, sidecar_path

PROBLEM = {
    "task_id": "set/7",
    "prompt": 'def rolling_sums(values, width):\n    """Sum every window of so many values."""\n',
    "canonical_solution": "    return [sum(values[i : i + width]) for i in range(len(values))]\n",
    "test": "assert rolling_sums([1, 2], 1) == [1, 2]\n",
}


def contamination(**told: Any) -> SignalStage:
    made = stage(SignalParameters(contamination=ContaminationRecipe(**told)))
    assert made is not None
    return made


def measure(of: SignalStage, content: str | bytes) -> Mapping[str, Any]:
    content = content.encode() if isinstance(content, str) else content
    return of.measure(Document(content, decode(content), "a.py", None))


@pytest.fixture
def problems(tmp_path: Path) -> str:
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(PROBLEM) + "\n")
    return str(path)


def test_the_stage_runs_only_if_problem_sets_are_named(problems: str) -> None:
    def names(recipe: CleanRecipe) -> list[str]:
        return [stage.name for stage in signal_stages(signal_parameters(recipe))]

    assert "contamination" not in names(CleanRecipe())
    recipe = CleanRecipe(contamination=ContaminationRecipe(problems=(problems,)))
    assert "contamination" in names(recipe)


def test_problem_part_and_lines_are_reported(problems: str) -> None:
    of = contamination(problems=(problems,), ngram_tokens=6)
    filler = "\n".join(f"value_{i} = {i}" for i in range(5))
    planted = PROBLEM["prompt"] + PROBLEM["canonical_solution"]
    row = measure(of, f"{filler}\n{planted}    # the end\n{filler}\n")
    assert row == {
        "contamination_tokens": 23,
        "contamination_problem": "set/7",
        "contamination_part": "solution",
        "contamination_lines": "6-8",
    }
    # CRLF, CR and a byte order mark: lines are those of the decoded text.
    for end in ("\r\n", "\r"):
        content = b"\xef\xbb\xbf" + f"{filler}\n{planted}".replace("\n", end).encode()
        assert measure(of, content)["contamination_lines"] == "6-8"
    one_line = f"{filler}\n# Sum every window of so many values\nx = 1"
    assert measure(of, one_line)["contamination_lines"] == "6-6"
    assert measure(of, planted)["contamination_lines"] == "1-3"


def test_a_file_without_any_has_a_zero_and_no_text_has_nothing(problems: str) -> None:
    of = contamination(problems=(problems,))
    assert measure(of, "print('hello')\n") == {"contamination_tokens": 0}
    assert measure(of, "") == {"contamination_tokens": 0}
    assert measure(of, b"\xff\xff") == {}
    assert set(measure(of, PROBLEM["prompt"])) == set(SCHEMA.names)
    assert of.lost("crash") == {}


def test_only_the_parts_that_are_named_are_looked_for(problems: str) -> None:
    of = contamination(problems=(problems,), parts=("solution", "test"), ngram_tokens=6)
    assert measure(of, PROBLEM["prompt"])["contamination_tokens"] == 0
    assert measure(of, PROBLEM["canonical_solution"])["contamination_part"] == "solution"


def test_the_stamp_says_what_was_looked_for_and_not_where_it_lay(
    problems: str, tmp_path: Path
) -> None:
    first = contamination(problems=(problems,)).parameters
    moved = tmp_path / "moved.jsonl"
    moved.write_text(json.dumps(PROBLEM) + "\n")
    assert contamination(problems=(str(moved),), parts=PARTS[::-1]).parameters == first
    moved.write_text(json.dumps({**PROBLEM, "test": "assert True"}) + "\n")
    others = [
        contamination(problems=(str(moved),)).parameters,
        contamination(problems=(problems, str(moved))).parameters,
        contamination(problems=(problems,), parts=("prompt",)).parameters,
        contamination(problems=(problems,), ngram_tokens=9).parameters,
        contamination(problems=(problems,), distinct_words=2).parameters,
    ]
    assert first not in others
    assert len({json.dumps(other) for other in others}) == len(others)


def test_workers_get_names_and_make_the_index_themselves(problems: str) -> None:
    of = contamination(problems=("humaneval", problems))
    packed = pickle.dumps(of)
    assert len(packed) < 5_000
    row = measure(pickle.loads(packed), PROBLEM["prompt"])
    assert row["contamination_problem"] == "set/7"


def test_a_problem_file_that_changes_meanwhile_ends_the_run(problems: str) -> None:
    of = contamination(problems=(problems,), ngram_tokens=7)
    Path(problems).write_text(json.dumps({**PROBLEM, "test": "other"}))
    with pytest.raises(ProblemsError, match="changed while it was in use"):
        measure(of, "x = 1\n")


def test_a_set_with_nothing_to_look_for_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "tiny.jsonl"
    path.write_text('{"prompt": "x y"}\n')
    of = contamination(problems=("humaneval", str(path)))
    with pytest.raises(ProblemsError, match=r"tiny\.jsonl: holds no prompt or solution or test"):
        measure(of, "x = 1\n")


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({"problems": []}, 'problems must name at least one problem set, or be "off"'),
        ({"problems": [""]}, "problems must not hold an empty name"),
        ({"parts": []}, "parts must name at least one of prompt"),
        ({"parts": ["tests"]}, "parts must hold prompt, solution, test, not 'tests'"),
        ({"ngram_tokens": 2}, "ngram_tokens must be at least 3, not 2"),
        ({"ngram_tokens": 65}, "ngram_tokens must be at most 64, not 65"),
        ({"distinct_words": -1}, "distinct_words must be at least 0, not -1"),
        ({"distinct_words": 11}, "distinct_words must be at most 10, not 11"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(told: dict[str, Any], problem: str) -> None:
    with pytest.raises(RecipeError, match=f"^contamination: {problem}"):
        build(CleanRecipe, {"contamination": told})


def test_the_rule_needs_problem_sets() -> None:
    rules = {"max_contamination_tokens": 12}
    with pytest.raises(RecipeError, match=r"needs clean\.contamination\.problems, which is off"):
        build(CleanRecipe, {"rules": rules})
    build(CleanRecipe, {"rules": rules, "contamination": {"problems": ["humaneval"]}})


def test_a_sidecar_holds_what_was_found(
    tmp_path: Path, problems: str, engine: Engine, write_raw: Callable[..., list[Shard]]
) -> None:
    documents = [
        {"content": "x = 1\n"},
        {"content": "#\n" + PROBLEM["prompt"], "path": "b.py"},
        {"content": PROBLEM["prompt"], "path": "LICENSE"},
        {"content": b"\xff\xfe"},
    ]
    (shard,) = write_raw(tmp_path / "raw", documents)
    of = contamination(problems=(problems,))
    run_signals([shard], tmp_path / "sidecars", [of], engine)
    table = read_sidecar(sidecar_path(tmp_path / "sidecars", "contamination", shard), shard)
    assert table.column("contamination_tokens").to_pylist() == [0, 11, None, None]
    assert table.column("contamination_problem").to_pylist() == [None, "set/7", None, None]
    assert table.column("contamination_lines").to_pylist() == [None, "2-3", None, None]


def as_published(text: str) -> str:
    return text


def reformatted(text: str) -> str:
    """Two blanks of indentation, single quotes, commas at line ends."""
    text = re.sub(r"(?m)^ +", lambda indent: " " * (len(indent[0]) // 2), text)
    return text.replace('"', "'").replace("(", "(\n    ").replace(")", ",\n)")


def with_tabs(text: str) -> str:
    return text.replace("    ", "\t").replace('"""', 'r"""', 1)


def as_comments(text: str) -> str:
    return "".join(f"# {line}\n" for line in text.split("\n"))


def in_a_string(text: str) -> str:
    return f"DATA = {text!r}\n"


def in_json_in_a_string(text: str) -> str:
    return f"DATA = {json.dumps(text)!r}\n"


@pytest.mark.parametrize(
    "change",
    [as_published, reformatted, with_tabs, as_comments, in_a_string, in_json_in_a_string],
)
def test_every_problem_of_humaneval_is_found_however_it_is_written(
    change: Callable[[str], str],
) -> None:
    of = contamination(problems=("humaneval",))
    sections = read_sections(find_problem_file("humaneval"), PARTS)
    missed = []
    for prompt, solution in zip(sections[::3], sections[1::3], strict=True):
        row = measure(of, f"import os\n\n{change(prompt.text + solution.text)}\nx = 1\n")
        if row["contamination_tokens"] < 13:
            missed.append(prompt.problem)
    assert not missed
