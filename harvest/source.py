"""Which server a recipe means: an address as it is, or GitHub on loopback for the run's length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from corpus.events import Notice, Report
from harvest.recipe import LOOPBACK, HarvestRecipe

# Loopback takes any token; with one the harvest goes the way that it goes on github.com.
_MADE_UP_TOKEN = "loopback-needs-no-token"


@dataclass(frozen=True, slots=True)
class Source:
    """An API's address and the tokens for it."""

    url: str
    tokens: Sequence[str] = field(repr=False)


@contextmanager
def open_source(recipe: HarvestRecipe, tokens: Sequence[str], report: Report) -> Iterator[Source]:
    """The server to harvest, up while the block runs. Raises FileError for an unreadable folder."""
    if recipe.api_url != LOOPBACK:
        if not tokens:
            text = (
                f"no token: {recipe.api_url} allows few requests without one (github.com: 60 an "
                "hour); set GITHUB_TOKEN in the environment"
            )
            report(Notice(text, warning=True))
        yield Source(recipe.api_url, tokens)
        return
    from harvest.loopback.catalog import git_catalog, installed_catalog
    from harvest.loopback.server import serve_in_thread

    folder = recipe.loopback_folder
    catalog = installed_catalog() if folder is None else git_catalog(folder)
    with serve_in_thread(catalog, limits=None) as server:
        # A real token has no business on this machine's own server.
        yield Source(server.url, [_MADE_UP_TOKEN])
