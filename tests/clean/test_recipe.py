import tomllib
from pathlib import Path

import pytest

from clean.recipe import CleanRecipe, DedupRecipe, LimitsRecipe, SplitRecipe, WriteRecipe
from corpus.errors import RecipeError
from corpus.recipe import build

PRESET = Path(__file__).parents[2] / "recipes" / "pycodegpt.toml"


def test_the_preset_file_is_the_defaults_with_their_sources():
    table = tomllib.loads(PRESET.read_text())["clean"]
    assert build(CleanRecipe, table) == CleanRecipe()


@pytest.mark.parametrize(
    ("model", "values", "problem"),
    [
        (SplitRecipe, {"validation_share": 0.5, "test_share": 0.5}, "leave a share for training"),
        (SplitRecipe, {"test_share": -0.1}, "test_share must be at least 0"),
        (WriteRecipe, {"shard_bytes": 0}, "shard_bytes must be at least 1"),
        (WriteRecipe, {"shard_bytes": 2 << 30}, "shard_bytes must be at most"),
        (LimitsRecipe, {"workers": 0}, "workers must be at least 1"),
        (LimitsRecipe, {"row_cpu_s": 0.0}, "row_cpu_s must be above 0"),
        (LimitsRecipe, {"max_memory_bytes": 1}, "max_memory_bytes must be at least"),
        (DedupRecipe, {"permutations": 5000}, "permutations must be at most 4096"),
    ],
)
def test_impossible_values_are_refused(model, values, problem):
    with pytest.raises(RecipeError, match=problem):
        build(model, values)
