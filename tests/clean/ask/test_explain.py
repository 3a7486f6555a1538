import dataclasses
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.ask import sample as samples
from clean.ask.explain import explain
from clean.ask.funnel import PUBLISHED
from clean.ask.judged import judged
from clean.ask.places import find as find_in
from clean.ask.steps import recipe_funnel
from clean.dedup.stage import SCHEMA as DEDUP_SCHEMA
from clean.inputs import input_shards, open_cleaning
from clean.recipe import CleanRecipe, DedupRecipe, RulesRecipe
from clean.rules.rule import Rule
from clean.run import run_clean
from corpus.errors import StaleInputError, UsageError
from corpus.layout import RunFolder
from corpus.schema import git_blob_id
from corpus.sidecars import Stamp, sidecar_path, write_sidecar

NEAR = CleanRecipe(dedup=DedupRecipe(near=True))


@pytest.fixture
def folder(tmp_path, write_raw, good_code, engine) -> RunFolder:
    best = good_code(1)
    documents = [
        {"content": best, "path": "pkg/best.py", "repo_id": 1, "stars": 9},
        {"content": best.replace("result = 0", "result = 1"), "path": "pkg/near.py", "repo_id": 2},
        {"content": best, "path": "pkg/copy.py", "repo_id": 2},
        {"content": "print 'x'\n", "path": "pkg/old.py", "repo_id": 3},
        {"content": f"x = '{'y' * 2000}'\n", "path": "pkg/setup.py", "repo_id": 3},
        {"content": b"\x1f\x8b\x08\x00", "path": "pkg/zip.py", "repo_id": 3},
        {"content": good_code(5), "path": "other/setup.py", "repo_id": 4},
        {"content": good_code(6), "path": "other/setup.py", "repo_id": 5},
    ]
    write_raw(tmp_path / "raw", documents, shards=3)
    run_clean(RunFolder(tmp_path), NEAR, seed=1, engine=engine)
    return RunFolder(tmp_path)


def asking(folder: RunFolder, recipe: CleanRecipe = NEAR):
    return open_cleaning(folder, recipe, seed=1, measures=False)


def find(folder: RunFolder, query: str, **options):
    return find_in(input_shards(folder.raw), query, **options)


def sample(folder: RunFolder, outcome: str, count: int, *, seed: int):
    return samples.sample(asking(folder), outcome, count, seed=seed)


def only(folder: RunFolder, query: str, recipe: CleanRecipe = NEAR):
    (place,), count = find(folder, query)
    assert count == 1
    return explain(asking(folder, recipe), place)


def test_a_kept_document_says_where_it_went(folder):
    found = only(folder, "pkg/best.py")
    assert (found.kept, found.failures, found.duplicate) == (True, (), None)
    assert found.place.name == f"owner/repo1@{1:040x}:pkg/best.py"
    assert found.split in {"train", "validation", "test"}
    split = folder.clean / found.split / "shard-00000.parquet"
    assert split.is_file()


def test_every_failed_rule_is_told_with_value_and_limit(folder):
    found = only(folder, "pkg/setup.py")
    assert not found.kept
    told = {f.rule: (f.reason, f.measured, f.limit) for f in found.failures}
    assert told == {
        "min_code_lines": ("few_lines", "1", "at least 5"),
        "max_mean_line": ("long_mean_line", "2006", "at most 100.0"),
        "max_longest_line": ("long_line", "2006", "at most 1000"),
        "drop_names": ("file_name", "pkg/setup.py", "not __init__.py, setup.py, *_pb2.py"),
        "min_keywords": ("few_keywords", "0", "at least 3"),
    }


def test_a_syntax_error_comes_with_what_the_parser_said(folder):
    (failure,) = (f for f in only(folder, "pkg/old.py").failures if f.rule == "require_syntax")
    assert failure.reason == "python2"
    assert failure.detail


def test_what_is_no_text_says_so(folder):
    failures = only(folder, "pkg/zip.py").failures
    assert [(f.rule, f.reason) for f in failures] == [("decodable", "binary")]


def test_a_duplicate_names_its_survivor_and_similarity(folder):
    copy = only(folder, "pkg/copy.py").duplicate
    assert (copy.reason, copy.similarity) == ("exact_duplicate", 1.0)
    near = only(folder, "pkg/near.py").duplicate
    assert near.reason == "near_duplicate"
    assert 0.7 <= near.similarity < 1
    for duplicate in (copy, near):
        assert duplicate.survivor.name.endswith("owner/repo1@" + f"{1:040x}" + ":pkg/best.py")


def test_the_rules_are_those_of_the_recipe_at_hand(folder):
    rules = dataclasses.replace(NEAR.rules, min_code_lines=1000)
    found = only(folder, "pkg/best.py", dataclasses.replace(NEAR, rules=rules))
    assert [failure.reason for failure in found.failures] == ["few_lines"]


