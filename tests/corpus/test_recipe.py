from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import RecipeError
from corpus.recipe import as_plain, build, digest, read_recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    max_longest_line: int | None = 1000
    min_rate: float | None = 0.98
    drop_names: tuple[str, ...] = ("setup.py",)

    def __post_init__(self) -> None:
        if self.max_longest_line is not None and self.max_longest_line < 0:
            raise ValueError(f"max_longest_line must be >= 0, not {self.max_longest_line}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    name: str = "run"
    steps: int = 10
    mode: Literal["fast", "exact"] = "exact"
    run: Path = Path("runs")
    weights: dict[str, float] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)


def test_an_empty_recipe_is_the_defaults() -> None:
    assert build(Recipe, {}) == Recipe()


def test_off_is_none_and_zero_is_zero() -> None:
    recipe = build(Recipe, {"rules": {"max_longest_line": "off", "min_rate": 0}})
    assert recipe.rules.max_longest_line is None
    assert recipe.rules.min_rate == 0.0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"stepz": 1}, r"stepz: unknown key; did you mean 'steps'\?"),
        ({"rules": {"max_longest_lime": 3}}, "rules.max_longest_lime: unknown key; did you mean"),
        ({"zzz": 1}, "zzz: unknown key; known: mode, name"),
        ({"steps": "ten"}, "steps: must be of type int, not str 'ten'"),
        ({"steps": True}, "steps: must be of type int, not bool True"),
        ({"steps": 1.5}, "steps: must be of type int"),
        ({"steps": "off"}, "steps: must be of type int"),
        ({"mode": "slow"}, "mode: must be one of 'fast', 'exact', not 'slow'"),
        ({"rules": 3}, "rules: must be a table"),
        ({"rules": {"max_longest_line": -1}}, "rules: max_longest_line must be >= 0, not -1"),
        ({"rules": {"drop_names": "a"}}, "rules.drop_names: must be of type list, not str 'a'"),
        ({"rules": {"drop_names": ["a", 1]}}, r"rules.drop_names\[1\]: must be of type str"),
        ({"weights": {"a": "b"}}, "weights.a: must be of type float"),
    ],
)
def test_what_does_not_fit_is_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        build(Recipe, table)
    assert caught.value.exit_code == 2


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_recipe_extends_another_and_overrides_win(tmp_path: Path) -> None:
    write(tmp_path, "base.toml", 'name = "base"\nsteps = 5\n[rules]\nmin_rate = 0.5\n')
    child = write(tmp_path, "child.toml", 'extends = "base.toml"\nname = "child"\n')
    recipe = read_recipe(child, Recipe, ("rules.max_longest_line=off", "run=/some/where"))
    assert (recipe.name, recipe.steps, recipe.run) == ("child", 5, Path("/some/where"))
    assert recipe.rules == Rules(max_longest_line=None, min_rate=0.5)


@pytest.mark.parametrize("override", ["steps", "=3", "a b=1"])
def test_a_malformed_override_is_named(tmp_path: Path, override: str) -> None:
    with pytest.raises(RecipeError, match="key=value"):
        read_recipe(write(tmp_path, "r.toml", ""), Recipe, (override,))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["steps=3", "stepz=3"], r"--set stepz=3: unknown key; did you mean 'steps'\?"),
        (["rules.max_longest_line=-1", "steps=3"], "--set rules.max_longest_line=-1: max_longest"),
        (["steps=3", "stepz=3", "mode=slow"], "--set stepz=3: unknown key"),
    ],
)
def test_an_override_that_can_not_be_is_named(
    tmp_path: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        read_recipe(write(tmp_path, "r.toml", ""), Recipe, tuple(overrides))


def test_an_override_is_not_blamed_for_its_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"r\.toml: stepz"):
        read_recipe(write(tmp_path, "r.toml", "stepz = 3"), Recipe, ("steps=3",))


def test_a_circle_of_extends_ends(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="circle"):
        read_recipe(write(tmp_path, "r.toml", 'extends = "r.toml"'), Recipe)


@pytest.mark.parametrize(
    ("text", "message"), [("steps = = 3", "not valid TOML"), ("stpes = 3", "r.toml: stpes")]
)
def test_errors_name_the_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_recipe(write(tmp_path, "r.toml", text), Recipe)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.toml: can't be read: No such file"):
        read_recipe(tmp_path / "none.toml", Recipe)


@given(st.integers(min_value=0), st.text(), st.lists(st.text()))
def test_plain_values_build_the_same_recipe_again(line: int, name: str, names: list[str]) -> None:
    recipe = Recipe(name=name, rules=Rules(max_longest_line=line, drop_names=tuple(names)))
    again = build(Recipe, as_plain(recipe))
    assert again == recipe
    assert digest(again) == digest(recipe)


def test_the_digest_changes_with_any_value() -> None:
    assert digest(Recipe()) != digest(Recipe(rules=Rules(min_rate=None)))
