from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clean.dedup.stage import EDGES_SCHEMA, SCHEMA, edges_path
from clean.recipe import CleanRecipe, DedupRecipe, RulesRecipe
from clean.run import run_clean
from corpus.errors import RecipeError
from corpus.layout import RunFolder
from corpus.recipe import build
from corpus.shards import list_shards, read_rows

NEAR = CleanRecipe(dedup=DedupRecipe(near=True))


def run(folder: Path, engine, recipe: CleanRecipe = NEAR) -> RunFolder:
    run_folder = RunFolder(folder)
    run_clean(run_folder, recipe, seed=1, engine=engine)
    return run_folder


def outcomes(folder: RunFolder) -> dict[str, tuple]:
    """By path: reason, the survivor's path, similarity."""
    shards = {shard.name: shard for shard in list_shards(folder.raw)}
    paths = {n: read_rows(s, columns=["path"]).column(0).to_pylist() for n, s in shards.items()}
    found = {}
    for name, names in paths.items():
        table = pq.read_table(folder.sidecars / "dedup" / name)
        assert table.schema.equals(SCHEMA)
        for path, row in zip(names, table.to_pylist(), strict=True):
            survivor = row["survivor_shard"]
            survivor = paths[survivor][row["survivor_row"]] if survivor else None
            found[path] = (row["reason"], survivor, row["similarity"])
    return found


def edited(code: str) -> str:
    """A near duplicate: one constant differs."""
    return code.replace("result = 0", "result = 1")


def test_one_of_equal_content_stays_the_most_starred(tmp_path, write_raw, good_code, engine):
    same = good_code(1)
    write_raw(
        tmp_path / "raw",
        [
            {"content": same, "path": "a.py", "repo_id": 1, "stars": 5},
            {"content": same.replace("\n", "\r\n"), "path": "b.py", "repo_id": 2, "stars": 50},
            {"content": same + "\n\n", "path": "c.py", "repo_id": 3, "stars": 7},
            {"content": good_code(2), "path": "d.py", "repo_id": 3},
        ],
        shards=2,
    )
    assert outcomes(run(tmp_path, engine)) == {
        "a.py": ("exact_duplicate", "b.py", 1.0),
        "b.py": (None, None, None),
        "c.py": ("exact_duplicate", "b.py", 1.0),
        "d.py": (None, None, None),
    }


def test_a_near_duplicate_names_its_survivor_and_their_similarity(
    tmp_path, write_raw, good_code, engine
):
    first = good_code(1)
    write_raw(
        tmp_path / "raw",
        [
            {"content": edited(first), "path": "near.py"},
            {"content": edited(first), "path": "near_copy.py"},
            {"content": first, "path": "best.py", "repo_id": 9, "stars": 1},
            {"content": good_code(2), "path": "other.py"},
        ],
        shards=3,
    )
    folder = run(tmp_path, engine)
    found = outcomes(folder)
    reason, survivor, similarity = found["near.py"]
    assert (reason, survivor) == ("near_duplicate", "best.py")
    assert 0.7 <= similarity < 1
    # Its equal went before it, so both are explained by what is still there.
    assert found["near_copy.py"] == found["near.py"]
    assert found["best.py"] == found["other.py"] == (None, None, None)
    edges = pq.read_table(edges_path(folder.sidecars))
    assert edges.schema.names == EDGES_SCHEMA.names
    assert edges.schema.types == EDGES_SCHEMA.types
    (edge,) = edges.to_pylist()
    assert edge["jaccard"] == pytest.approx(similarity)
    assert edge["estimate"] == pytest.approx(similarity, abs=0.12)


def test_what_the_rules_dropped_is_nobodys_survivor(tmp_path, write_raw, good_code, engine):
    same = good_code(1)
    write_raw(
        tmp_path / "raw",
        [
            {"content": same, "path": "x/setup.py", "stars": 1000},
            {"content": same, "path": "x/module.py"},
        ],
    )
    assert outcomes(run(tmp_path, engine)) == {
        "x/setup.py": (None, None, None),
        "x/module.py": (None, None, None),
    }


@pytest.mark.parametrize("near", [False, True])
def test_nothing_to_compare(tmp_path, write_raw, engine, near):
    write_raw(tmp_path / "raw", [{"content": "", "path": "empty.py"}])
    recipe = CleanRecipe(dedup=DedupRecipe(near=near))
    assert outcomes(run(tmp_path, engine, recipe)) == {"empty.py": (None, None, None)}


def test_short_files_do_not_collapse_into_one(tmp_path, write_raw, engine):
    codes = ["a = 1\n", "b = 2\n", "c = 3\n", "x\n"]
    documents = [{"content": code, "path": f"{n}.py"} for n, code in enumerate(codes)]
    write_raw(tmp_path / "raw", documents)
    rules = build(RulesRecipe, {"min_code_lines": "off", "min_keywords": "off"})
    recipe = CleanRecipe(rules=rules, dedup=DedupRecipe(near=True))
    assert {value[0] for value in outcomes(run(tmp_path, engine, recipe)).values()} == {None}


def test_both_kinds_can_be_off(tmp_path, write_raw, good_code, engine):
    documents = [{"content": good_code(1), "path": path} for path in ("a.py", "b.py")]
    write_raw(tmp_path / "raw", documents)
    recipe = CleanRecipe(dedup=DedupRecipe(exact=False, near=False))
    assert {value[0] for value in outcomes(run(tmp_path, engine, recipe)).values()} == {None}


def test_a_file_that_is_lost_while_comparing_stays(tmp_path, write_raw, good_code, losing_engine):
    first = good_code(1)
    documents = [{"content": first, "path": "a.py"}, {"content": edited(first), "path": "b.py"}]
    write_raw(tmp_path / "raw", documents)
    folder = run(tmp_path, losing_engine())
    assert outcomes(folder)["b.py"][0] == "near_duplicate"
    # The signals are known, so that now only the comparison loses the row.
    loses = losing_engine([("shard-00000.parquet", 1)])
    run_clean(folder, NEAR, seed=1, engine=loses, stage="near")
    assert outcomes(folder)["b.py"] == (None, None, None)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"min_jaccard": 0.0}, "min_jaccard must be above 0"),
        ({"bands": 8}, "bands and band_rows must be stated together"),
        ({"bands": 64, "band_rows": 8}, "bands x band_rows must be at most"),
        ({"survivor_order": ["shining"]}, "survivor_order must hold one of stars"),
        ({"survivor_order": ["stars up"]}, "survivor_order must hold one of stars"),
    ],
)
def test_impossible_recipes_are_refused(values, problem):
    with pytest.raises(RecipeError, match=problem):
        build(DedupRecipe, values)


def test_the_survivor_is_chosen_by_the_recipes_order(tmp_path, write_raw, good_code, engine):
    same = good_code(1)
    write_raw(
        tmp_path / "raw",
        [
            {"content": same, "path": "starred.py", "stars": 9},
            {"content": same + "\n\n\n", "path": "large.py"},
        ],
    )
    recipe = CleanRecipe(dedup=DedupRecipe(survivor_order=("size desc",)))
    assert outcomes(run(tmp_path, engine, recipe))["starred.py"][1] == "large.py"
