import dataclasses

import pyarrow.parquet as pq
import pytest

from clean.ask.diff import both_sides, compare
from clean.inputs import open_cleaning
from clean.recipe import CleanRecipe, DedupRecipe
from clean.redecide import redecide
from clean.run import run_clean
from corpus.errors import ShardError, StaleInputError
from corpus.layout import RunFolder
from corpus.shards import list_shards, read_rows

NEAR = CleanRecipe(dedup=DedupRecipe(near=True))
STRICT = dataclasses.replace(NEAR, rules=dataclasses.replace(NEAR.rules, max_longest_line=250))


@pytest.fixture
def folder(tmp_path, write_raw, good_code, engine) -> RunFolder:
    best = good_code(1)
    wide = best.replace("result = 0", f"result = 1  # {'z' * 300}")
    documents = [
        {"content": wide, "path": "wide.py", "repo_id": 1, "stars": 9},
        {"content": best, "path": "best.py", "repo_id": 2},
        {"content": good_code(3), "path": "other.py", "repo_id": 3},
        {"content": good_code(4), "path": "more.py", "repo_id": 4},
    ]
    write_raw(tmp_path / "raw", documents, shards=2)
    run_clean(RunFolder(tmp_path), NEAR, seed=1, engine=engine)
    return RunFolder(tmp_path)


def again(folder: RunFolder, recipe: CleanRecipe):
    return redecide(open_cleaning(folder, recipe, seed=1, measures=False))


def poison(folder: RunFolder) -> None:
    """Damage the content of every raw shard behind its footer."""
    for shard in list_shards(folder.raw):
        with pq.ParquetFile(shard.path) as file:
            group = file.metadata.row_group(0)
            columns = [group.column(i) for i in range(group.num_columns)]
            (content,) = (c for c in columns if c.path_in_schema == "content")
            start, length = content.data_page_offset, content.total_compressed_size
            start = min(start, content.dictionary_page_offset or start)
        data = bytearray(shard.path.read_bytes())
        data[start : start + length] = b"\xff" * length
        shard.path.write_bytes(data)
        with pytest.raises(ShardError):
            read_rows(shard, columns=["content"])


def test_no_content_is_read(folder):
    poison(folder)
    decided = again(folder, STRICT)
    assert decided.counts == {"kept": 3, "long_line": 1}
    before, after = (open_cleaning(folder, r, seed=1, measures=False) for r in (NEAR, STRICT))
    with both_sides(before, after) as sides:
        assert compare(*sides, examples=3).counts.flipped == 2


def test_what_changed_is_told_and_the_corpus_stays(folder, engine):
    corpus = {path: path.read_bytes() for path in folder.clean.rglob("*") if path.is_file()}
    decided = again(folder, STRICT)
    assert decided.made == {"verdict": 2, "dedup": 2}
    assert decided.flips.kinds == {("kept", "long_line"): 1, ("near_duplicate", "kept"): 1}
    assert (decided.flips.before.files, decided.flips.after.files) == (3, 3)
    assert not decided.written
    assert {p: p.read_bytes() for p in folder.clean.rglob("*") if p.is_file()} == corpus
    assert not folder.scratch.exists()
    summary = run_clean(folder, STRICT, seed=1, engine=engine)
    assert {name for name, made in summary.made.items() if made} == {"write"}
    assert again(folder, STRICT).written


def test_the_same_recipe_decides_nothing(folder):
    decided = again(folder, NEAR)
    assert not any(decided.made.values())
    assert decided.written
    assert decided.flips.flipped == 0


def test_the_halves_of_two_decisions_are_no_decision(folder):
    (folder.sidecars / "verdict" / "shard-00000.parquet").unlink()
    decided = again(folder, STRICT)
    assert decided.flips is None
    assert decided.counts == {"kept": 3, "long_line": 1}


def test_what_was_never_measured_can_not_be_decided(tmp_path, write_raw, good_code):
    write_raw(tmp_path / "raw", [{"content": good_code(1)}])
    with pytest.raises(StaleInputError, match="nothing was measured yet; clean run first"):
        again(RunFolder(tmp_path), NEAR)
