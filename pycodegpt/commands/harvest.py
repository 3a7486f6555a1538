"""Commands that bring raw shards: `plan`, `run`, `refresh`, `status`, and GitHub on `loopback`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corpus.errors import UsageError
from pycodegpt.commands import harvest_shown as shown
from pycodegpt.session import (
    DEFAULT_RECIPE,
    JsonOption,
    RecipeOption,
    Session,
    SetOption,
    open_session,
    show,
)

if TYPE_CHECKING:
    from corpus.manifest import Manifest
    from harvest.credentials import Credentials
    from harvest.loopback.repository import Catalog

ApiOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Where to harvest: https://api.github.com, GitHub Enterprise's https://HOST/api/v3, "
        "or the word loopback (packages of this machine).",
    ),
]
app = typer.Typer(
    no_args_is_help=True,
    help="Find repositories on GitHub and write their Python files as raw shards.",
)


@app.command()
def plan(
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    api_url: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """How many requests, bytes and hours a harvest will take; asks some dozens, fetches nothing."""
    from harvest.sample import forecast

    with open_session(recipe, _with_url(overrides, api_url)) as session:
        signed = _signed(session)
        planned = forecast(
            session.recipe.harvest, tokens=signed.tokens, app=signed.app, report=session.report
        )
    show(planned.as_json(), shown.plan(planned), as_json=as_json)


@app.command()
def run(
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    api_url: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """Harvest what the recipe selects; a stopped harvest goes on where it was.

    Tokens are read from the environment: GITHUB_TOKEN, or several in GITHUB_TOKENS, separated
    by commas, and from a file that GITHUB_TOKEN_FILE or the recipe names. A GitHub App is known by
    GITHUB_APP_ID, GITHUB_APP_INSTALLATION_ID and GITHUB_APP_PRIVATE_KEY_FILE. Tokens are sent to
    the API and its own git host, and nowhere else; several of one user share that user's limits.
    """
    from harvest.run import harvest

    with open_session(recipe, _with_url(overrides, api_url)) as session:
        signed = _signed(session)
        manifest = harvest(
            session.recipe.harvest,
            session.folder,
            tokens=signed.tokens,
            app=signed.app,
            report=session.report,
        )
    result = _summary(manifest, session.folder.raw)
    show(result, shown.harvested(result), as_json=as_json)


@app.command()
def refresh(
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a finished harvest up to date: ask what changed, and fetch that into new shards.

    Shards that are there never change. The manifest says which rows are superseded, and what is
    gone (404), blocked (451) or opted out. A stopped refresh goes on where it was.
    """
    from harvest.refresh import refresh as bring_up_to_date

    with open_session(recipe, overrides) as session:
        signed = _signed(session)
        refreshed = bring_up_to_date(
            session.recipe.harvest,
            session.folder,
            tokens=signed.tokens,
            app=signed.app,
            report=session.report,
        )
    result = {
        **_summary(refreshed.manifest, session.folder.raw),
        "asked": refreshed.asked,
        "changed": refreshed.changed,
        "ended": refreshed.ended,
        "new_shards": refreshed.shards,
    }
    show(result, shown.refreshed(result), as_json=as_json)


@app.command()
def status(
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask the server what is left of the limits; costs none.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """How far the recipe's harvest is, how fast, and how long still; may be asked while it runs."""
    from dataclasses import asdict

    from harvest.status import ask_limits, status_of

    with open_session(recipe, overrides) as session:
        known = status_of(session.folder)
        result = {"frontier": str(session.folder.frontier), **asdict(known)}
        if ask:
            signed = _signed(session)
            result["limits"] = ask_limits(
                session.recipe.harvest, signed.tokens, session.report, app=signed.app
            )
    show(result, shown.status(result), as_json=as_json)


@app.command()
def loopback(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes any free port.")
    ] = 8080,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Serve this folder of bare git repositories (OWNER/NAME.git) instead of the "
            "packages installed here.",
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[ROUTE:]NAME[:EVERY]",
            help="Misbehave, for example archive:truncate:3 (each third archive) or search:429. "
            "Repeatable; a wrong name lists the right ones.",
        ),
    ] = None,
    limits: Annotated[bool, typer.Option(help="Keep GitHub's rate limits.")] = False,
) -> None:
    """Serve GitHub's API on this machine until Ctrl-C, for trying out and for local mirrors."""
    import asyncio

    from harvest.loopback.catalog import git_catalog, installed_catalog
    from harvest.switches import parse_fault

    try:
        faults = [parse_fault(text) for text in fault or ()]
    except ValueError as error:
        raise UsageError(f"--fault {error}") from None
    catalog: Catalog
    if folder is None:
        catalog = installed_catalog()
    else:
        catalog = git_catalog(folder)
        for path, why in catalog.skipped.items():
            typer.echo(f"warning: {path}: left out: {why}", err=True)
    try:
        asyncio.run(_serve(catalog, port, faults, limits))
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)


async def _serve(catalog: Catalog, port: int, faults: list[Any], limits: bool) -> None:
    import asyncio

    from harvest.loopback.server import GITHUB_LIMITS, Loopback

    kept = GITHUB_LIMITS if limits else None
    async with Loopback(catalog, port=port, faults=faults, limits=kept) as github:
        typer.echo(github.url)
        text = f"serving {len(catalog.repositories())} repositories; Ctrl-C stops"
        typer.echo(f"{text}\nharvest them: pycodegpt harvest run --api-url {github.url}", err=True)
        await asyncio.Event().wait()


def _with_url(overrides: list[str] | None, api_url: str | None) -> list[str]:
    return [*(overrides or ()), *([f"harvest.api_url={api_url}"] if api_url else ())]


def _signed(session: Session) -> Credentials:
    """What requests are signed with. Raises UsageError and FileError without showing any of it."""
    from harvest.credentials import read_credentials

    return read_credentials(os.environ, session.recipe.harvest.token_file, session.report)


def _summary(manifest: Manifest, raw: Path) -> dict[str, Any]:
    return {
        "raw": str(raw),
        "shards": len(manifest.outputs),
        "files": manifest.counts.get("files_kept", 0),
        "license_files": manifest.counts.get("files_kept_license", 0),
        "bytes": manifest.counts.get("bytes_kept", 0),
        "counts": manifest.counts,
        "coverage": manifest.facts.get("coverage"),
        "seconds": manifest.seconds,
    }
