"""Checkpoints: one folder a saved step, whole or absent, and refused when damaged.

    checkpoints/step-00000100/model.safetensors      the weights, by transformers' names
                              optimizer.safetensors  AdamW's moments and the random states
                              state.json             the rest, and the digests of the other two

A folder is written aside, flushed and renamed; `state.json` is its completion marker.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from corpus.errors import CheckpointError, FileError
from corpus.events import Notice, Report, silent
from corpus.files import ASIDE_SUFFIX, file_digest, fsync, named_errors, remove_leftovers
from corpus.recipe import as_plain, digest

MODEL, OPTIMIZER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"
FORMAT = 1
_FOLDER = re.compile(r"step-(\d{8,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where training stands after `step` steps; with the weights, all that a resume needs.

    The position in the data is the step: batches are a pure function of it.
    """

    step: int
    tokens: int  # seen so far, targets scored
    skipped: int  # steps whose loss or gradient was not finite
    seconds: float  # spent in training steps, over all sittings
    loss: float | None  # nats a token of the last step that was not skipped
    identity: Mapping[str, Any]  # what a resumed run must agree on
    device: str = ""  # what the last sitting ran on
    threads: int = field(default_factory=torch.get_num_threads)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was found intact."""

    path: Path
    state: State
    digests: Mapping[str, str]  # SHA-256 of its files


def save_checkpoint(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, state: State
) -> Checkpoint:
    """Write `folder/step-N`, complete or not at all. Raises DiskFullError or FileError."""
    path = folder / f"step-{state.step:08}"
    aside = path.with_name(f"{path.name}.{os.getpid()}{ASIDE_SUFFIX}")
    with named_errors(path):
        aside.mkdir(parents=True)
        try:
            files = {MODEL: model_tensors(model), OPTIMIZER: _optimizer_tensors(model, optimizer)}
            digests = {}
            for name, tensors in files.items():
                write_tensors(aside / name, tensors)
                digests[name] = file_digest(aside / name)
            _write_state(aside / STATE, state, digests)
            fsync(aside)
            _discard(path)
            aside.replace(path)
            fsync(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return Checkpoint(path, state, digests)


def latest_checkpoint(folder: Path, report: Report = silent) -> Checkpoint | None:
    """The last intact checkpoint of a folder; None if there is none at all.

    A damaged one is named in a Notice and the one before it is taken. Raises CheckpointError if
    there are checkpoints and all are damaged: starting over is for the user to decide.
    """
    damaged = None
    for path in reversed(list_checkpoints(folder)):
        try:
            return open_checkpoint(path)
        except CheckpointError as error:
            damaged = error
            report(Notice(f"{error}; trying the checkpoint before it", warning=True))
    if damaged is not None:
        raise CheckpointError(
            folder, "no intact checkpoint is left; remove the folder to start training anew"
        ) from damaged
    return None


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoint folders, oldest first; half-written ones have another name."""
    if not folder.is_dir():
        return []
    with named_errors(folder):
        found = [path for path in folder.iterdir() if _FOLDER.fullmatch(path.name)]
    return sorted(found, key=_step)


