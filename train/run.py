"""The stage as a whole: tokenizer, token files, training, export; what is current is skipped.

clean/ -> tokenizer/ -> tokens/ -> checkpoints/ -> model/
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from corpus.errors import StaleInputError
from corpus.events import Notice, Report, silent
from corpus.files import named_errors
from corpus.layout import RunFolder
from corpus.manifest import Manifest
from train import loop
from train.account import export, wanted_manifest
from train.checkpoint import Checkpoint, check_identity, latest_checkpoint
from train.data import HeldOutBatch, HeldOutWindows
from train.export import special_tokens
from train.inputs import finished
from train.model import GPTNeo
from train.pack import pack_corpus
from train.plan import Inputs, Plan, open_inputs
from train.recipe import TrainRecipe
from train.sampling import complete
from train.tokenizer import load_tokenizer, train_tokenizer


def run_training(
    recipe: TrainRecipe, *, seed: int, folder: RunFolder, report: Report = silent
) -> Manifest:
    """Everything from the cleaned corpus to the model folder; the model's manifest.

    Raises PycodegptError subclasses naming what is missing, damaged, or of another training.
    """
    train_tokenizer(folder.clean, folder.tokenizer, recipe.tokenizer, seed=seed, report=report)
    pack_corpus(folder.clean, folder.tokenizer, folder.tokens, recipe.pack, report=report)
    inputs = open_inputs(recipe, seed=seed, folder=folder, report=report)
    if done := _exported(inputs, recipe.loop.steps, folder, report):
        return done
    last = train_model(inputs, folder, report)
    return export(inputs, last, folder, report)


def train_model(inputs: Inputs, folder: RunFolder, report: Report = silent) -> Checkpoint:
    """Train to the recipe's last step, or on from the last checkpoint; see `loop.train`."""
    plan, batches = inputs.plan, inputs.batches
    if inputs.epochs > 1:
        seen = f"{plan.loop.steps:,} steps read the {batches.tokens.tokens:,} training tokens"
        report(Notice(f"{seen} {inputs.epochs:.1f} times over", warning=True))
    validation = inputs.held_out.get("validation")

    def held_out() -> Iterator[HeldOutBatch]:
        if validation is not None:
            windows = HeldOutWindows(
                validation, context=plan.shape.context, max_windows=plan.loop.eval_windows
            )
            yield from windows.batches(plan.loop.micro_batch_windows)

    completions = _completions(plan, folder.tokenizer) if plan.loop.sample_prompts else None
    return loop.train(plan, batches, held_out, folder.checkpoints, report, completions)


def restart(folder: RunFolder) -> bool:
    """Forget all checkpoints and metrics of the run; whether there were any."""
    if not folder.checkpoints.exists():
        return False
    with named_errors(folder.checkpoints):
        shutil.rmtree(folder.checkpoints)
    return True


def export_latest(inputs: Inputs, folder: RunFolder, report: Report = silent) -> Manifest:
    """Export the last intact checkpoint, finished or not. Raises StaleInputError without one."""
    found = latest_checkpoint(folder.checkpoints, report)
    if found is None:
        raise StaleInputError(f"{folder.checkpoints}: no checkpoint; run `pycodegpt train loop`")
    check_identity(found, inputs.plan.identity())
    if found.state.step < inputs.plan.loop.steps:
        left = f"step {found.state.step:,} of {inputs.plan.loop.steps:,}"
        report(Notice(f"exporting a model that is still in training, {left}", warning=True))
    done = _exported(inputs, found.state.step, folder, report)
    return done or export(inputs, found, folder, report)


def _exported(inputs: Inputs, step: int, folder: RunFolder, report: Report) -> Manifest | None:
    done = finished(folder.model, wanted_manifest(inputs, step, folder))
    if done:
        report(Notice(f"model: up to date, {done.facts['steps']:,} steps"))
    return done


def _completions(plan: Plan, tokenizer_folder: Path) -> loop.Completions:
    tokenizer = load_tokenizer(tokenizer_folder)
    begin = special_tokens(tokenizer_folder)["bos_token_id"]

    def completions(model: GPTNeo, seed: int) -> Iterator[tuple[str, str]]:
        for prompt in plan.loop.sample_prompts:
            new = complete(
                model,
                [begin, *tokenizer.encode(prompt).ids],
                new_tokens=plan.loop.sample_tokens,
                temperature=plan.loop.sample_temperature,
                seed=seed,
            )
            yield prompt, tokenizer.decode(new)

    return completions
