"""The stage as a whole: tokenizer, token files, training, export; what is current is skipped.

clean/ -> tokenizer/ -> tokens/ -> checkpoints/ -> model/
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from corpus.errors import CheckpointError, StaleInputError
from corpus.events import Notice, Progress, Report, silent
from corpus.files import named_errors
from corpus.layout import RunFolder
from corpus.manifest import FILE_NAME, Manifest, file_entry, read_manifest, write_manifest
from corpus.recipe import as_plain
from train import loop
from train.checkpoint import Checkpoint, check_identity, latest_checkpoint, load_weights
from train.data import HeldOutBatch, HeldOutWindows, TokenFile, TrainingWindows, open_tokens
from train.device import pick_device
from train.evaluation import HeldOutScore, score_windows
from train.export import MODEL, export_model
from train.inputs import finished
from train.metrics import FILE_NAME as METRICS
from train.metrics import lines_until, training_curve
from train.model import GPTNeo, Shape, build_model, parameter_count
from train.pack import STAGE as PACK
from train.pack import bin_path, pack_corpus
from train.recipe import TrainRecipe
from train.sampling import complete
from train.tokenizer import (
    END_OF_TEXT,
    TOKENIZER_FILE,
    load_tokenizer,
    tokenizer_digest,
    train_tokenizer,
)

STAGE = "train"
VERSION = 1  # raised when the same checkpoint gives another model folder
HELD_OUT = ("validation", "test")


def run_training(
    recipe: TrainRecipe, *, seed: int, folder: RunFolder, report: Report = silent
) -> Manifest:
    """Everything from the cleaned corpus to the model folder; the model's manifest.

    Raises PycodegptError subclasses naming what is missing, damaged, or of another training.
    """
    train_tokenizer(folder.clean, folder.tokenizer, recipe.tokenizer, seed=seed, report=report)
    pack_corpus(folder.clean, folder.tokenizer, folder.tokens, recipe.pack, report=report)
    inputs = open_inputs(recipe, seed=seed, folder=folder, report=report)
    wanted = _wanted(inputs, recipe.loop.steps, folder)
    if done := finished(folder.model, wanted):
        report(Notice(f"model: up to date, {done.facts['steps']:,} steps"))
        return done
    last = train_model(inputs, folder, report)
    return export(inputs, last, folder, report)


@dataclass(frozen=True, slots=True)
class Inputs:
    """The opened token files, and what they make of the recipe."""

    plan: loop.Plan
    batches: TrainingWindows
    held_out: dict[str, TokenFile]  # by split; those with something to score


def open_inputs(
    recipe: TrainRecipe, *, seed: int, folder: RunFolder, report: Report = silent
) -> Inputs:
    """Check the token files against tokenizer and recipe, before anything is trained on them.

    Raises StaleInputError if they are not there, TokensError if they do not fit.
    """
    if not (folder.tokens / FILE_NAME).exists():
        raise StaleInputError(f"{folder.tokens}: no token files; run `pycodegpt train pack` first")
    digest = tokenizer_digest(folder.tokenizer)
    tokens = open_tokens(folder.tokens, "train", digest)
    batches = TrainingWindows(
        tokens,
        context=recipe.model.context,
        batch_windows=recipe.loop.batch_windows,
        seed=seed,
    )
    plan = loop.Plan(
        shape=Shape(vocab_size=len(tokens.token_bytes), **as_plain(recipe.model)),
        optimizer=recipe.optimizer,
        schedule=recipe.schedule,
        loop=recipe.loop,
        seed=seed,
        inputs={"tokenizer": digest, **_token_digests(folder.tokens)},
    )
    opened = {split: open_tokens(folder.tokens, split, digest) for split in HELD_OUT}
    held_out = {split: file for split, file in opened.items() if file.tokens > 1}
    for split in opened.keys() - held_out.keys():
        report(Notice(f"{split}: no held-out text, so no loss of it either", warning=True))
    return Inputs(plan, batches, held_out)


def train_model(inputs: Inputs, folder: RunFolder, report: Report = silent) -> Checkpoint:
    """Train to the recipe's last step, or on from the last checkpoint; see `loop.train`."""
    plan, batches = inputs.plan, inputs.batches
    epochs = plan.loop.steps * plan.loop.batch_windows / batches.count
    if epochs > 1:
        seen = f"{plan.loop.steps:,} steps read the {batches.tokens.tokens:,} training tokens"
        report(Notice(f"{seen} {epochs:.1f} times over", warning=True))
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
    if done := finished(folder.model, _wanted(inputs, found.state.step, folder)):
        report(Notice(f"model: up to date, {done.facts['steps']:,} steps"))
        return done
    return export(inputs, found, folder, report)


