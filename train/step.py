"""One optimizer step over micro-batches, and the guard around steps that went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from corpus.errors import TrainError
from train.device import compute_precision
from train.model import IGNORED
from train.optimizer import clip_gradients

MAX_SKIPPED_IN_A_ROW = 20
Nats = Callable[[Tensor, Tensor], Tensor]  # (B, T) tokens and targets to summed loss in nats


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step did; `skipped` if a loss or gradient was not finite, and nothing moved."""

    loss: float  # nats per scored token, before the step
    grad_norm: float  # before clipping
    tokens: int  # scored
    skipped: bool


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Tensor, Tensor],
    *,
    nats: Nats,
    micro_batch: int,
    max_norm: float | None = 1.0,
) -> StepResult:
    """Step once over tokens and targets (B, T), `micro_batch` rows at a time.

    Every micro-batch is divided by the scored tokens of the whole batch, so that the split changes
    nothing but rounding. Raises TrainError if a micro-batch does not fit into memory.
    """
    tokens, targets = batch
    scored = int((targets != IGNORED).sum())
    if not scored:
        raise TrainError("a batch holds no target to score; pack the corpus again")
    device = next(model.parameters()).device
    loss = torch.zeros((), device=device)
    with _memory_errors(device, micro_batch):
        for x, y in zip(tokens.split(micro_batch), targets.split(micro_batch), strict=True):
            with compute_precision(device):
                part = nats(x.to(device), y.to(device)) / scored
            part.backward()
            loss += part.detach()
        norm = clip_gradients(model.parameters(), max_norm)
        finite = bool(torch.isfinite(loss + norm))
        if finite:
            optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return StepResult(float(loss), float(norm), scored, not finite)


class SkipGuard:
    """Counts skipped steps, and gives up when there are too many in a row."""

    def __init__(self, skipped: int = 0, most: int = MAX_SKIPPED_IN_A_ROW) -> None:
        self.skipped = skipped
        self._row, self._most = 0, most

    def saw(self, step: int, result: StepResult) -> None:
        """Take note of a step. Raises TrainError after too many skipped ones in a row."""
        if not result.skipped:
            self._row = 0
            return
        self.skipped += 1
        self._row += 1
        if self._row >= self._most:
            raise TrainError(
                f"step {step}: loss {result.loss}, gradient norm {result.grad_norm}: {self._row} "
                "steps in a row were not finite. Lower train.optimizer.learning_rate and train "
                "again from the last checkpoint or with --restart"
            )


@contextmanager
def _memory_errors(device: torch.device, micro_batch: int) -> Iterator[None]:
    """Say which knob to turn when a micro-batch does not fit."""
    try:
        yield
    except RuntimeError as error:
        # A GPU's allocator has a class of its own for this; the CPU's has only its name.
        if not isinstance(error, torch.OutOfMemoryError) and "CPUAllocator" not in str(error):
            raise
        raise TrainError(
            f"{micro_batch} windows at once do not fit into the memory of {device}: lower "
            f"train.loop.micro_batch_windows (half is {max(1, micro_batch // 2)}); "
            "the result stays the same"
        ) from error
