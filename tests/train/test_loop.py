import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import CheckpointError, DiskFullError, TrainError
from corpus.events import Event, Notice, Progress
from train.checkpoint import MODEL, OPTIMIZER, list_checkpoints
from train.data import HeldOutBatch
from train.loop import train
from train.metrics import FILE_NAME, lines_until
from train.model import Shape
from train.plan import Plan
from train.recipe import LoopRecipe, OptimizerRecipe, ScheduleRecipe
from train.step import train_step

SHAPE = Shape(vocab_size=40, context=12, layers=2, width=16, heads=2, window=4)
STEPS = 14
PLAN = Plan(
    shape=SHAPE,
    optimizer=OptimizerRecipe(learning_rate=1e-2),
    schedule=ScheduleRecipe(warmup_steps=3, final_fraction=0.1),
    loop=LoopRecipe(
        steps=STEPS,
        batch_windows=6,
        micro_batch_windows=4,
        eval_every_steps=5,
        save_every_steps=4,
        keep_checkpoints=2,
        device="cpu",
    ),
    seed=3,
    inputs={"tokenizer": "t", "tokens.train": "d"},
)


def periodic(step: int, rows: int = 6) -> torch.Tensor:
    """Counting rows from random starts: there is something to learn."""
    generator = torch.Generator().manual_seed(step)
    starts = torch.randint(SHAPE.vocab_size, (rows, 1), generator=generator)
    return (starts + torch.arange(SHAPE.context + 1)) % SHAPE.vocab_size


