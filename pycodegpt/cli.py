"""The commands, put together. Each stage's commands live in `pycodegpt/commands/`."""

from __future__ import annotations

import typer

from pycodegpt.commands import cards, clean, eval, harvest, train

app = typer.Typer(
    help="Harvest Python from GitHub, clean it, train PyCodeGPT on it, and score the result.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(harvest.app, name="harvest")
app.add_typer(clean.app, name="clean")
app.add_typer(train.app, name="train")
app.add_typer(eval.app, name="eval")
app.add_typer(cards.app, name="cards")