def export(
    inputs: Inputs, found: Checkpoint, folder: RunFolder, report: Report = silent
) -> Manifest:
    """Write the model folder, score it on the held-out splits, and tell of it in its manifest."""
    plan = inputs.plan
    model = build_model(plan.shape, plan.seed, pick_device(plan.loop.device))
    load_weights(found.path / MODEL, model)
    scores = {
        split: _final_score(model, file, split, plan, report)
        for split, file in inputs.held_out.items()
    }
    written = export_model(found.path / MODEL, plan.shape, folder.tokenizer, folder.model)
    manifest = dataclasses.replace(
        _wanted(inputs, found.state.step, folder),
        outputs=tuple(file_entry(path, folder.model) for path in written),
        counts={
            "parameters": parameter_count(model),
            "steps": found.state.step,
            "skipped_steps": found.state.skipped,
            "tokens_seen": found.state.tokens,
        },
        facts=_facts(inputs, found, scores, folder) | {"parameters": parameter_count(model)},
        seconds=round(found.state.seconds, 3),
    )
    write_manifest(folder.model, manifest)
    report(Notice(f"model: {folder.model}, step {found.state.step:,}"))
    return manifest


def _wanted(inputs: Inputs, step: int, folder: RunFolder) -> Manifest:
    """What the model folder's manifest says of its making, known before it is made."""
    plan = inputs.plan
    made_from = [folder.tokenizer / TOKENIZER_FILE]
    made_from += [bin_path(folder.tokens, split) for split in ("train", *HELD_OUT)]
    digests = {entry.path: entry for entry in read_manifest(folder.tokens, PACK).outputs}
    entries = []
    for path in made_from:
        known = digests.get(path.name)
        # Tokens of a whole corpus are not hashed again: packing has done so.
        entry = file_entry(path, folder.model) if known is None else known
        entries.append(dataclasses.replace(entry, path=f"../{path.parent.name}/{path.name}"))
    parameters: dict[str, Any] = {
        **plan.identity(),
        "final_eval_windows": plan.loop.final_eval_windows,
        "step": step,
        "version": VERSION,
    }
    return Manifest(stage=STAGE, parameters=parameters, inputs=tuple(entries))


def _facts(
    inputs: Inputs, found: Checkpoint, scores: dict[str, HeldOutScore], folder: RunFolder
) -> dict[str, Any]:
    state, plan = found.state, inputs.plan
    records = list(lines_until(folder.checkpoints / METRICS, state.step))
    curve = training_curve(records)
    return {
        "architecture": "GPTNeoForCausalLM",
        "shape": as_plain(plan.shape),
        "steps": state.step,
        "steps_asked": plan.loop.steps,
        "tokens_seen": state.tokens,
        "epochs": round(state.step * plan.loop.batch_windows / inputs.batches.count, 3),
        "skipped_steps": state.skipped,
        "train_seconds": round(state.seconds, 3),
        "train_loss": curve[-1]["train_loss"] if curve else state.loss,
        "held_out": as_plain(scores),
        "curve": curve,
        "samples": [r for r in records if r["kind"] == "sample" and r["step"] == state.step],
        "tokenizer": plan.inputs["tokenizer"],
        "checkpoint": found.digests[MODEL],
        "device": state.device,
        "torch": torch.__version__,
    }


def _final_score(
    model: GPTNeo, file: TokenFile, split: str, plan: loop.Plan, report: Report
) -> HeldOutScore:
    windows = HeldOutWindows(
        file, context=plan.shape.context, max_windows=plan.loop.final_eval_windows
    )

    def batches() -> Iterator[HeldOutBatch]:
        done = 0
        for batch in windows.batches(plan.loop.micro_batch_windows):
            yield batch
            done += len(batch.tokens)
            report(Progress(f"score {split}", done, len(windows.numbers), "windows"))

    device = next(model.parameters()).device
    return score_windows(model.loss_sum, batches(), device)


def _completions(plan: loop.Plan, tokenizer_folder: Path) -> loop.Completions:
    tokenizer = load_tokenizer(tokenizer_folder)
    begin = tokenizer.token_to_id(END_OF_TEXT)

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


def _token_digests(tokens: Path) -> dict[str, str]:
    """Digests of what the loop reads, by split, as packing has recorded them."""
    entries = {entry.path: entry.digest for entry in read_manifest(tokens, PACK).outputs}
    try:
        return {
            f"tokens.{split}": entries[bin_path(tokens, split).name]
            for split in ("train", "validation")
        }
    except KeyError as error:
        raise CheckpointError(
            tokens, f"the manifest has no digest of {error}; pack again"
        ) from error