class Counting:
    """Batches that are a function of the step alone, until `stop_at`."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        if step == self.stop_at:
            raise RuntimeError("killed")
        rows = periodic(step)
        return rows[:, :-1], rows[:, 1:]


class Slow(Counting):
    """Slow enough for a kill to hit somewhere in the middle."""

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        time.sleep(0.03)
        return super().batch(step)


def held_out() -> Iterator[HeldOutBatch]:
    rows = periodic(10_000, rows=4)
    yield HeldOutBatch(rows[:, :-1], rows[:, 1:], torch.full((4,), 36))


def run(folder: Path, plan: Plan = PLAN, batches: Counting | None = None):
    events: list[Event] = []
    last = train(plan, batches or Counting(), held_out, folder, events.append)
    return last, events


def warnings(events: list[Event]) -> list[str]:
    return [e.text for e in events if isinstance(e, Notice) and e.warning]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(folder)
    return folder


def assert_same_result(folder: Path, whole: Path) -> None:
    last, expected = list_checkpoints(folder)[-1], list_checkpoints(whole)[-1]
    assert last.name == expected.name
    for name in (MODEL, OPTIMIZER):
        assert (last / name).read_bytes() == (expected / name).read_bytes(), name
    assert (folder / FILE_NAME).read_bytes() == (whole / FILE_NAME).read_bytes()


def test_training_learns_and_tells(tmp_path: Path) -> None:
    plan = replace(PLAN, loop=replace(PLAN.loop, steps=60))
    last, events = run(tmp_path, plan)
    assert last.state.step == 60
    assert last.state.tokens == 60 * 6 * 12
    records = list(lines_until(tmp_path / FILE_NAME, 60))
    losses = [r["loss"] for r in records if r["kind"] == "step"]
    assert len(losses) == 60
    assert losses[0] == pytest.approx(3.69, abs=0.05)  # ln 40: nothing known yet
    assert losses[-1] < 1.5
    scores = [(r["step"], r["bits_per_byte"]) for r in records if r["kind"] == "held_out"]
    assert [step for step, _ in scores] == list(range(5, 61, 5))
    assert scores[-1][1] < scores[0][1] / 2
    told = [e for e in events if isinstance(e, Progress)]
    assert [e.done for e in told] == list(range(1, 61))
    assert "loss" in told[-1].detail
    assert "bpb" in told[-1].detail


@settings(max_examples=8)
@given(stop_at=st.integers(0, STEPS - 1), again_at=st.integers(0, STEPS - 1))
def test_resumed_equals_uninterrupted(uninterrupted, tmp_path_factory, stop_at, again_at) -> None:
    folder = tmp_path_factory.mktemp("cut")
    for place in (stop_at, again_at):
        try:
            run(folder, batches=Counting(place))
        except RuntimeError:
            continue
    run(folder)
    assert_same_result(folder, uninterrupted)


def test_a_finished_training_is_left_alone(uninterrupted: Path) -> None:
    before = sorted((p, p.stat().st_mtime_ns) for p in uninterrupted.rglob("*"))
    last, events = run(uninterrupted, batches=Counting(0))
    assert last.state.step == STEPS
    assert not [e for e in events if isinstance(e, Progress)]
    assert sorted((p, p.stat().st_mtime_ns) for p in uninterrupted.rglob("*")) == before


@pytest.mark.parametrize(
    ("number", "leaves", "name"),
    [(signal.SIGINT, KeyboardInterrupt, "Ctrl-C"), (signal.SIGTERM, SystemExit, "SIGTERM")],
)
def test_a_signal_saves_the_step_and_leaves(uninterrupted, tmp_path, number, leaves, name) -> None:
    class Signalling(Counting):
        def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
            if step == 6:
                signal.raise_signal(number)
            return super().batch(step)

    before = signal.getsignal(number)
    events: list[Event] = []
    with pytest.raises(leaves) as caught:
        train(PLAN, Signalling(), held_out, tmp_path, events.append)
    assert signal.getsignal(number) == before
    if isinstance(caught.value, SystemExit):
        assert caught.value.code == 128 + signal.SIGTERM
    assert any(isinstance(e, Notice) and f"{name}: saved step 7" in e.text for e in events)
    assert list_checkpoints(tmp_path)[-1].name == "step-00000007"
    run(tmp_path)
    assert_same_result(tmp_path, uninterrupted)


def test_a_damaged_checkpoint_costs_its_steps_only(uninterrupted: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        run(tmp_path, batches=Counting(13))
    bad = list_checkpoints(tmp_path)[-1]
    (bad / MODEL).write_bytes(b"nothing")
    _, events = run(tmp_path)
    (told,) = warnings(events)
    assert str(bad) in told
    assert_same_result(tmp_path, uninterrupted)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shape": replace(SHAPE, width=32)}, "model.width is 16 there and 32 now"),
        ({"shape": replace(SHAPE, vocab_size=41)}, "model.vocab_size is 40 there and 41 now"),
        ({"inputs": {**PLAN.inputs, "tokenizer": "u"}}, "tokenizer is 't' there and 'u' now"),
        ({"seed": 4}, "seed is 3 there and 4 now"),
        ({"optimizer": OptimizerRecipe(learning_rate=0.5)}, "optimizer.learning_rate is 0.01"),
        ({"loop": replace(PLAN.loop, steps=99)}, "loop.steps is 14 there and 99 now"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(uninterrupted, changed, message) -> None:
    with pytest.raises(CheckpointError) as caught:
        run(uninterrupted, replace(PLAN, **changed))
    assert message in str(caught.value)
    assert "step-00000014" in str(caught.value)
    assert "--restart" in str(caught.value)


def test_what_changes_no_result_may_change_between_sittings(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        run(tmp_path, batches=Counting(6))
    loop = replace(PLAN.loop, save_every_steps=None, eval_every_steps=None, keep_checkpoints=1)
    run(tmp_path, replace(PLAN, loop=loop))
    assert [p.name for p in list_checkpoints(tmp_path)] == ["step-00000014"]


def test_a_full_disk_leaves_the_last_checkpoint(uninterrupted, tmp_path, monkeypatch) -> None:
    original = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if "step-00000008" in str(path):
            raise OSError(28, "No space left on device")
        return original(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(DiskFullError, match="step-00000008: no space left"):
            run(tmp_path)
    assert [p.name for p in list_checkpoints(tmp_path)] == ["step-00000004"]
    run(tmp_path)
    assert_same_result(tmp_path, uninterrupted)


def test_skipped_steps_are_counted_and_end_the_run_when_in_a_row(tmp_path, monkeypatch) -> None:
    wrong = {3, 4, 9}
    steps = iter(range(1, 1000))

    def now_and_then(model, optimizer, batch, *, nats, micro_batch, max_norm):
        factor = float("nan") if next(steps) in wrong else 1.0
        return train_step(
            model,
            optimizer,
            batch,
            nats=lambda x, y: nats(x, y) * factor,
            micro_batch=micro_batch,
            max_norm=max_norm,
        )

    monkeypatch.setattr("train.loop.train_step", now_and_then)
    last, events = run(tmp_path / "some")
    assert last.state.skipped == 3
    assert [text.split()[1] for text in warnings(events)] == ["3", "4", "9"]
    lines = list(lines_until(tmp_path / "some" / FILE_NAME, STEPS))
    assert {r["step"] for r in lines if r.get("skipped")} == wrong
    assert all(r["loss"] is None for r in lines if r.get("skipped"))

    wrong.update(range(1000))
    long = replace(PLAN, loop=replace(PLAN.loop, steps=50))
    with pytest.raises(TrainError, match=r"step 20: .* 20 steps in a row were not finite"):
        run(tmp_path / "all", long)


def test_lost_metrics_are_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        run(tmp_path, batches=Counting(10))
    (tmp_path / FILE_NAME).unlink()
    _, events = run(tmp_path)
    assert warnings(events) == ["metrics.jsonl lacks 8 of the 8 earlier steps"]


def test_tensorboard_gets_the_curves(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run(tmp_path, replace(PLAN, loop=replace(PLAN.loop, tensorboard=True)))
    read = events.EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    assert len(read.Scalars("train/loss")) == STEPS
    assert [e.step for e in read.Scalars("held_out/bits_per_byte")] == [5, 10, 14]


def kill_and_resume(folder: Path, delays: list[float]) -> None:
    """Train in a process of its own, kill it after each delay, then let it finish."""
    program = (
        "import sys; sys.path[:0] = sys.argv[2:]; import conftest, test_loop;"
        "from pathlib import Path;"
        "print('ready', flush=True);"
        "test_loop.run(Path(sys.argv[1]), batches=test_loop.Slow())"
    )
    here = Path(__file__)
    command = [sys.executable, "-c", program, str(folder), str(here.parent), str(here.parents[2])]
    for delay in delays:
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(delay)
            os.kill(process.pid, signal.SIGKILL)
    subprocess.run(command, check=True, capture_output=True)


def test_killed_and_resumed_equals_uninterrupted(uninterrupted: Path, tmp_path: Path) -> None:
    kill_and_resume(tmp_path, [0.25])
    assert_same_result(tmp_path, uninterrupted)


@pytest.mark.slow
def test_killed_at_ten_random_points(uninterrupted: Path, tmp_path: Path) -> None:
    dice = random.Random(5)
    for turn in range(5):
        kill_and_resume(tmp_path / str(turn), [dice.uniform(0.0, 0.5) for _ in range(2)])
        assert_same_result(tmp_path / str(turn), uninterrupted)
