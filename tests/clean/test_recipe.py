from pathlib import Path

import pytest

from clean.recipe import (
    CleanRecipe,
    DedupRecipe,
    LimitsRecipe,
    SplitRecipe,
    WriteRecipe,
    signal_parameters,
)
from corpus.errors import RecipeError
from corpus.recipe import build


@pytest.mark.parametrize(
    ("model", "values", "problem"),
    [
        (SplitRecipe, {"validation_share": 0.5, "test_share": 0.5}, "leave a share for training"),
        (SplitRecipe, {"test_share": -0.1}, "test_share must be at least 0"),
        (WriteRecipe, {"shard_bytes": 0}, "shard_bytes must be at least 1"),
        (WriteRecipe, {"shard_bytes": 2 << 30}, "shard_bytes must be at most"),
        (LimitsRecipe, {"workers": 0}, "workers must be at least 1"),
        (LimitsRecipe, {"row_cpu_s": 0.0}, "row_cpu_s must be above 0"),
        (LimitsRecipe, {"max_memory_bytes": 0}, "max_memory_bytes must be at least"),
        (DedupRecipe, {"permutations": 5000}, "permutations must be at most 4096"),
        (CleanRecipe, {"grammar": "2.7"}, 'grammar must be "running" or "3.8" and up'),
        (CleanRecipe, {"grammar": "3.7"}, 'grammar must be "running" or "3.8" and up'),
        (CleanRecipe, {"grammar": "newest"}, "not 'newest'"),
        (CleanRecipe, {"parser": "lib2to3"}, "parser: must be one of 'ast', 'ruff'"),
    ],
)
def test_impossible_values_are_refused(model, values, problem):
    with pytest.raises(RecipeError, match=problem):
        build(model, values)


@pytest.mark.parametrize("grammar", ["running", "3.8", "3.9", "3.10", "3.13"])
def test_a_grammar_is_a_version_of_python_3(grammar):
    assert build(CleanRecipe, {"grammar": grammar}).grammar == grammar


def test_the_stages_that_a_recipe_asks_for_follow_from_it_alone():
    plain = signal_parameters(CleanRecipe())
    assert (plain.tokenizer, plain.secrets, plain.contamination.problems) == (None, False, None)
    assert not plain.measure_compiles
    told = {
        "guess_encoding": True,
        "grammar": "3.9",
        "parser": "ruff",
        "measure_compiles": True,
        "tokenizer": "tokenizer.json",
        "secrets": {"count": True},
        "contamination": {"problems": ["humaneval"]},
        "dedup": {"shingle_tokens": 3, "permutations": 64},
    }
    parameters = signal_parameters(build(CleanRecipe, told))
    assert (parameters.guess_encoding, parameters.shingle_tokens) == (True, 3)
    assert (parameters.grammar, parameters.parser, parameters.permutations) == ("3.9", "ruff", 64)
    assert (parameters.tokenizer, parameters.secrets) == (Path("tokenizer.json"), True)
    assert parameters.measure_compiles
    assert parameters.contamination.problems == ("humaneval",)
