"""The commands, put together. Each stage's commands live in `pycodegpt/commands/`."""

from __future__ import annotations

from typing import Annotated

import typer

from pycodegpt import __version__
from pycodegpt.commands import cards, clean, eval, harvest, train

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.add_typer(harvest.app, name="harvest")
app.add_typer(clean.app, name="clean")
app.add_typer(train.app, name="train")
app.add_typer(eval.app, name="eval")
app.add_typer(cards.app, name="cards")


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"pycodegpt {__version__}")
        raise typer.Exit


@app.callback()
def front_door(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say which this is."),
    ] = False,
) -> None:
    """Harvest Python from GitHub, clean it, train PyCodeGPT on it, and score the result.

    The stages run in that order, each from what the one before it wrote into the run's folder.
    """
