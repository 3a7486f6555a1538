"""A refreshed harvest has two commits of a repository in its shards; the corpus has one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from clean.recipe import CleanRecipe, DedupRecipe
from clean.rules.catalog import choose_rules
from clean.rules.recipe import RulesRecipe
from clean.run import run_clean
from clean.superseded import STAGE, buried_in, superseded_in, update_superseded
from clean.takedown.stage import plan_takedown, take_down
from corpus.layout import RunFolder
from corpus.manifest import read_manifest, write_manifest
from corpus.schema import COPY, git_blob_id
from corpus.shards import list_shards, read_rows, write_shard
from corpus.sidecars import read_sidecar, sidecar_path

OLD, NEW, OTHER = "a" * 40, "b" * 40, "c" * 40


@pytest.fixture
def refreshed(tmp_path: Path, write_raw: Any, good_code: Any) -> RunFolder:
    """Repository 1: changed.py and moved.py at OLD, then changed.py at NEW, moved.py a copy.

    A fork, repository 2, is at OLD still; repository 3 holds what 1 has dropped.
    """
    folder = RunFolder(tmp_path / "run")
    names = ("before", "same", "dropped, held by 3", "own", "after")
    text = {name: good_code(number) for number, name in enumerate(names, 1)}
    write_raw(
        folder.raw,
        [
            {"repo_id": 1, "commit": OLD, "path": "changed.py", "content": text["before"]},
            {"repo_id": 1, "commit": NEW, "path": "changed.py", "content": text["after"]},
            {"repo_id": 1, "commit": OLD, "path": "moved.py", "content": text["same"]},
            {"repo_id": 2, "commit": OLD, "path": "fork.py", "content": text["own"]},
            {"repo_id": 1, "commit": OLD, "path": "c.py", "content": text["dropped, held by 3"]},
        ],
        shards=2,
    )
    copies = [(1, NEW, "there.py", "same"), (3, OTHER, "c.py", "dropped, held by 3")]
    with write_shard(folder.raw / "copies" / "shard-00001.parquet", COPY) as writer:
        rows = [
            {
                "repo_id": repository, "repo": f"owner/repo{repository}", "commit": commit,
                "path": path, "blob_id": git_blob_id(text[name].encode()), "stars": 1,
                "fork": False, "license": "MIT",
            }
            for repository, commit, path, name in copies
        ]  # fmt: skip
        writer.write(pa.Table.from_pylist(rows, schema=COPY))
    entry = {"id": 1, "name": "owner/repo1", "from": OLD, "to": NEW}
    state_facts(folder, superseded=[entry])
    return folder


def state_facts(folder: RunFolder, **facts: Any) -> None:
    manifest = read_manifest(folder.raw)
    write_manifest(folder.raw, replace(manifest, facts={**manifest.facts, **facts}))


def found(folder: RunFolder) -> set[tuple[int, str, str]]:
    shards = list_shards(folder.raw)
    update_superseded(shards, folder.sidecars, folder.raw, superseded_in(folder.raw))
    return {
        (row["repo_id"], row["commit"], row["path"])
        for shard in shards
        for row, mark in zip(
            read_rows(shard).to_pylist(),
            read_sidecar(sidecar_path(folder.sidecars, STAGE, shard), shard)[
                "superseded"
            ].to_pylist(),
            strict=True,
        )
        if mark
    }


def test_only_what_nobody_has_any_more_is_superseded(refreshed: RunFolder) -> None:
    assert found(refreshed) == {(1, OLD, "changed.py")}


def test_without_lists_of_copies_all_rows_of_the_older_commit_are(refreshed: RunFolder) -> None:
    (refreshed.raw / "copies" / "shard-00001.parquet").unlink()
    assert found(refreshed) == {(1, OLD, path) for path in ("changed.py", "moved.py", "c.py")}


def test_what_is_current_is_not_made_again(refreshed: RunFolder) -> None:
    shards = list_shards(refreshed.raw)
    pairs = superseded_in(refreshed.raw)
    arguments = (shards, refreshed.sidecars, refreshed.raw)
    assert update_superseded(*arguments, pairs) == 2
    assert update_superseded(*arguments, pairs) == 0
    assert update_superseded(*arguments, [*pairs, (2, OLD)]) == 2
    assert update_superseded(*arguments, []) == 0


def test_a_run_keeps_one_commit_and_says_why_the_other_went(
    refreshed: RunFolder, engine: Any
) -> None:
    recipe = CleanRecipe(dedup=DedupRecipe(near=False))
    summary = run_clean(refreshed, recipe, seed=1, engine=engine)
    assert summary.counts["superseded"] == 1
    assert summary.counts["kept"] == 4
    state_facts(refreshed, tombstones=[{"id": 2, "state": "opted_out", "rows": 1}])
    summary = run_clean(refreshed, recipe, seed=1, engine=engine)
    assert (summary.counts["tombstone"], summary.counts["superseded"]) == (1, 1)
    state_facts(refreshed, superseded=[], tombstones=[])
    assert run_clean(refreshed, recipe, seed=1, engine=engine).counts["kept"] == 5


def test_a_takedown_after_a_refresh(refreshed: RunFolder, engine: Any) -> None:
    recipe = CleanRecipe(dedup=DedupRecipe(near=False))
    run_clean(refreshed, recipe, seed=1, engine=engine)
    plan = plan_takedown(refreshed, ["owner/repo2"], reason="asked", date="2026-01-01")
    take_down(refreshed, recipe, plan, seed=1, engine=engine)
    summary = run_clean(refreshed, recipe, seed=1, engine=engine)
    assert (summary.counts["takedown"], summary.counts["superseded"]) == (1, 1)


def test_what_is_gone_is_not_buried(refreshed: RunFolder) -> None:
    states = ("gone", "blocked", "opted_out", "empty")
    graves = [{"id": number, "state": state} for number, state in enumerate(states)]
    state_facts(refreshed, tombstones=graves)
    assert buried_in(refreshed.raw) == {1, 2}


def test_graves_come_after_takedowns_and_superseded_rows_after_other_files() -> None:
    rules = choose_rules(RulesRecipe(), seed=1, taken_down={7}, buried={9, 8}, refreshed=True)
    assert [rule.name for rule in rules[:3]] == ["takedown", "tombstone", "python"]
    assert rules[1].threshold == (8, 9)
    assert rules[3].name == "superseded"  # a licence file is "not_python" as ever
