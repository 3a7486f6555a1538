from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corpus.errors import RecipeError
from corpus.recipe import build, digest, read_recipe
from harvest.recipe import HarvestRecipe, moment, moment_of_hour
from pycodegpt.recipe import Recipe


def test_the_default_is_github() -> None:
    assert HarvestRecipe().api_url == "https://api.github.com"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("api_url", "api.github.com"),
        ("api_url", "ftp://host"),
        ("api_url", "https://user:secret@host"),
        ("api_url", "https://host:port"),
        ("concurrency", 0),
        ("concurrency", 101),
        ("max_file_bytes", 0),
        ("repositories_per_shard", 0),
        ("retries", -1),
        ("read_timeout_s", 0.0),
        ("created_from", "yesterday"),
        ("created_until", "1960-01-01"),
        ("loopback_folder", "mirrors"),
        ("sources", []),
        ("sources", ["search", "search"]),
        ("sources", ["everything"]),
        ("sources", ["list"]),
        ("sources", ["earlier"]),
        ("sources", ["gharchive"]),
        ("list_file", "list.txt"),
        ("earlier", ["runs/a"]),
        ("gharchive_from", "2015-01-31-7"),
        ("ids_from", -1),
        ("ids_until", -1),
        ("min_python_bytes", -1),
        ("pushed_after", "lately"),
        ("licenses", "MIT"),
    ],
)
def test_a_value_that_can_not_be_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(RecipeError, match=field) as caught:
        build(HarvestRecipe, {field: value})
    assert "secret" not in str(caught.value)


def test_limits_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="min_stars"):
        HarvestRecipe(min_stars=5, max_stars=4)


@pytest.mark.parametrize("text", ["2015-01-31", "2015-01-31-24", "2015-13-01-0", "7", ""])
def test_an_hour_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="gharchive"):
        HarvestRecipe(sources=("gharchive",), gharchive_from=text, gharchive_until="2016-01-01-0")


def test_hours_are_utc_and_in_order() -> None:
    assert moment_of_hour("2015-01-31-7").isoformat() == "2015-01-31T07:00:00+00:00"

    def recipe(first: str, last: str) -> HarvestRecipe:
        return HarvestRecipe(sources=("gharchive",), gharchive_from=first, gharchive_until=last)

    assert recipe("2015-01-31-7", "2015-01-31-7").gharchive.startswith("https://")
    with pytest.raises(ValueError, match="gharchive_until"):
        recipe("2015-01-31-7", "2015-01-31-6")


def test_ids_in_the_wrong_order_are_refused() -> None:
    assert HarvestRecipe(sources=("ids",), ids_from=5, ids_until=5).ids_until == 5
    with pytest.raises(ValueError, match="ids_from"):
        HarvestRecipe(sources=("ids",), ids_from=5, ids_until=4)
    with pytest.raises(ValueError, match='"ids" in sources'):
        HarvestRecipe(ids_until=4)


def test_a_list_of_no_licence_is_not_the_same_as_none() -> None:
    assert build(HarvestRecipe, {"licenses": []}).licenses == ()
    assert build(HarvestRecipe, {"licenses": "off"}).licenses is None


def test_the_preset_takes_any_python() -> None:
    preset = read_recipe(Path("recipes/pycodegpt-110m.toml"), Recipe).harvest
    assert (preset.sources, preset.language, preset.min_python_bytes) == (("ids",), None, 1)


def test_pace_is_no_part_of_the_selection() -> None:
    calm, hasty = HarvestRecipe(concurrency=1, retries=0), HarvestRecipe(concurrency=9)
    assert digest(calm.selection) == digest(hasty.selection)
    assert digest(calm.selection) != digest(HarvestRecipe(min_stars=1).selection)


def test_moments_are_utc() -> None:
    assert moment("x", "2020-01-31").isoformat() == "2020-01-31T00:00:00+00:00"
    assert moment("x", "2020-01-31T02:00:00+02:00").isoformat() == "2020-01-31T00:00:00+00:00"
