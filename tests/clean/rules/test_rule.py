"""Comparisons: what each rejects, at its boundary, for null and for nothing."""

from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.rules.rule import SHARD, Comparison, Rule, Sample

NAMES = st.text(st.characters(exclude_characters="/*?", exclude_categories=["Cs"]), min_size=1)


def rejected(
    comparison: Comparison, threshold: object, values: list[object], kind: pa.DataType
) -> list[bool]:
    rule = Rule("name", "reason", "stage", "column", comparison, threshold)
    return rule.rejects(pa.table({"column": pa.array(values, kind)})).to_pylist()


@pytest.mark.parametrize(
    ("comparison", "threshold", "kind", "expected"),
    [
        ("above", 5, pa.int32(), {4: False, 5: False, 6: True, None: False}),
        ("above", 0, pa.int32(), {0: False, 1: True, None: False}),
        ("above", 0.5, pa.float32(), {0.5: False, 0.500001: True, None: False}),
        ("below", 5, pa.int64(), {4: True, 5: False, 6: False, None: False}),
        ("below", 0, pa.int8(), {0: False, 1: False, None: False}),
        ("true", True, pa.bool_(), {True: True, False: False, None: False}),
        ("false", True, pa.bool_(), {True: False, False: True, None: False}),
        ("present", True, pa.string(), {"x": True, "": True, None: False}),
        ("outside", ("a", "b"), pa.string(), {"a": False, "c": True, None: True}),
        ("outside", (), pa.string(), {"a": True, None: True}),
        ("among", (3, 5), pa.int64(), {3: True, 4: False, None: False}),
        ("among", ("x",), pa.string(), {"x": True, "y": False, None: False}),
        ("unlike", ".py", pa.string(), {"a.py": False, "a.pyx": True, ".py": False, None: True}),
    ],
)
def test_a_comparison_at_its_boundary(comparison, threshold, kind, expected):
    values = list(expected)
    assert rejected(comparison, threshold, values, kind) == list(expected.values())


def test_a_rate_is_compared_in_the_precision_it_was_stored_in():
    # float32(0.7) is below the double 0.7, and float32(0.1) above the double 0.1.
    assert rejected("below", 0.7, [0.7], pa.float32()) == [False]
    assert rejected("above", 0.1, [0.1], pa.float32()) == [False]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("setup.py", True),
        ("a/b/setup.py", True),
        ("a/my_setup.py", False),
        ("setup.pyx", False),
        ("setup.py/x.py", False),
        ("a/__init__.py", True),
        ("proto/x_pb2.py", True),
        ("proto/_pb2.py", True),
        ("x_pb2.py/y.py", False),
        ("proto/x_pb2_grpc.py", False),
        ("SETUP.py", False),
        ("a\nsetup.py", False),
    ],
)
def test_names_are_globs_of_the_file_name(path, expected):
    globs = ("__init__.py", "setup.py", "*_pb2.py")
    assert rejected("named", globs, [path, None], pa.string()) == [expected, False]


def test_a_glob_with_a_slash_is_matched_from_the_root():
    paths = ["docs/conf.py", "x/docs/conf.py", "docs/a/conf.py"]
    assert rejected("named", ("docs/*.py",), paths, pa.string()) == [True, False, False]


@given(name=NAMES)
def test_a_glob_without_wildcards_matches_exactly_itself(name):
    table = [name, f"a/{name}", f"{name}x", f"x{name}"]
    assert rejected("named", (name,), table, pa.string()) == [True, True, False, False]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("vendor/x.py", True),
        ("a/vendor/b/x.py", True),
        ("vendor.py", False),  # a file is no folder
        ("a/vendor", False),
        ("myvendor/x.py", False),
        ("vendors/x.py", False),
        ("Vendor/x.py", False),
        ("a/third-party/x.py", True),
        ("a/third_party/x.py", True),
        ("lib/python3.11/site-packages/x.py", True),
        ("lib/site-packages/x.py", False),  # consecutive folders, both of them
    ],
)
def test_folders_are_globs_of_any_folder_of_a_path(path, expected):
    globs = ("vendor", "third?party", "python*/site-packages/")
    assert rejected("inside", globs, [path, None], pa.string()) == [expected, False]


