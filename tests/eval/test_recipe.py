import pytest

from corpus.errors import RecipeError
from corpus.recipe import build
from eval.recipe import EvalRecipe


def test_defaults_are_pycodegpts_numbers():
    recipe = build(EvalRecipe, {})
    assert (recipe.samples, recipe.ks, recipe.temperatures) == (100, (1, 10, 100), (0.2,))
    assert (recipe.top_p, recipe.max_new_tokens) == (0.95, 100)


@pytest.mark.parametrize(
    "table, complaint",
    [
        ({"samples": 0}, "samples: must be at least 1, not 0"),
        ({"ks": []}, "ks: must be"),
        ({"ks": [0]}, "ks: must be"),
        ({"temperatures": [-0.1]}, "temperatures: must be"),
        ({"temperatures": [0.2, 0.2]}, "temperatures: each once"),
        ({"top_p": 0.0}, "top_p: must be above 0"),
        ({"top_k": 0}, "top_k: must be at least 1"),
        ({"protocol": "pycodgpt"}, "protocol: must be one of"),
        ({"temperature": 0.2}, "temperature: unknown key; did you mean 'temperatures'"),
        ({"limits": {"cpu_s": 0.0}}, "cpu_s: must be above 0"),
        ({"limits": {"cpu_s": 90.0}}, "wall_s: must not be below"),
        ({"limits": {"memory_bytes": 1000}}, "memory_bytes: a Python needs"),
        ({"min_isolation": "none"}, "min_isolation: must be one of"),
    ],
)
def test_a_bad_value_names_its_key(table, complaint):
    with pytest.raises(RecipeError, match=complaint):
        build(EvalRecipe, table)


def test_off_switches_off():
    recipe = build(EvalRecipe, {"top_p": "off", "top_k": "off", "workers": "off"})
    assert (recipe.top_p, recipe.top_k, recipe.workers) == (None, None, None)
