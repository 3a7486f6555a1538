from __future__ import annotations

from typing import Any

import pytest

from corpus.errors import RecipeError
from corpus.recipe import build, digest
from harvest.recipe import HarvestRecipe, moment


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
    ],
)
def test_a_value_that_can_not_be_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(RecipeError, match=field) as caught:
        build(HarvestRecipe, {field: value})
    assert "secret" not in str(caught.value)


def test_limits_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="min_stars"):
        HarvestRecipe(min_stars=5, max_stars=4)


def test_pace_is_no_part_of_the_selection() -> None:
    calm, hasty = HarvestRecipe(concurrency=1, retries=0), HarvestRecipe(concurrency=9)
    assert digest(calm.selection) == digest(hasty.selection)
    assert digest(calm.selection) != digest(HarvestRecipe(min_stars=1).selection)


def test_moments_are_utc() -> None:
    assert moment("x", "2020-01-31").isoformat() == "2020-01-31T00:00:00+00:00"
    assert moment("x", "2020-01-31T02:00:00+02:00").isoformat() == "2020-01-31T00:00:00+00:00"
