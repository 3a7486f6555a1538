"""Which server a recipe means: an address as it is, or GitHub on loopback for the run's length."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from corpus.events import Notice, Report
from harvest.credentials import Seated, User, grouped
from harvest.github import GitHubApi
from harvest.installation import App, Installation
from harvest.recipe import LOOPBACK, HarvestRecipe
from harvest.scheduler import Clock, Scheduler

# Loopback takes any token; with one the harvest goes the way that it goes on github.com.
_MADE_UP_TOKEN = "loopback-needs-no-token"


@dataclass(frozen=True, slots=True)
class Source:
    """An API's address and the tokens for it."""

    url: str
    tokens: Sequence[str] = field(repr=False)
    app: App | None = None


@asynccontextmanager
async def connected(
    recipe: HarvestRecipe, source: Source, clock: Clock, report: Report
) -> AsyncIterator[tuple[GitHubApi, Scheduler]]:
    """The API of that server, and the scheduler that all requests go through.

    Raises UsageError for a token that the server does not know.
    """
    users: list[Seated] = []
    if source.app is not None:
        users.append(Installation(source.app, source.url, clock.pause))

    def scheduled(users: Sequence[Seated]) -> tuple[GitHubApi, Scheduler]:
        scheduler = Scheduler(
            users,
            clock=clock,
            report=report,
            max_wait_s=recipe.max_wait_s,
            concurrency=recipe.concurrency,
        )
        timeout_s = recipe.read_timeout_s
        return GitHubApi(
            source.url, scheduler, timeout_s=timeout_s, retries=recipe.retries
        ), scheduler

    async def login_of(user: User) -> str:
        api, _ = scheduled([user])
        try:
            return await api.login()
        finally:
            api.close()

    users += await grouped(source.tokens, login_of)
    api, scheduler = scheduled(users)
    try:
        yield api, scheduler
    finally:
        api.close()


@contextmanager
def open_source(
    recipe: HarvestRecipe, tokens: Sequence[str], report: Report, *, app: App | None = None
) -> Iterator[Source]:
    """The server to harvest, up while the block runs. Raises FileError for an unreadable folder."""
    if recipe.api_url != LOOPBACK:
        if not tokens and app is None:
            text = (
                f"no token: {recipe.api_url} allows few requests without one (github.com: 60 an "
                "hour); set GITHUB_TOKEN in the environment"
            )
            report(Notice(text, warning=True))
        yield Source(recipe.api_url, tokens, app)
        return
    from harvest.loopback.catalog import Catalog, git_catalog, installed_catalog
    from harvest.loopback.server import serve_in_thread

    folder = recipe.loopback_folder
    catalog: Catalog = installed_catalog() if folder is None else git_catalog(folder)
    for path, why in getattr(catalog, "skipped", {}).items():
        report(Notice(f"{path}: left out: {why}", warning=True))
    with serve_in_thread(catalog, limits=None) as server:
        # A real token has no business on this machine's own server.
        yield Source(server.url, [_MADE_UP_TOKEN])
