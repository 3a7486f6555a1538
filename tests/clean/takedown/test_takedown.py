import dataclasses
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clean.dedup.index import store_of
from clean.inputs import input_shards, open_cleaning
from clean.recipe import CleanRecipe, DedupRecipe, SplitRecipe
from clean.run import run_clean
from clean.takedown.register import read_takedowns
from clean.takedown.stage import plan_takedown, take_down
from corpus.errors import UsageError
from corpus.layout import RunFolder
from corpus.manifest import Manifest, file_entry, read_manifest, write_manifest
from corpus.shards import list_shards, read_rows
from corpus.sidecars import sidecar_path

NEAR = CleanRecipe(dedup=DedupRecipe(near=True), split=SplitRecipe(validation_share=0.3))
BAD = {"repo_id": 1, "repo": "bad/Repo"}
SECRET = "unforgettable_word"  # of the repository that goes


@pytest.fixture
def folder(tmp_path, write_raw, good_code, engine) -> RunFolder:
    best = good_code(1)
    near = best.replace("result = 0", "result = 1")
    documents = [
        {"content": best, "path": "best.py", "stars": 9} | BAD,
        {"content": near, "path": "near.py", "repo_id": 2},
        {"content": best.replace("result = 0", f"result = {SECRET}"), "path": "nearer.py"} | BAD,
        {"content": best.replace("result = 0", "result = 2"), "path": "nearest.py", "repo_id": 6},
        {"content": best, "path": "copy.py", "repo_id": 3, "stars": 1},
        {"content": f"print '{SECRET}'", "path": "old.py"} | BAD,
        {"content": good_code(4), "path": "a.py", "repo_id": 4},
        {"content": good_code(5), "path": "b.py", "repo_id": 5},
        {"content": good_code(6).replace("result", SECRET), "path": "c.py"} | BAD,
    ]
    write_raw(tmp_path / "raw", documents, shards=3)
    run_clean(RunFolder(tmp_path), NEAR, seed=1, engine=engine)
    return RunFolder(tmp_path)


def down(folder: RunFolder, engine, *names: str, recipe: CleanRecipe = NEAR):
    plan = plan_takedown(folder, names or ("bad/repo",), date="2024-05-06", reason="asked")
    return take_down(folder, recipe, plan, seed=1, engine=engine)


def kept(folder: RunFolder) -> set[str]:
    paths: set[str] = set()
    for path in folder.clean.rglob("*.parquet"):
        paths.update(pq.read_table(path, columns=["path"]).column(0).to_pylist())
    return paths


def test_it_goes_from_the_corpus_and_survivors_are_elected_anew(folder, engine):
    assert kept(folder) == {"best.py", "a.py", "b.py", "c.py"}
    done = down(folder, engine)
    assert kept(folder) == {"copy.py", "a.py", "b.py"}
    assert done.summary.counts == {"kept": 3, "takedown": 4, "near_duplicate": 2}
    (takedown,) = done.plan.takedowns
    assert (takedown.id, takedown.name, takedown.files) == (1, "bad/Repo", 4)
    assert takedown.was_in_corpus == 2
    assert (done.plan.copies, done.plan.copied_by) == (1, 1)


def test_nothing_of_its_text_is_left_anywhere(folder, engine):
    words = [SECRET.encode(), b"part 1"]
    # Parquet compresses: look at the values.
    down(folder, engine)
    for path in folder.root.rglob("*"):
        if path.suffix == ".parquet":
            told = repr(pq.read_table(path).to_pydict()).encode()
        else:
            told = path.read_bytes() if path.is_file() else b""
        assert words[0] not in told, path
    for shard in list_shards(folder.raw):
        for row in read_rows(shard).to_pylist():
            assert (row["content"] == b"") == (row["repo_id"] == 1)
            assert row["size"] > 0


