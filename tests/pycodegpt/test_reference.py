import re
from dataclasses import dataclass
from pathlib import Path

from pycodegpt.reference import DOCS, cli_page, field_comments, recipe_page

ROOT = DOCS.parent


def test_the_pages_are_what_the_code_says() -> None:
    """Run `make docs` when this fails."""
    assert (DOCS / "cli.md").read_text() == cli_page()
    assert (DOCS / "recipes.md").read_text() == recipe_page()


def test_every_option_says_what_it_does() -> None:
    undocumented = [line for line in cli_page().splitlines() if line.rstrip().endswith("`:")]
    assert not undocumented


@dataclass
class Sample:
    """A dataclass with comments in all the places where they stand."""

    # above
    first: int = 1
    second: int = 2  # beside
    # both
    third: int = 3  # sides
    fourth: int = 4


def test_comments_are_found_beside_and_above() -> None:
    assert field_comments(Sample) == {"first": "above", "second": "beside", "third": "both sides"}


def test_links_between_pages_lead_somewhere() -> None:

    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_recipes_shipped_are_valid() -> None:
    from corpus.recipe import read_recipe
    from pycodegpt.recipe import Recipe

    names = {path.name for path in Path(ROOT / "recipes").glob("*.toml")}
    assert {"demo.toml", "pycodegpt.toml", "pycodegpt-110m.toml"} <= names
    for name in names:
        read_recipe(ROOT / "recipes" / name, Recipe)