def open_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint's state and verify its files. Raises CheckpointError."""
    try:
        fields = json.loads((path / STATE).read_text(encoding="utf-8"))
        recorded, digests, layout = fields.pop("digest"), fields["files"], fields["format"]
        if layout != FORMAT:
            raise CheckpointError(path, f"format {layout}; this version reads {FORMAT}")
        if recorded != digest(fields):
            raise CheckpointError(path, f"damaged: {STATE} does not match its own digest")
        state = State(**fields["state"])
    except OSError as error:
        raise CheckpointError(path, f"incomplete: {STATE}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(path, f"damaged: {STATE}: {error}") from error
    for name, expected in digests.items():
        _verify(path, name, expected)
    return Checkpoint(path, state, digests)


def check_identity(checkpoint: Checkpoint, wanted: Mapping[str, Any]) -> None:
    """Raise CheckpointError, naming both values, if the checkpoint is of another training."""
    found, asked = checkpoint.state.identity, as_plain(wanted)
    differences = [
        f"{key} is {found.get(key)!r} there and {asked.get(key)!r} now"
        for key in sorted({*found, *asked})
        if found.get(key) != asked.get(key)
    ]
    if differences:
        raise CheckpointError(
            checkpoint.path,
            f"of another training: {'; '.join(differences)}. Go back to those values, take "
            "another run folder, or train anew with --restart",
        )


def restore(checkpoint: Checkpoint, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put weights, moments and random states back as they were. Raises CheckpointError."""
    load_weights(checkpoint.path / MODEL, model)
    tensors = read_tensors(checkpoint.path / OPTIMIZER)
    torch.set_rng_state(tensors.pop("rng/cpu"))
    cuda_rng = tensors.pop("rng/cuda", None)
    if cuda_rng is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(cuda_rng)
    weights = dict(model.named_parameters())
    optimizer.state.clear()
    for key, tensor in tensors.items():
        kind, _, name = key.partition("/")
        optimizer.state[weights[name]][kind] = tensor.to(weights[name].device)


def load_weights(path: Path, model: nn.Module) -> None:
    """Load a weights file. Raises CheckpointError naming the first weight that doesn't fit."""
    tensors = read_tensors(path)
    expected = model.state_dict()
    for name in sorted({*tensors, *expected}):
        found = tuple(tensors[name].shape) if name in tensors else "missing"
        wanted = tuple(expected[name].shape) if name in expected else "unknown here"
        if found != wanted:
            raise CheckpointError(path, f"{name} is {found} in the file, {wanted} in the model")
    model.load_state_dict(tensors)


def prune_checkpoints(folder: Path, keep: int, step: int) -> None:
    """Remove all but the last `keep` checkpoints up to `step`, which was just saved or read.

    One of a later step can only be a damaged one that an earlier one was taken for.
    """
    found = list_checkpoints(folder)
    kept = [path for path in found if _step(path) <= step][-keep:]
    for path in found:
        if path not in kept:
            with named_errors(path):
                _discard(path)


def remove_half_written(folder: Path) -> int:
    """Delete the folders and files that a kill left half-written in `folder`; how many."""
    leftovers = list(folder.glob(f"step-*{ASIDE_SUFFIX}")) if folder.is_dir() else []
    for leftover in leftovers:
        shutil.rmtree(leftover, ignore_errors=True)
    return len(leftovers) + remove_leftovers(folder)


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The weights on the CPU, by name."""
    return {name: _on_cpu(tensor) for name, tensor in model.state_dict().items()}


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file and flush it. OSErrors pass."""
    # Serialised first and written by Python: safetensors' own writer hides the cause of a failure.
    path.write_bytes(safetensors.torch.save(dict(tensors), metadata={"format": "pt"}))
    fsync(path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file. Raises CheckpointError."""
    try:
        return safetensors.torch.load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(path, "no such file") from error
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(path, f"damaged: {error}") from error


def _optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = {
        f"{kind}/{name}": _on_cpu(value)
        for name, weight in model.named_parameters()
        for kind, value in optimizer.state[weight].items()
    }
    tensors["rng/cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["rng/cuda"] = torch.cuda.get_rng_state()
    return tensors


def _on_cpu(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu").contiguous()


def _write_state(path: Path, state: State, digests: Mapping[str, str]) -> None:
    fields = {"format": FORMAT, "state": as_plain(state), "files": dict(digests)}
    text = json.dumps({**fields, "digest": digest(fields)}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
    fsync(path)


def _verify(path: Path, name: str, expected: str) -> None:
    try:
        found = file_digest(path / name)
    except FileError as error:
        raise CheckpointError(path, f"incomplete: {name}: {error.problem}") from error
    if found != expected:
        raise CheckpointError(path, f"damaged: {name} does not match its digest")


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _discard(path: Path) -> None:
    # Renamed first: a kill in the middle must not leave half a checkpoint under its own name.
    if path.exists():
        gone = path.with_name(f"{path.name}.{os.getpid()}.gone{ASIDE_SUFFIX}")
        path.replace(gone)
        shutil.rmtree(gone)