def test_the_near_index_forgets_what_nobody_else_has(folder, engine):
    def stored() -> set[bytes]:
        store = store_of(folder.sidecars, NEAR.dedup)
        parts = [store.open(name).batch.column("content") for name in store.parts()]
        return {bytes(content.bytes) for part in parts for content in part.to_pylist()}

    by_path = {}
    for shard in list_shards(folder.raw):
        path = sidecar_path(folder.sidecars, "fingerprint", shard)
        table = pq.read_table(path, columns=["content_digest"]).column(0)
        names = read_rows(shard, columns=["path"]).column(0)
        by_path.update(zip(names.to_pylist(), table.to_pylist(), strict=True))
    assert {by_path["nearer.py"], by_path["nearest.py"], by_path["best.py"]} <= stored()
    down(folder, engine)
    assert by_path["nearer.py"] not in stored()
    assert {by_path["nearest.py"], by_path["copy.py"]} <= stored()


def test_rows_stay_where_they_are(folder, engine):
    before = {shard.name: (shard.digest, shard.rows) for shard in list_shards(folder.raw)}
    others = {
        path: path.stat().st_mtime_ns for path in (folder.sidecars / "text").glob("*.parquet")
    }
    down(folder, engine)
    after = {shard.name: (shard.digest, shard.rows) for shard in list_shards(folder.raw)}
    assert after == before
    # What was measured of the others is not measured again.
    summary = run_clean(folder, NEAR, seed=1, engine=engine)
    assert not any(summary.made.values())
    text = pq.read_table(folder.sidecars / "text" / "shard-00000.parquet")
    repositories = pq.read_table(folder.raw / "shard-00000.parquet", columns=["repo_id"])
    for repo_id, row in zip(repositories.column(0).to_pylist(), text.to_pylist(), strict=True):
        assert (row["lines"] is None) == (repo_id == 1)
    assert set(others) == set((folder.sidecars / "text").glob("*.parquet"))


def test_manifests_say_so(folder, engine):
    down(folder, engine)
    expected = [
        {
            "id": 1,
            "name": "bad/Repo",
            "date": "2024-05-06",
            "files": 4,
            "was_in_corpus": 2,
            "reason": "asked",
        }
    ]
    for place, stage in ((folder.raw, "harvest"), (folder.clean, "clean")):
        assert read_manifest(place, stage).facts["takedowns"] == expected
    for entry in read_manifest(folder.raw).outputs:
        assert (folder.raw / entry.path).stat().st_size == entry.bytes


def test_a_later_run_keeps_it_out_whatever_the_recipe(folder, engine):
    down(folder, engine)
    loose = CleanRecipe(dedup=DedupRecipe(exact=False))
    summary = run_clean(folder, loose, seed=1, engine=engine)
    assert summary.counts["takedown"] == 4
    rule = open_cleaning(folder, loose, seed=1, measures=False).rules[0]
    assert (rule.name, rule.threshold) == ("takedown", (1,))


def test_raw_shards_that_came_back_are_emptied_again(folder, engine):
    whole = folder.root / "whole"
    shutil.copytree(folder.raw, whole)
    down(folder, engine)
    reference = {path: path.read_bytes() for path in folder.raw.glob("*.parquet")}
    shutil.rmtree(folder.raw)
    whole.rename(folder.raw)
    run_clean(folder, NEAR, seed=1, engine=engine)
    assert {path: path.read_bytes() for path in folder.raw.glob("*.parquet")} == reference
    assert read_manifest(folder.raw).facts["takedowns"]


def test_twice_is_once(folder, engine):
    down(folder, engine)
    before = {p: p.read_bytes() for p in folder.root.rglob("*") if p.is_file()}
    plan = plan_takedown(folder, ["bad/repo"], date="2025-01-01", reason="again")
    assert plan.known == {1}
    assert plan.takedowns[0].reason == "asked"
    take_down(folder, NEAR, plan, seed=1, engine=engine)
    assert {p: p.read_bytes() for p in folder.root.rglob("*") if p.is_file()} == before


def test_an_id_names_a_repository_too(folder, engine):
    assert down(folder, engine, "1").plan.takedowns[0].name == "bad/Repo"


