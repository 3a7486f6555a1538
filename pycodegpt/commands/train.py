"""`pycodegpt train`: tokenizer, token files, training, export. What is current is skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

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
    from train.plan import Inputs

app = typer.Typer(
    no_args_is_help=True,
    help="""Train a GPT-Neo on the cleaned corpus.

    `run` does all four parts in order and skips what is up to date; the other commands do one part
    each. Stop with Ctrl-C whenever you like: the step in progress is saved, and the same command
    goes on from there.""",
)

RestartOption = Annotated[
    bool,
    typer.Option("--restart", help="Delete the run's checkpoints and train from the beginning."),
]
_MODEL_FACTS = (
    "parameters",
    "steps",
    "tokens_seen",
    "skipped_steps",
    "train_seconds",
    "train_loss",
    "held_out",
    "device",
)


@app.command()
def run(
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    restart: RestartOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train tokenizer and model, and export the model: everything from clean/ to model/."""
    from train import run as stage

    with open_session(recipe, overrides) as session:
        if restart:
            stage.restart(session.folder)
        manifest = stage.run_training(
            session.recipe.train,
            seed=session.recipe.seed,
            folder=session.folder,
            report=session.report,
        )
    _show_model(session, manifest, as_json)


@app.command()
def tokenizer(
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the tokenizer on the cleaned training split."""
    from train.tokenizer import train_tokenizer

    with open_session(recipe, overrides) as session:
        folder = session.folder
        facts = train_tokenizer(
            folder.clean,
            folder.tokenizer,
            session.recipe.train.tokenizer,
            seed=session.recipe.seed,
            report=session.report,
        ).facts
    rate = facts["held_out_bytes_per_token"]
    held_out = f", {rate:.2f} bytes a token on held-out text" if rate else ""
    text = f"{folder.tokenizer}: {facts['vocab_size']:,} tokens{held_out}"
    show({"folder": str(folder.tokenizer), **facts}, text, as_json=as_json)


@app.command()
def pack(
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Encode the cleaned corpus into token files."""
    from train.pack import pack_corpus

    with open_session(recipe, overrides) as session:
        folder = session.folder
        facts = pack_corpus(
            folder.clean,
            folder.tokenizer,
            folder.tokens,
            session.recipe.train.pack,
            report=session.report,
        ).facts
    splits = facts["splits"]
    counts = ", ".join(f"{name} {split['tokens']:,}" for name, split in splits.items())
    summary = {"folder": str(folder.tokens), **facts}
    show(summary, f"{folder.tokens}: tokens: {counts}", as_json=as_json)


@app.command()
def loop(
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    restart: RestartOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train the model on the token files, from the last checkpoint on."""
    from train import run as stage

    with open_session(recipe, overrides) as session:
        if restart:
            stage.restart(session.folder)
        last = stage.train_model(_open_inputs(session), session.folder, session.report)
    state = last.state
    summary = {
        "checkpoint": str(last.path),
        "step": state.step,
        "tokens": state.tokens,
        "skipped": state.skipped,
        "loss": state.loss,
        "seconds": round(state.seconds, 3),
        "device": state.device,
    }
    loss = f", loss {state.loss:.3f} nats a token" if state.loss is not None else ""
    text = f"{last.path}: {state.step:,} steps, {state.tokens:,} tokens{loss}"
    show(summary, text, as_json=as_json)


@app.command()
def export(
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the last checkpoint as a folder that transformers loads, and score it."""
    from train import run as stage

    with open_session(recipe, overrides) as session:
        manifest = stage.export_latest(_open_inputs(session), session.folder, session.report)
    _show_model(session, manifest, as_json)


def _open_inputs(session: Session) -> Inputs:
    from train.plan import open_inputs

    return open_inputs(
        session.recipe.train,
        seed=session.recipe.seed,
        folder=session.folder,
        report=session.report,
    )


def _show_model(session: Session, manifest: Manifest, as_json: bool) -> None:
    facts, folder = manifest.facts, str(session.folder.model)
    summary = {"folder": folder} | {name: facts[name] for name in _MODEL_FACTS}
    show(summary, model_text(folder, facts), as_json=as_json)


def model_text(folder: str, facts: dict[str, Any]) -> str:
    """The model in a few lines, for people."""
    lines = [
        f"{folder}: {facts['parameters'] / 1e6:.2f}M parameters, {facts['steps']:,} steps, "
        f"{facts['tokens_seen']:,} tokens, {facts['train_seconds']:.0f} s on {facts['device']}"
    ]
    if facts["train_loss"] is not None:
        lines.append(f"  train: {facts['train_loss']:.3f} nats a token")
    lines += [
        f"  {split}: {score['loss']:.3f} nats a token, {score['bits_per_byte']:.3f} bits per byte"
        for split, score in facts["held_out"].items()
    ]
    return "\n".join(lines)
