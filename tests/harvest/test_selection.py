from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import FileError, HarvestError
from harvest.recipe import HarvestRecipe
from harvest.selection import (
    Found,
    Judge,
    Judged,
    OptOut,
    Rules,
    fixed_query,
    plan_shards,
    read_opt_out,
    rules_of,
    search_query,
    whole_window,
)

candidates = st.dictionaries(
    st.integers(1, 10**6), st.tuples(st.integers(0, 9), st.integers(0, 100)), max_size=40
).map(lambda each: [(key, *value) for key, value in each.items()])


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
    expected = 'language:"Jupyter Notebook" fork:true archived:false stars:>=5 size:10..900'
    assert search_query(recipe) == expected
    assert search_query(HarvestRecipe(language=None, max_stars=0)) == "stars:0..0"


def test_windows_bring_their_own_ranges() -> None:
    recipe = HarvestRecipe(min_stars=5, max_size_kb=900, pushed_after="2020-01-31", archived=False)
    expected = "language:Python archived:false pushed:>=2020-01-31T00:00:00Z"
    assert fixed_query(recipe) == expected
    window = whole_window(recipe, 99)
    assert window.qualifier.endswith("1970-01-01T00:01:39Z stars:>=5 size:0..900")


@given(
    candidates,
    st.none() | st.integers(1, 20),
    st.none() | st.integers(1, 7),
    st.none() | st.integers(1, 150),
    st.randoms(),
)
def test_a_plan_holds_each_once_the_most_starred_first_and_follows_from_the_list_alone(
    listed: list[tuple[int, int, int]],
    limit: int | None,
    repositories: int | None,
    max_bytes: int | None,
    random: object,
) -> None:
    def plan() -> list[list[int]]:
        return plan_shards(listed, limit=limit, repositories=repositories, max_bytes=max_bytes)

    shards = plan()
    ranked = [each for _, each in sorted((-stars, each) for each, stars, _ in listed)]
    assert [each for shard in shards for each in shard] == ranked[:limit]
    weights = {each: size for each, _, size in listed}
    for shard in shards:
        assert shard
        assert repositories is None or len(shard) <= repositories
        assert (
            max_bytes is None
            or len(shard) == 1
            or sum(weights[each] for each in shard) <= max_bytes
        )
    random.shuffle(listed)  # type: ignore[attr-defined]
    assert plan() == shards


FACTS = Found(
    id=1,
    node_id="R_1",
    name="Ada/engine",
    stars=5,
    fork=False,
    archived=False,
    size_kb=10,
    license="MIT",
    created_at="2020-01-01T00:00:00Z",
    pushed_at="2021-01-01T00:00:00+00:00",
)
LANGUAGES = {"C": 10, "Python": 3}
JANUARY_2020 = 1_577_836_800


@pytest.mark.parametrize(
    ("field", "fits", "fails", "reason"),
    [
        ("min_stars", 5, 6, "few_stars"),
        ("max_stars", 5, 4, "many_stars"),
        ("min_size_kb", 10, 11, "small"),
        ("max_size_kb", 10, 9, "large"),
        ("created_from", JANUARY_2020, JANUARY_2020 + 1, "created_early"),
        ("created_until", JANUARY_2020, JANUARY_2020 - 1, "created_late"),
        ("pushed_after", 1_609_459_200, 1_609_459_201, "pushed_early"),
        ("licenses", frozenset({"mit"}), frozenset({"apache-2.0"}), "license"),
        ("licenses", None, frozenset(), "license"),
        ("min_python_bytes", 3, 4, "few_python_bytes"),
        ("language", "c", "Python", "language"),
    ],
)
def test_a_rule_rejects_what_is_past_its_limit_and_nothing_else(
    field: str, fits: Any, fails: Any, reason: str
) -> None:
    assert Rules().reject(FACTS, LANGUAGES) is None
    assert Rules(**{field: fits}).reject(FACTS, LANGUAGES) is None
    assert Rules(**{field: fails}).reject(FACTS, LANGUAGES) == reason


def test_forks_and_archived_ones_are_left_out_where_the_recipe_says_so() -> None:
    fork, archived = replace(FACTS, fork=True), replace(FACTS, archived=True)
    assert Rules(forks=False).reject_listing(fork) == "fork"
    assert Rules(archived=False).reject_listing(archived) == "archived"
    assert Rules().reject_listing(fork) is None
    assert Rules(forks=False).reject_listing(replace(FACTS, fork=None)) is None


def test_a_listing_that_says_nothing_is_not_rejected() -> None:
    silent = Found(id=1, node_id="R_1", name="a/b")
    strict = Rules(
        language="Python",
        min_python_bytes=1,
        min_stars=1,
        max_size_kb=1,
        created_from=1.0,
        pushed_after=1.0,
        forks=False,
        archived=False,
        licenses=frozenset(),
    )
    assert strict.reject_listing(silent) is None
    assert strict.reject(silent, {}) == "license"


def test_zero_is_a_limit_and_none_is_not() -> None:
    assert Rules(max_stars=0).reject_listing(FACTS) == "many_stars"
    assert Rules(max_stars=None).reject_listing(FACTS) is None
    assert Rules(min_python_bytes=0).reject(FACTS, {}) is None


def test_what_search_found_by_language_has_it() -> None:
    assert Rules(language="Python").reject(FACTS, LANGUAGES, searched=True) is None


def test_a_wish_holds_under_the_former_name_too() -> None:
    judge = Judge(Rules(min_stars=99), OptOut(frozenset({"ada/engine", "someone"})))
    assert judge.listed(FACTS).state == "opted_out"
    moved = replace(FACTS, name="other/engine")
    assert judge.listed(moved) == Judged(moved, "rejected", "few_stars")
    told = judge.detailed(moved, LANGUAGES, known_as="ada/engine", searched=False)
    assert told == ("opted_out", None)


@pytest.mark.parametrize("number", [-1, 2**63])
def test_numbers_that_github_does_not_give_are_one_clear_line(number: int) -> None:
    clear = rf"Ada/engine.*{number}.*api_url"
    with pytest.raises(HarvestError, match=clear):
        replace(FACTS, id=number)
    with pytest.raises(HarvestError, match=clear):
        replace(FACTS, stars=number)
    with pytest.raises(HarvestError, match=clear):
        replace(FACTS, size_kb=number)


def test_rules_come_from_the_recipe() -> None:
    recipe = HarvestRecipe(language=None, licenses=("MIT",), pushed_after="1970-01-02", forks=True)
    assert rules_of(recipe, 99) == Rules(
        created_from=0.0,
        created_until=99,
        pushed_after=86_400.0,
        licenses=frozenset({"mit"}),
    )


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
