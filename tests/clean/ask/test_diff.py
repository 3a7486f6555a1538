import dataclasses
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clean.ask.diff import both_sides, compare
from clean.ask.flip_list import SCHEMA, FlipList, check_format
from clean.ask.funnel import outcomes
from clean.inputs import open_cleaning
from clean.recipe import CleanRecipe, DedupRecipe, RulesRecipe
from clean.run import run_clean
from corpus.errors import StaleInputError, UsageError
from corpus.layout import RunFolder
from corpus.shards import list_shards, read_rows

NEAR = CleanRecipe(dedup=DedupRecipe(near=True))


def documents(good_code) -> list[dict]:
    best, wide = good_code(1), good_code(2).replace("result = 0", f"result = 0  # {'z' * 300}")
    near = best.replace("result = 0", f"result = 1  # {'z' * 300}")
    return [
        {"content": near, "path": "near.py", "repo_id": 1, "stars": 9},
        {"content": best, "path": "best.py", "repo_id": 2, "stars": 5},
        {"content": best, "path": "copy.py", "repo_id": 3, "stars": 1},
        {"content": wide, "path": "wide.py", "repo_id": 3},
        {"content": "x = 1\n", "path": "short.py", "repo_id": 4},
        {"content": good_code(4), "path": "other.py", "repo_id": 5},
    ]


@pytest.fixture
def folder(tmp_path, write_raw, good_code, engine) -> RunFolder:
    write_raw(tmp_path / "raw", documents(good_code), shards=3)
    run_clean(RunFolder(tmp_path), NEAR, seed=1, engine=engine)
    return RunFolder(tmp_path)


def asking(folder: RunFolder, recipe: CleanRecipe):
    return open_cleaning(folder, recipe, seed=1, measures=False)


def with_rules(**rules) -> CleanRecipe:
    return dataclasses.replace(NEAR, rules=dataclasses.replace(NEAR.rules, **rules))


def difference(folder: RunFolder, a: CleanRecipe, b: CleanRecipe, *, examples: int = 9):
    with both_sides(asking(folder, a), asking(folder, b)) as sides:
        return compare(*sides, examples=examples)