@given(name=NAMES)
def test_a_folder_without_wildcards_matches_exactly_itself(name):
    table = [f"{name}/x", f"a/{name}/x", f"{name}a/x", f"a{name}/x", name]
    assert rejected("inside", (name,), table, pa.string()) == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("repo", "expected"),
    [
        ("Owner/Name", True),
        ("owner/name", True),
        ("owner/other", False),
        ("whole/anything", True),
        ("Whole/Thing", True),
        ("wholes/anything", False),
        ("name/owner", False),
        (None, False),
    ],
)
def test_a_list_means_repositories_and_whole_owners(repo, expected):
    assert rejected("listed", ("owner/name", "whole"), [repo], pa.string()) == [expected]


def blob_table(count: int) -> pa.Table:
    ids = [f"{number:040x}" for number in range(count)]
    return pa.table({"column": [True] * count, "blob_id": ids})


def sampled(share: float, seed: int = 1, name: str = "name") -> Rule:
    return Rule(name, "reason", "stage", "column", "true", True, Sample(share, seed))


def test_a_share_is_drawn_by_seed_rule_and_content():
    table = blob_table(1000)
    drawn = sampled(0.7).rejects(table).to_pylist()
    assert 650 < sum(drawn) < 750
    assert sampled(0.7, seed=2).rejects(table).to_pylist() != drawn
    assert sampled(0.7, name="other").rejects(table).to_pylist() != drawn
    # A document's fate hangs on nothing that stands beside it.
    again = sampled(0.7).rejects(table.slice(500, 10).combine_chunks()).to_pylist()
    assert again == drawn[500:510]


def test_a_larger_share_takes_the_same_and_more():
    table = blob_table(200)
    shares = (0.0, 0.3, 0.7, 1.0)
    drawn = [sampled(share).rejects(table).to_pylist() for share in shares]
    assert (sum(drawn[0]), sum(drawn[3])) == (0, 200)
    for smaller, larger in pairwise(drawn):
        assert all(after for before, after in zip(smaller, larger, strict=True) if before)


def test_only_what_the_comparison_finds_is_drawn():
    table = pa.table({"column": [False, None, True], "blob_id": ["a", "b", "c"]})
    assert sampled(1.0).rejects(table).to_pylist() == [False, False, True]
    assert sampled(1.0).rejects(table.slice(0, 0)).to_pylist() == []


def test_the_draw_stays_as_it_is():
    """A changed draw would change corpora: raise the version of the verdicts with it."""
    ids = pa.array([f"{number:040x}" for number in range(8)])
    drawn = Sample(0.5, seed=1).draw(ids, "no_keywords_drop_share")
    assert drawn.tolist() == [True, False, False, True, False, True, True, False]


def test_a_rule_names_all_that_it_reads():
    assert sampled(0.5).columns == (("stage", "column"), (SHARD, "blob_id"))
    assert Rule("n", "r", "stage", "column", "true", True).columns == (("stage", "column"),)


def test_reasons_come_from_the_column_where_a_stage_named_them():
    rule = Rule("name", None, "syntax", "syntax_reject", "present", True)
    table = pa.table({"syntax_reject": ["python2", None, "syntax"]})
    assert rule.reasons(table).to_pylist() == ["python2", None, "syntax"]
    assert rule.rejects(table).to_pylist() == [True, False, True]
    fixed = Rule("name", "reason", "syntax", "syntax_reject", "present", True)
    assert fixed.reasons(table).to_pylist() == ["reason", None, "reason"]


@pytest.mark.parametrize(
    ("comparison", "threshold", "sample", "expected"),
    [
        ("above", 100.0, None, "at most 100.0"),
        ("below", 5, None, "at least 5"),
        ("true", True, None, "no"),
        ("true", True, Sample(0.7, 1), "no, for 70% of them"),
        ("named", ("a.py", "b*.py"), None, "not a.py, b*.py"),
        ("inside", ("vendor",), None, "not in vendor"),
        ("inside", tuple("abcdef"), None, "not in a, b, c, d, e, f"),
        ("inside", tuple("abcdefgh"), None, "not in a, b, c, d, e or 3 more"),
        ("unlike", ".py", None, "only *.py"),
        ("listed", ("a", "b/c"), None, "not on a list of 2"),
        ("among", (1, 2, 3), None, "none of 3"),
        ("among", ("a", "b"), None, "none of a, b"),
    ],
)
def test_a_limit_is_told_to_people(comparison, threshold, sample, expected):
    rule = Rule("name", "reason", "stage", "column", comparison, threshold, sample)
    assert rule.limit() == expected
