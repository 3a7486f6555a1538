from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import FileError
from harvest.recipe import HarvestRecipe
from harvest.selection import most_starred, plan_shards, read_opt_out, search_query

sizes = st.dictionaries(st.integers(1, 10**6), st.integers(0, 100), max_size=40).map(
    lambda each: list(each.items())
)


def test_the_query_says_what_the_recipe_says() -> None:
    assert search_query(HarvestRecipe()) == "language:Python"
    recipe = HarvestRecipe(
        language="Jupyter Notebook",
        min_stars=5,
        max_size_kb=900,
        min_size_kb=10,
        forks=True,
        archived=False,
    )
    expected = 'language:"Jupyter Notebook" stars:>=5 size:10..900 fork:true archived:false'
    assert search_query(recipe) == expected
    assert search_query(HarvestRecipe(language=None, max_stars=0)) == "stars:0..0"


@given(sizes, st.none() | st.integers(1, 7), st.none() | st.integers(1, 150), st.randoms())
def test_a_plan_holds_each_once_in_order_and_follows_from_the_list_alone(
    listed: list[tuple[int, int]], repositories: int | None, max_bytes: int | None, random: object
) -> None:
    shards = plan_shards(listed, repositories=repositories, max_bytes=max_bytes)
    assert [each for shard in shards for each in shard] == sorted(each for each, _ in listed)
    weights = dict(listed)
    for shard in shards:
        assert shard
        assert repositories is None or len(shard) <= repositories
        assert max_bytes is None or len(shard) == 1 or sum(map(weights.get, shard)) <= max_bytes
    random.shuffle(listed)  # type: ignore[attr-defined]
    assert plan_shards(listed, repositories=repositories, max_bytes=max_bytes) == shards


def test_the_most_starred_are_chosen_and_of_equals_the_older() -> None:
    assert most_starred([(5, 10), (3, 20), (4, 10), (9, 1)], 2) == {3, 4}
    assert most_starred([(5, 10), (3, 20)], None) == {3, 5}


def test_an_opt_out_list_covers_owners_and_repositories(tmp_path: Path) -> None:
    path = tmp_path / "opt-out.txt"
    path.write_text(
        "\ufeff# wishes\nSomeone\nother/Project  # by mail\nhttps://github.com/a/b/\n\n"
    )
    opt_out = read_opt_out(path)
    covered = ["someone/any", "SOMEONE/x", "Other/project", "a/b"]
    assert all(opt_out.covers(name) for name in covered)
    assert not any(opt_out.covers(name) for name in ["other/another", "some/one", "a/c"])
    assert not read_opt_out(None).covers("a/b")


@pytest.mark.parametrize("line", ["a/b/c", "two words"])
def test_a_line_that_can_not_be_understood_is_refused_not_ignored(
    tmp_path: Path, line: str
) -> None:
    path = tmp_path / "opt-out.txt"
    path.write_text(f"fine\n{line}\n")
    with pytest.raises(FileError, match="line 2"):
        read_opt_out(path)


def test_a_missing_or_binary_list_stops_the_harvest(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="nowhere"):
        read_opt_out(tmp_path / "nowhere")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(FileError, match="UTF-8"):
        read_opt_out(tmp_path / "binary")