def test_a_document_is_found_by_each_of_its_names(folder, good_code):
    blob = git_blob_id(good_code(5).encode())
    repo4 = f"owner/repo4@{4:040x}:other/setup.py"
    for query in ("owner/repo4:other/setup.py", repo4, "owner/repo4@0000:other/setup.py", blob):
        places, count = find(folder, query)
        assert ([place.name for place in places], count) == ([repo4], 1)
    assert find(folder, blob[:12])[0] == find(folder, blob)[0]


def test_a_name_that_several_documents_have_lists_them(folder):
    places, count = find(folder, "other/setup.py")
    assert (len(places), count) == (2, 2)
    assert len({place.name for place in places}) == 2
    # Only if no document has the whole name, parts of names count.
    places, count = find(folder, "setup", most=2)
    assert (len(places), count) == (2, 3)


def test_an_unknown_name_is_a_usage_error(folder):
    with pytest.raises(UsageError, match=r"no document matches 'nowhere\.py', of 8"):
        find(folder, "nowhere.py")


def test_without_a_run_there_is_nothing_to_explain(tmp_path, write_raw, good_code):
    write_raw(tmp_path / "raw", [{"content": good_code(1), "path": "a.py"}])
    (place,), _ = find(RunFolder(tmp_path), "a.py")
    with pytest.raises(StaleInputError, match="clean run"):
        explain(asking(RunFolder(tmp_path)), place)
    with pytest.raises(StaleInputError, match="clean run"):
        sample(RunFolder(tmp_path), "kept", 1, seed=1)


def test_the_funnel_adds_up(folder):
    steps = {step.step: step for step in recipe_funnel(asking(folder, NEAR))}
    assert steps["raw"].files == 8
    assert steps["decodable"].reasons == {"binary": 1}
    assert steps["min_code_lines"].reasons == {"few_lines": 2}
    assert steps["drop_names"].dropped_files == 2
    assert steps["exact_duplicate"].dropped_files == 1
    assert steps["near_duplicate"].dropped_files == 1
    assert steps["written"].files == 1
    for before, after in pairwise(recipe_funnel(asking(folder, NEAR))[:-1]):
        assert after.files == before.files - after.dropped_files
        assert after.bytes == before.bytes - after.dropped_bytes
        assert sum(after.reasons.values()) == after.dropped_files


def test_the_published_funnel_is_pycodegpts():
    shares = [
        PUBLISHED["kept_files"] / PUBLISHED["raw_files"],
        PUBLISHED["kept_bytes"] / PUBLISHED["raw_bytes"],
    ]
    assert [round(share, 3) for share in shares] == [0.215, 0.291]


def test_samples_are_real_documents_of_an_outcome(folder, good_code):
    (old, zipped), total = sample(folder, "min_code_lines", 5, seed=1)
    assert total == 2
    assert {old.reason, zipped.reason} == {"few_lines"}
    (binary,), _ = sample(folder, "binary", 5, seed=1)
    assert binary.name.endswith(":pkg/zip.py")
    assert "\ufffd" in binary.text
    (kept,), total = sample(folder, "kept", 5, seed=1)
    assert (kept.text, total) == (good_code(1), 1)


def test_a_sample_is_chosen_by_its_seed(folder):
    def one(seed: int) -> str:
        (found,), total = sample(folder, "file_name", 1, seed=seed)
        assert total == 2
        return found.name

    assert one(1) == one(1)
    assert len({one(seed) for seed in range(10)}) == 2


def test_an_unknown_reason_names_the_nearest(folder):
    with pytest.raises(UsageError, match="no document was 'few_line'; did you mean 'few_lines'"):
        sample(folder, "few_line", 1, seed=1)


def test_a_rule_that_is_off_is_not_in_the_funnel(folder, engine):
    recipe = CleanRecipe(rules=RulesRecipe(drop_names=()), dedup=NEAR.dedup)
    run_clean(folder, recipe, seed=1, engine=engine)
    steps = [step.step for step in recipe_funnel(asking(folder, recipe))]
    assert "drop_names" not in steps
    assert "min_code_lines" in steps


def test_a_kept_document_names_what_it_stands_for(folder):
    found = only(folder, "pkg/best.py")
    assert found.stands_for == 2
    paths = {copy.name.rpartition(":")[2] for copy in found.copies}
    assert paths == {"pkg/near.py", "pkg/copy.py"}
    alone = RulesRecipe(drop_names=())
    found = only(folder, "owner/repo4:other/setup.py", dataclasses.replace(NEAR, rules=alone))
    assert (found.kept, found.stands_for, found.copies) == (True, 0, ())


