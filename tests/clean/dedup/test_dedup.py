from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clean.decide import is_decided
from clean.dedup.stage import EDGES_SCHEMA, SCHEMA, duplicate_stamps, edges_path
from clean.inputs import open_cleaning
from clean.recipe import CleanRecipe, DedupRecipe, RulesRecipe
from clean.redecide import redecide
from clean.run import run_clean
from corpus.errors import RecipeError, SidecarError, StaleInputError
from corpus.layout import RunFolder
from corpus.recipe import build
from corpus.shards import list_shards, read_rows
from corpus.sidecars import read_sidecar, read_stamp, sidecar_path, write_sidecar

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
        ({"survivor_order": ["shining"]}, "survivor_order must hold one of license"),
        ({"survivor_order": ["stars up"]}, "survivor_order must hold one of license"),
        ({"survivor_order": ["license up"]}, "survivor_order must hold one of license"),
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


LICENSED = DedupRecipe(near=True, survivor_order=("license", "stars desc"))
# What GitHub says, best first: permissive, none, and behind both whatever asks for more.
LICENSES = ("MIT", None, "GPL-3.0-only", "NOASSERTION")


def by_license(code: str, licenses) -> list[dict]:
    """Copies and near duplicates of one file, the worse the licence the more stars."""
    contents = [code, edited(code), code + "\n\n", edited(code) + "\n\n"]
    return [
        {"content": content, "path": f"{said}.py", "license": said, "stars": number, "repo_id": 9}
        for number, (said, content) in enumerate(zip(licenses, contents, strict=False))
    ]


@pytest.mark.parametrize("best", range(3))
@pytest.mark.parametrize("shards", [1, 3])
def test_a_permissive_licence_goes_before_none_and_none_before_all_others(
    tmp_path, write_raw, good_code, engine, best, shards
):
    write_raw(tmp_path / "raw", by_license(good_code(1), LICENSES[best:])[::-1], shards=shards)
    found = outcomes(run(tmp_path, engine, CleanRecipe(dedup=LICENSED)))
    assert [path for path, (reason, *_) in found.items() if reason is None] == [
        # Of the two that are alike by licence, the more starred one.
        "NOASSERTION.py" if LICENSES[best] == "GPL-3.0-only" else f"{LICENSES[best]}.py"
    ]


def test_a_licence_can_also_be_the_last_that_is_wanted(tmp_path, write_raw, good_code, engine):
    write_raw(tmp_path / "raw", by_license(good_code(1), LICENSES))
    order = ("license desc", "stars asc")
    recipe = CleanRecipe(dedup=DedupRecipe(near=True, survivor_order=order))
    assert outcomes(run(tmp_path, engine, recipe))["GPL-3.0-only.py"][0] is None


def test_a_survivor_order_depends_on_what_was_measured_of_licences(
    tmp_path, write_raw, good_code, engine
):
    write_raw(tmp_path / "raw", by_license(good_code(1), LICENSES))
    folder = run(tmp_path, engine)  # most stars
    assert outcomes(folder)["NOASSERTION.py"][0] is None
    recipe = CleanRecipe(dedup=LICENSED)
    cleaning = open_cleaning(folder, recipe, seed=1, engine=engine)
    assert redecide(cleaning).made == {"verdict": 0, "dedup": 1}
    assert outcomes(folder)["MIT.py"][0] is None
    assert is_decided(cleaning, folder.sidecars)
    # Measured by another version of the stage: what was decided by it is out of date.
    (shard,) = cleaning.shards
    path = sidecar_path(folder.sidecars, "license", shard)
    stamp = read_stamp(path)
    write_sidecar(path, read_sidecar(path, shard), replace(stamp, version=0), shard.rows)
    assert not is_decided(cleaning, folder.sidecars)
    with pytest.raises(StaleInputError, match="license: 1 of 1 shards are not measured"):
        redecide(cleaning)
    path.unlink()
    with pytest.raises(SidecarError, match="no such sidecar"):
        duplicate_stamps([shard], folder.sidecars, folder.sidecars, LICENSED)
    assert duplicate_stamps([shard], folder.sidecars, folder.sidecars, NEAR.dedup)
