"""What every command shares: the options, the recipe they lead to, and how results are shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from corpus.events import Report
from corpus.layout import RunFolder
from corpus.recipe import read_recipe
from pycodegpt.recipe import Recipe
from pycodegpt.terminal import progress

RecipeOption = Annotated[
    Path, typer.Option("--recipe", "-r", metavar="FILE", help="The recipe that says what to do.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one value of the recipe; repeatable."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")]
DEFAULT_RECIPE = Path("recipes/demo.toml")


@dataclass(frozen=True, slots=True)
class Session:
    """An opened recipe: what to do, where, and whom to tell."""

    recipe: Recipe
    folder: RunFolder
    report: Report


@contextmanager
def open_session(recipe_path: Path, overrides: list[str] | None) -> Iterator[Session]:
    """Read the recipe and show progress while the block runs."""
    recipe = read_recipe(recipe_path, Recipe, tuple(overrides or ()))
    with progress() as report:
        yield Session(recipe, RunFolder(recipe.run), report)


def show(result: Any, text: str, *, as_json: bool) -> None:
    """Print a result on standard output: JSON for programs, or the text for people."""
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else text)
