"""The command of the cards stage."""

from __future__ import annotations

import typer

from pycodegpt.session import (
    DEFAULT_RECIPE,
    JsonOption,
    RecipeOption,
    SetOption,
    open_session,
    show,
)

app = typer.Typer()


@app.callback(invoke_without_command=True)
def cards(
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write dataset card, model card and report from what the run's manifests say."""
    from corpus.recipe import as_plain
    from data_cards.cards import write_cards

    with open_session(recipe, overrides) as session:
        settings, folder = session.recipe, session.folder
        manifest = write_cards(
            settings.cards, folder, name=settings.name, seed=settings.seed, report=session.report
        )
    written = [folder.cards / entry.path for entry in manifest.outputs]
    show(as_plain(manifest), "\n".join(str(path) for path in written), as_json=as_json)
