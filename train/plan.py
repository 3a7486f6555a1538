"""What will be trained on what: recipe and token files, checked against each other first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from corpus.errors import StaleInputError, TokensError
from corpus.events import Notice, Report, silent
from corpus.layout import RunFolder
from corpus.manifest import FILE_NAME, FileEntry, read_manifest
from corpus.recipe import as_plain
from train.data import TokenFile, TrainingWindows, open_tokens
from train.model import INIT_STD, Shape
from train.pack import STAGE as PACK
from train.pack import bin_path
from train.recipe import LoopRecipe, ModelRecipe, OptimizerRecipe, ScheduleRecipe, TrainRecipe
from train.tokenizer import tokenizer_digest

HELD_OUT = ("validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to train and how; `inputs` are the digests of tokenizer and token files."""

    shape: Shape
    embedding_std: float = INIT_STD
    optimizer: OptimizerRecipe
    schedule: ScheduleRecipe
    loop: LoopRecipe
    seed: int
    inputs: Mapping[str, str]

    def identity(self) -> dict[str, Any]:
        """What a checkpoint must agree on; the rest of the recipe may change between sittings."""
        parts: dict[str, Any] = {
            "model": as_plain(self.shape),
            "optimizer": as_plain(self.optimizer),
            "schedule": as_plain(self.schedule),
        }
        flat = {f"{part}.{name}": v for part, values in parts.items() for name, v in values.items()}
        flat["model.embedding_std"] = self.embedding_std
        loop = {"loop.steps": self.loop.steps, "loop.batch_windows": self.loop.batch_windows}
        return {**flat, **loop, "seed": self.seed, **self.inputs}


@dataclass(frozen=True, slots=True)
class Inputs:
    """The plan and the opened token files that it speaks of."""

    plan: Plan
    batches: TrainingWindows
    held_out: dict[str, TokenFile]  # by split; those with something to score

    @property
    def epochs(self) -> float:
        """How often the training tokens are read, from the first step to the last."""
        return self.plan.loop.steps * self.plan.loop.batch_windows / self.batches.count


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
    packed = packed_files(folder)
    plan = Plan(
        shape=_shape(recipe.model, len(tokens.token_bytes)),
        embedding_std=recipe.model.embedding_std,
        optimizer=recipe.optimizer,
        schedule=recipe.schedule,
        loop=recipe.loop,
        seed=seed,
        # The test split is only scored at the end, so it does not bind a checkpoint.
        inputs={
            "tokenizer": digest,
            "tokens.train": packed["train"].digest,
            "tokens.validation": packed["validation"].digest,
        },
    )
    opened = {split: open_tokens(folder.tokens, split, digest) for split in HELD_OUT}
    held_out = {split: file for split, file in opened.items() if file.tokens > 1}
    for split in sorted(opened.keys() - held_out.keys()):
        report(Notice(f"{split}: no held-out text, so no loss of it either", warning=True))
    return Inputs(plan, batches, held_out)


def packed_files(folder: RunFolder) -> dict[str, FileEntry]:
    """Each split's token file as packing has recorded it, digest included. Raises TokensError."""
    entries = {entry.path: entry for entry in read_manifest(folder.tokens, PACK).outputs}
    try:
        return {s: entries[bin_path(folder.tokens, s).name] for s in ("train", *HELD_OUT)}
    except KeyError as error:
        problem = f"its manifest does not speak of {error}; pack again"
        raise TokensError(folder.tokens, problem) from error


def _shape(recipe: ModelRecipe, vocab_size: int) -> Shape:
    return Shape(
        vocab_size=vocab_size,
        context=recipe.context,
        layers=recipe.layers,
        width=recipe.width,
        heads=recipe.heads,
        window=recipe.window,
    )