def test_the_list_grows(folder, engine):
    down(folder, engine)
    down(folder, engine, "owner/repo4", "5")
    assert [takedown.id for takedown in read_takedowns(folder.takedowns)] == [1, 4, 5]
    assert kept(folder) == {"copy.py"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bad/repot", "no repository 'bad/repot' in .*; did you mean bad/Repo"),
        ("99", "no repository with the id 99"),
        ("bad", "'bad' is neither OWNER/REPO nor a repository's numeric id"),
        ("a/b/c", "neither OWNER/REPO"),
    ],
)
def test_an_unknown_repository_changes_nothing(folder, engine, name, message):
    before = {p: p.stat().st_mtime_ns for p in folder.root.rglob("*")}
    with pytest.raises(UsageError, match=message):
        down(folder, engine, "bad/repo", name)
    assert {p: p.stat().st_mtime_ns for p in folder.root.rglob("*")} == before


def test_before_any_cleaning_the_raw_shards_are_emptied(folder, engine):
    shutil.rmtree(folder.sidecars)
    shutil.rmtree(folder.clean)
    done = down(folder, engine)
    assert done.summary is None
    assert done.plan.takedowns[0].was_in_corpus is None
    assert not folder.clean.exists()
    rows = [row for shard in list_shards(folder.raw) for row in read_rows(shard).to_pylist()]
    assert {row["repo_id"] for row in rows if not row["content"]} == {1}


def test_a_near_index_that_nobody_keeps_up_goes(folder, engine):
    near = folder.sidecars / "near"
    assert near.is_dir()
    off = dataclasses.replace(NEAR, dedup=DedupRecipe(near=False))
    down(folder, engine, recipe=off)
    assert not near.exists()
    assert not (folder.sidecars / "bands").exists()


def derived(place: Path, stage: str, source: Path) -> None:
    place.mkdir()
    (place / "made.bin").write_bytes(source.read_bytes())
    write_manifest(
        place,
        Manifest(
            stage=stage,
            parameters={},
            inputs=(file_entry(source, place),),
            outputs=(file_entry(place / "made.bin", place),),
        ),
    )


def test_what_was_made_from_the_corpus_before_is_named(folder, engine):
    corpus = next(iter(sorted(folder.clean.rglob("*.parquet"))))
    derived(folder.tokens, "pack", corpus)
    derived(folder.model, "train", folder.tokens / "made.bin")
    done = down(folder, engine)
    assert done.stale == [folder.tokens, folder.model]
    for place in done.stale:
        (told,) = read_manifest(place).facts["made_before_takedowns"]
        assert (told["name"], told["date"]) == ("bad/Repo", "2024-05-06")
    # Made again, they are as good as new, however often the takedown is repeated.
    for place in done.stale:
        shutil.rmtree(place)
    derived(folder.tokens, "pack", next(iter(sorted(folder.clean.rglob("*.parquet")))))
    derived(folder.model, "train", folder.tokens / "made.bin")
    assert down(folder, engine).stale == []
    assert "made_before_takedowns" not in read_manifest(folder.model).facts


def test_a_repository_that_gave_nothing_makes_nothing_stale(folder, engine, write_raw, good_code):
    documents = [
        {"content": good_code(1), "path": "good.py", "repo_id": 1},
        {"content": "x = 1\n", "path": "short.py", "repo_id": 2},
    ]
    other = RunFolder(folder.root / "other")
    write_raw(other.raw, documents)
    run_clean(other, NEAR, seed=1, engine=engine)
    derived(other.tokens, "pack", next(iter(other.clean.rglob("*.parquet"))))
    done = down(other, engine, "owner/repo2")
    assert done.plan.takedowns[0].was_in_corpus == 0
    assert done.stale == []


def test_input_shards_are_still_what_the_manifest_says(folder, engine):
    down(folder, engine)
    assert sum(shard.rows for shard in input_shards(folder.raw)) == 9
