import ast
import random
from collections.abc import Callable

import pytest

from benchmarks.clean import edits

_WORDS = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"]
_TEXT = '''import os


def first(values, limit=10):
    """Sum what is below 10."""
    total = 0
    for value in values:
        if value < limit:
            total += value.real + 3
    return total


class Second:
    name = "second"

    def items(self):
        return ["x", 1, 2]


def third(path):
    return os.path.join(path, "third")
'''


@pytest.mark.parametrize(
    ("edit", "share"),
    [(edits.renamed, 0.0), (edits.renamed, 1.0), (edits.changed_constants, 1.0),
     (edits.reordered, 0.0), (edits.reordered, 1.0), (edits.other_header, 1.0)],
)  # fmt: skip
def test_an_edited_copy_differs_and_parses(edit: Callable[..., str], share: float) -> None:
    copies = [edit(_TEXT, share, _WORDS, random.Random(seed)) for seed in range(5)]
    assert any(copy != _TEXT for copy in copies)
    for copy in copies:
        ast.parse(copy)


def test_renaming_all_leaves_no_bound_name_but_keeps_attributes() -> None:
    copy = edits.renamed(_TEXT, 1.0, _WORDS, random.Random(1))
    assert copy is not None
    tree = ast.parse(copy)
    bound = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    assert bound <= {*_WORDS, "self"}
    assert "value.real" not in copy
    assert ".real" in copy
    assert "os.path.join" in copy


def test_constants_change_and_docstrings_stay() -> None:
    copy = edits.changed_constants(_TEXT, 1.0, _WORDS, random.Random(1))
    assert copy is not None
    assert '"""Sum what is below 10."""' in copy
    assert '"second"' not in copy
    assert '"third"' not in copy


def test_reordering_moves_definitions_and_loses_nothing() -> None:
    copy = edits.reordered(_TEXT, 0.0, _WORDS, random.Random(1))
    assert copy is not None
    assert copy.startswith("import os")
    assert sorted(copy.split("\n")) == sorted(_TEXT.split("\n"))
    names = [node.name for node in ast.parse(copy).body if hasattr(node, "name")]
    assert names != ["first", "Second", "third"]


@pytest.mark.parametrize("edit", [edits.renamed, edits.changed_constants, edits.reordered])
def test_nothing_to_edit_is_none(edit: Callable[..., str | None]) -> None:
    assert edit("pass\n", 1.0, _WORDS, random.Random(1)) is None


def test_a_share_of_the_lines_is_written_anew() -> None:
    copy = edits.rewritten(_TEXT, 0.5, _WORDS, random.Random(1))
    assert copy is not None
    same = sum(a == b for a, b in zip(_TEXT.split("\n"), copy.split("\n"), strict=True))
    full = sum(bool(line.strip()) for line in _TEXT.split("\n"))
    assert len(_TEXT.split("\n")) - same == round(0.5 * full)
