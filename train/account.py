"""The exported model's account of itself: its scores, its curve, and `model/manifest.json`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import torch

from corpus.events import Notice, Progress, Report, silent
from corpus.layout import RunFolder
from corpus.manifest import Manifest, file_entry, write_manifest
from corpus.recipe import as_plain
from train.checkpoint import MODEL, Checkpoint, load_weights
from train.data import HeldOutBatch, HeldOutWindows, TokenFile
from train.device import pick_device
from train.evaluation import HeldOutScore, score_windows
from train.export import export_model
from train.metrics import FILE_NAME as METRICS
from train.metrics import lines_until, training_curve
from train.model import GPTNeo, build_model, parameter_count
from train.plan import Inputs, Plan, packed_files
from train.tokenizer import TOKENIZER_FILE

STAGE = "train"
VERSION = 1  # raised when the same checkpoint gives another model folder


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
        wanted_manifest(inputs, found.state.step, folder),
        outputs=tuple(file_entry(path, folder.model) for path in written),
        counts={"steps": found.state.step, "skipped_steps": found.state.skipped},
        facts={"parameters": parameter_count(model), **_facts(inputs, found, scores, folder)},
        seconds=round(found.state.seconds, 3),
    )
    write_manifest(folder.model, manifest)
    report(Notice(f"model: {folder.model}, step {found.state.step:,}"))
    return manifest


def wanted_manifest(inputs: Inputs, step: int, folder: RunFolder) -> Manifest:
    """What the manifest says of the model's making: known before it is made."""
    made_from = [file_entry(folder.tokenizer / TOKENIZER_FILE, folder.model)]
    # The tokens of a whole corpus are not hashed again: packing has done so.
    made_from += [
        dataclasses.replace(entry, path=f"../{folder.tokens.name}/{entry.path}")
        for entry in packed_files(folder).values()
    ]
    parameters: dict[str, Any] = {
        **inputs.plan.identity(),
        "final_eval_windows": inputs.plan.loop.final_eval_windows,
        "step": step,
        "version": VERSION,
    }
    return Manifest(stage=STAGE, parameters=parameters, inputs=tuple(made_from))


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
        "epochs": round(inputs.epochs * state.step / plan.loop.steps, 3),
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
    model: GPTNeo, file: TokenFile, split: str, plan: Plan, report: Report
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