def test_no_more_copies_are_named_than_one_wants_to_read(tmp_path, write_raw, good_code, engine):
    documents = [{"content": good_code(1), "path": f"{n}.py", "repo_id": n} for n in range(9)]
    write_raw(tmp_path / "raw", documents, shards=3)
    run_clean(RunFolder(tmp_path), NEAR, seed=1, engine=engine)
    found = only(RunFolder(tmp_path), "0.py")
    assert (found.stands_for, len(found.copies)) == (8, 5)


def test_another_survivor_comes_with_its_similarity(folder):
    order = DedupRecipe(near=True, survivor_order=("stars asc", "repo_id desc"))
    found = only(folder, "pkg/best.py", dataclasses.replace(NEAR, dedup=order)).duplicate
    assert found.survivor.name.rpartition(":")[2] in {"pkg/near.py", "pkg/copy.py"}
    assert found.similarity >= 0.7
    assert not folder.scratch.exists()


@pytest.mark.parametrize(
    ("rule", "values", "detail"),
    [
        (
            Rule("max_contamination_tokens", "contaminated", "contamination",
                 "contamination_tokens", "above", 3),
            {"contamination_tokens": 9, "contamination_problem": "HumanEval/7",
             "contamination_part": "prompt", "contamination_lines": "12-31"},
            "HumanEval/7, its prompt, lines 12-31",
        ),
        (
            Rule("max_secrets", "secrets", "secrets", "secrets", "above", 0),
            {"secrets": 2, "secret_kinds": ["aws_key", "private_key"]},
            "aws_key, private_key",
        ),
        (
            Rule("allow_file_licenses", "file_license", "license", "license_category", "outside",
                 ("permissive",)),
            {"license_category": "copyleft", "file_license": "GPL-3.0-only",
             "license_evidence": "gnu general public"},
            "GPL-3.0-only, by “gnu general public”",
        ),
        (
            Rule("drop_license_conflict", "license_conflict", "license", "license_conflict",
                 "present", True),
            {"license_conflict": "GPL-3.0-only in a MIT repository"},
            None,
        ),
        (
            Rule("allow_repo_licenses", "repo_license", "license", "repo_category", "outside",
                 ("permissive",)),
            {"repo_category": "copyleft"},
            "GitHub says MIT",
        ),
    ],
)  # fmt: skip
def test_what_stands_beside_a_column_is_told(tmp_path, write_raw, good_code, rule, values, detail):
    (shard,) = write_raw(tmp_path / "raw", [{"content": good_code(1)}] * 2)
    nothing = dict.fromkeys(values)
    stamp = Stamp(rule.stage, 1, "", shard.digest)
    table = pa.Table.from_pylist([nothing, values], pa.schema(pa.table({
        name: pa.array([value]) for name, value in values.items()
    }).schema))  # fmt: skip
    write_sidecar(sidecar_path(tmp_path, rule.stage, shard), table, stamp, 2)
    dedup = pa.Table.from_pylist([{}, {}], DEDUP_SCHEMA)
    stamp = Stamp("dedup", 1, "", shard.digest)
    write_sidecar(sidecar_path(tmp_path, "dedup", shard), dedup, stamp, 2)
    (found,) = judged(
        {shard.name: shard}, shard, [1], sidecars=tmp_path, decisions=tmp_path, rules=(rule,)
    )
    (failure,) = found.failures
    assert (failure.reason, failure.detail) == (rule.reason or "present", detail)
    assert failure.measured == str(values[rule.column])


def test_a_sample_knows_its_lines(tmp_path, write_raw, good_code, engine):
    broken = good_code(2).replace("result = 0", "result = = 0")
    wide = good_code(3).replace("result = 0", f"result = '{'y' * 1200}'")
    documents = [
        {"content": broken, "path": "broken.py", "repo_id": 1},
        {"content": wide, "path": "wide.py", "repo_id": 2},
        {"content": "x = 1\n", "path": "short.py", "repo_id": 3},
    ]
    folder = RunFolder(tmp_path)
    write_raw(folder.raw, documents)
    run_clean(folder, NEAR, seed=1, engine=engine)
    for reason, text, word in (("syntax", broken, "= ="), ("long_line", wide, "yyy")):
        (one,), _ = sample(folder, reason, 1, seed=1)
        assert (
            one.line
            == one.last_line
            == 1 + next(number for number, line in enumerate(text.split("\n")) if word in line)
        )
    (one,), _ = sample(folder, "few_lines", 1, seed=1)
    assert (one.line, one.last_line) == (None, None)
    assert one.why == "min_code_lines: 1, allowed: at least 5"


@given(st.integers(1, 500), st.integers(1, 40), st.integers(1, 500))
def test_the_line_that_matters_is_shown(line, shown, lines):
    line = min(line, lines)
    first = samples.first_line(line, shown, lines)
    assert 1 <= first <= line < first + shown
