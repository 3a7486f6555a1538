"""The training loop: step, look up now and then, save, and go on exactly where a kill left it.

Batches are a pure function of the step, so a resumed run sees what an uninterrupted one sees; on
the CPU, with the same number of threads, its losses are equal bit by bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from corpus.events import Notice, Progress, Report, silent
from train import checkpoint as checkpoints
from train.checkpoint import Checkpoint, State
from train.data import HeldOutBatch
from train.device import device_name, pick_device
from train.evaluation import HeldOutScore, score_windows
from train.interrupt import StopRequest
from train.metrics import FILE_NAME, Metrics
from train.model import GPTNeo, build_model
from train.optimizer import build_optimizer, learning_rate, set_learning_rate
from train.plan import Plan
from train.step import Nats, SkipGuard, StepResult, train_step
from train.tracker import Tracker, open_tracker

HeldOutBatches = Callable[[], Iterable[HeldOutBatch]]
Completions = Callable[[GPTNeo, int], Iterable[tuple[str, str]]]  # model, seed: (prompt, text)


class Batches(Protocol):
    """Where batches come from."""

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Tokens and targets of step `step` (the first is 0), each (B, T) int64."""


def train(
    plan: Plan,
    batches: Batches,
    held_out: HeldOutBatches,
    folder: Path,
    report: Report = silent,
    completions: Completions | None = None,
) -> Checkpoint:
    """Train to the last step, from the last intact checkpoint of `folder` on; the final checkpoint.

    Raises CheckpointError if that checkpoint is of another training, TrainError or DiskFullError
    if it can't go on, and KeyboardInterrupt or SystemExit after saving if it was asked to stop.
    """
    checkpoints.remove_half_written(folder)
    found = checkpoints.latest_checkpoint(folder, report)
    if found is not None:
        checkpoints.check_identity(found, plan.identity())
        if found.state.step >= plan.loop.steps:
            return found
    device = pick_device(plan.loop.device)
    report(Notice(f"training on {device_name(device)}"))
    sitting = Sitting(plan, device, found, report)
    start = found.state.step if found else 0
    with (
        Metrics(folder / FILE_NAME, start) as metrics,
        open_tracker(folder, start, enabled=plan.loop.tensorboard) as tracker,
        StopRequest() as stop,
    ):
        _say_where(found, metrics, report)
        outlets = Outlets(metrics, tracker, held_out, completions)
        last = _run(sitting, batches, outlets, folder, stop)
    stop.leave()
    return last


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where a sitting writes what it measures, and what it measures on."""

    metrics: Metrics
    tracker: Tracker
    held_out: HeldOutBatches
    completions: Completions | None


class Sitting:
    """Model, optimizer and counters between one start of the program and its end."""

    def __init__(
        self, plan: Plan, device: torch.device, found: Checkpoint | None, report: Report
    ) -> None:
        self.plan, self.device, self.report = plan, device, report
        torch.manual_seed(plan.seed)  # else another each time, and checkpoints hold it
        self.model = build_model(plan.shape, plan.seed, device, plan.embedding_std)
        self.optimizer = build_optimizer(self.model, plan.optimizer)
        state = found.state if found else None
        if found is not None:
            checkpoints.restore(found, self.model, self.optimizer)
        self.step = state.step if state else 0
        self.tokens = state.tokens if state else 0
        self.seconds = state.seconds if state else 0.0
        self.loss = state.loss if state else None
        self.guard = SkipGuard(state.skipped if state else 0)
        self.score: HeldOutScore | None = None
        self.nats: Nats = self.model.loss_sum
        if plan.loop.compile and device.type == "cuda":
            self.nats = torch.compile(self.model.loss_sum)

    def advance(self, batch: tuple[Tensor, Tensor]) -> tuple[StepResult, float, float]:
        """Take one step; its result, learning rate and seconds."""
        started = time.perf_counter()
        plan = self.plan
        highest = plan.optimizer.learning_rate
        rate = learning_rate(self.step, plan.loop.steps, highest, plan.schedule)
        set_learning_rate(self.optimizer, rate)
        result = train_step(
            self.model,
            self.optimizer,
            batch,
            nats=self.nats,
            micro_batch=plan.loop.micro_batch_windows,
            max_norm=plan.optimizer.max_grad_norm,
        )
        self.guard.saw(self.step + 1, result)
        seconds = time.perf_counter() - started
        self.step += 1
        self.tokens += result.tokens
        self.seconds += seconds
        self.loss = self.loss if result.skipped else result.loss
        return result, rate, seconds

    def state(self) -> State:
        """What goes into a checkpoint."""
        return State(
            step=self.step,
            tokens=self.tokens,
            skipped=self.guard.skipped,
            seconds=self.seconds,
            loss=self.loss,
            identity=self.plan.identity(),
            device=device_name(self.device),
        )


def _run(
    sitting: Sitting, batches: Batches, outlets: Outlets, folder: Path, stop: StopRequest
) -> Checkpoint:
    loop = sitting.plan.loop
    while True:
        result, rate, seconds = sitting.advance(batches.batch(sitting.step))
        _record(outlets, sitting, result, rate, seconds)
        ended = sitting.step == loop.steps
        if ended or _due(sitting.step, loop.eval_every_steps):
            _evaluate(outlets, sitting)
        _tell(sitting, seconds, result)
        if ended or stop.signal is not None or _due(sitting.step, loop.save_every_steps):
            outlets.metrics.flush()
            saved = checkpoints.save_checkpoint(
                folder, sitting.model, sitting.optimizer, sitting.state()
            )
            checkpoints.prune_checkpoints(folder, loop.keep_checkpoints, sitting.step)
        if ended:
            return saved
        if stop.signal is not None:
            sitting.report(Notice(f"{stop.name}: saved step {sitting.step} as {saved.path}"))
            return saved


def _due(step: int, every: int | None) -> bool:
    return every is not None and step % every == 0


def _record(
    outlets: Outlets, sitting: Sitting, result: StepResult, rate: float, seconds: float
) -> None:
    values = {
        "loss": result.loss if math.isfinite(result.loss) else None,
        "grad_norm": result.grad_norm if math.isfinite(result.grad_norm) else None,
        "learning_rate": rate,
        "tokens": sitting.tokens,
        "skipped": result.skipped,
    }
    outlets.metrics.write("step", sitting.step, values)
    outlets.tracker.scalars(
        "train", sitting.step, {**values, "tokens_per_s": result.tokens / seconds}
    )
    if result.skipped:
        sitting.report(
            Notice(f"step {sitting.step} skipped: loss or gradient is not finite", warning=True)
        )


def _evaluate(outlets: Outlets, sitting: Sitting) -> None:
    score = score_windows(sitting.nats, outlets.held_out(), sitting.device)
    if score.tokens:
        sitting.score = score
        values = {"loss": score.loss, "bits_per_byte": score.bits_per_byte}
        outlets.metrics.write(
            "held_out", sitting.step, {**values, "tokens": score.tokens, "bytes": score.bytes}
        )
        outlets.tracker.scalars("held_out", sitting.step, values)
    if outlets.completions is not None:
        for prompt, text in outlets.completions(sitting.model, sitting.plan.seed + sitting.step):
            outlets.metrics.write("sample", sitting.step, {"prompt": prompt, "completion": text})


def _tell(sitting: Sitting, seconds: float, result: StepResult) -> None:
    parts = [f"loss {sitting.loss:.2f}"] if sitting.loss is not None else []
    if sitting.score is not None:
        parts.append(f"bpb {sitting.score.bits_per_byte:.2f}")
    pace = result.tokens / seconds
    parts.append(f"{pace / 1000:.3g}k tokens/s" if pace >= 1000 else f"{pace:.0f} tokens/s")
    total = float(sitting.plan.loop.steps)
    sitting.report(Progress("train", sitting.step, total, "steps", ", ".join(parts)))


def _say_where(found: Checkpoint | None, metrics: Metrics, report: Report) -> None:
    if found is None:
        return
    report(Notice(f"going on from {found.path}"))
    if found.state.threads != torch.get_num_threads():
        report(
            Notice(
                f"saved with {found.state.threads} threads, going on with "
                f"{torch.get_num_threads()}: losses will differ in the last digits"
            )
        )
    if metrics.missing_steps:
        lost = f"{FILE_NAME} lacks {metrics.missing_steps} of the {found.state.step} earlier steps"
        report(Notice(lost, warning=True))