def everything(folder: RunFolder) -> dict[str, tuple[int, bytes]]:
    files = [path for path in folder.root.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def by_path(folder: RunFolder, decisions: Path) -> dict[str, str]:
    found = {}
    for shard in list_shards(folder.raw):
        names = read_rows(shard, columns=["path"]).column(0).to_pylist()
        reasons = outcomes(shard, decisions).column("reason").to_pylist()
        found.update({name: reason or "kept" for name, reason in zip(names, reasons, strict=True)})
    return found


def test_survivors_are_elected_anew(folder):
    assert by_path(folder, folder.sidecars) == {
        "near.py": "kept",
        "best.py": "near_duplicate",
        "copy.py": "near_duplicate",
        "wide.py": "kept",
        "short.py": "few_lines",
        "other.py": "kept",
    }
    found = difference(folder, NEAR, with_rules(max_longest_line=250))
    assert found.counts.kinds == {
        ("kept", "long_line"): 2,  # near.py and wide.py
        ("near_duplicate", "kept"): 1,  # best.py takes near.py's place
        ("near_duplicate", "exact_duplicate"): 1,  # copy.py is best.py's
    }
    assert (found.counts.before.files, found.counts.after.files) == (3, 2)
    assert found.counts.other_survivor == 1
    (example,) = found.examples["near_duplicate", "exact_duplicate"]
    assert example.place.name.endswith(":copy.py")
    assert example.before.duplicate.survivor.name.endswith(":near.py")
    assert 0.7 <= example.before.duplicate.similarity < 1
    assert example.after.duplicate.survivor.name.endswith(":best.py")
    assert example.after.duplicate.similarity == 1
    told = {e.place.name.partition(":")[2]: e for e in found.examples["kept", "long_line"]}
    assert set(told) == {"near.py", "wide.py"}
    assert told["wide.py"].before.kept
    (failure,) = told["wide.py"].after.failures
    assert (failure.rule, failure.limit) == ("max_longest_line", "at most 250")
    assert int(failure.measured) > 250


def test_nothing_of_the_run_changes(folder):
    before = everything(folder)
    difference(folder, with_rules(min_code_lines=2), with_rules(max_longest_line=250))
    assert everything(folder) == before
    assert not folder.scratch.exists()


def test_what_a_killed_question_left_is_removed(folder):
    left = folder.scratch / "before" / "verdict" / "shard-00000.parquet"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    difference(folder, NEAR, with_rules(max_longest_line=250))
    assert not folder.scratch.exists()


def test_a_recipe_differs_from_itself_in_nothing(folder):
    found = difference(folder, NEAR, NEAR)
    assert (found.counts.flipped, found.counts.other_survivor, found.examples) == (0, 0, {})
    assert found.counts.files == 6


def test_bytes_and_examples_are_bounded_and_the_same_each_time(folder):
    strict = with_rules(min_code_lines=1000)
    first, second = (difference(folder, NEAR, strict, examples=1) for _ in range(2))
    assert first.examples == second.examples
    assert [len(found) for found in first.examples.values()] == [1] * len(first.examples)
    assert sum(first.counts.bytes.values()) > 0
    assert (first.counts.after.files, first.counts.after.bytes) == (0, 0)


def test_a_signal_that_was_not_measured_is_named(folder):
    other = dataclasses.replace(NEAR, guess_encoding=True)
    with pytest.raises(StaleInputError, match=r"text: 3 of 3 shards .* `clean measure --set run="):
        difference(folder, NEAR, other)
    other = CleanRecipe(dedup=DedupRecipe(near=True, shingle_tokens=7))
    with pytest.raises(StaleInputError, match=r"fingerprint: 3 of 3 .*shingle_tokens = 7"):
        difference(folder, NEAR, other)


def test_another_banding_needs_its_index(folder, engine):
    other = CleanRecipe(dedup=DedupRecipe(near=True, min_jaccard=0.3))
    with pytest.raises(StaleInputError, match=r"near index.*`clean measure --set run="):
        difference(folder, NEAR, other)


@pytest.mark.parametrize("name", ["flips.jsonl", "flips.parquet"])
def test_every_flip_is_listed_with_its_reasons(folder, tmp_path, name):
    a, b = asking(folder, NEAR), asking(folder, with_rules(max_longest_line=250))
    out = tmp_path / "out" / name
    with both_sides(a, b) as sides:
        listed = FlipList(folder.scratch / "flips", *sides)
        found = compare(*sides, examples=0, each=listed.add)
        listed.write(out, memory_bytes=256 << 20, threads=1)
    assert found.examples == {}
    if out.suffix == ".parquet":
        assert pq.read_schema(out).equals(SCHEMA)
        rows = pq.read_table(out).to_pylist()
    else:
        rows = [json.loads(line) for line in out.read_text().splitlines()]
    told = {row["path"]: row for row in rows}
    assert set(told) == {"near.py", "wide.py", "best.py", "copy.py"}
    assert [(row["shard"], row["row"]) for row in rows] == sorted(
        (row["shard"], row["row"]) for row in rows
    )
    wide = told["wide.py"]
    assert (wide["before"], wide["after"]) == ("kept", "long_line")
    assert (wide["after_rule"], wide["after_limit"]) == ("max_longest_line", "at most 250")
    assert int(wide["after_measured"]) > 250
    copy = told["copy.py"]
    assert copy["before_survivor"].endswith(":near.py")
    assert copy["after_survivor"].endswith(":best.py")
    assert copy["after_similarity"] == 1
    assert copy.get("after_rule") is None


@pytest.mark.parametrize("name", ["flips.jsonl", "flips.parquet"])
def test_no_flip_is_an_empty_list(folder, tmp_path, name):
    with both_sides(asking(folder, NEAR), asking(folder, NEAR)) as sides:
        listed = FlipList(folder.scratch / "flips", *sides)
        compare(*sides, examples=0, each=listed.add)
        listed.write(tmp_path / name, memory_bytes=256 << 20, threads=1)
    if name.endswith("parquet"):
        assert pq.read_table(tmp_path / name).num_rows == 0
    else:
        assert (tmp_path / name).read_text() == ""


def test_a_list_of_another_kind_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"flips\.csv: the name must end in \.jsonl or \.parquet"):
        check_format(tmp_path / "flips.csv")


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    min_code_lines=st.sampled_from([None, 2, 12, 100]),
    max_longest_line=st.sampled_from([None, 90, 250, 1000]),
    survivor=st.sampled_from(["stars desc", "stars asc", "size desc"]),
)
def test_a_what_if_is_what_a_run_would_decide(
    folder, engine, tmp_path_factory, min_code_lines, max_longest_line, survivor
):
    rules = RulesRecipe(min_code_lines=min_code_lines, max_longest_line=max_longest_line)
    other = CleanRecipe(rules=rules, dedup=DedupRecipe(near=True, survivor_order=(survivor,)))
    whole = RunFolder(tmp_path_factory.mktemp("whole"))
    (whole.root / "raw").symlink_to(folder.raw)
    run_clean(whole, other, seed=1, engine=engine)
    expected = by_path(whole, whole.sidecars)
    with both_sides(asking(folder, NEAR), asking(folder, other)) as (before, after):
        assert by_path(folder, after.decisions) == expected
        flips = compare(before, after, examples=1).counts
    was = by_path(folder, folder.sidecars)
    changed = [(was[name], expected[name]) for name in was if was[name] != expected[name]]
    assert sorted(flips.kinds.elements()) == sorted(changed)
