import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.metrics import FILE_NAME, Metrics, lines_until, training_curve


def line(step: int) -> str:
    return json.dumps({"kind": "step", "step": step, "loss": 1.0}) + "\n"


@given(
    kept=st.integers(0, 6),
    tail=st.sampled_from(["", '{"kind": "st', "\x00\x00", "\n", "[]\n", '{"kind": "step"}\n']),
)
def test_metrics_are_cut_back_to_the_checkpoint(tmp_path_factory, kept: int, tail: str) -> None:
    path: Path = tmp_path_factory.mktemp("metrics") / FILE_NAME
    lines = [line(step) for step in range(1, 7)]
    path.write_text("".join(lines) + tail)
    with Metrics(path, kept) as metrics:
        assert metrics.missing_steps == 0
        metrics.write("step", kept + 1, {"loss": 1.0})
    assert path.read_text() == "".join(lines[:kept]) + line(kept + 1)


def test_missing_steps_are_counted(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_text(line(1) + line(2))
    with Metrics(path, 5) as metrics:
        assert metrics.missing_steps == 3
    assert list(lines_until(tmp_path / "missing", 5)) == []


@given(steps=st.integers(0, 700), points=st.integers(1, 50), every=st.integers(1, 40))
def test_the_curve_is_short_and_keeps_the_ends(steps: int, points: int, every: int) -> None:
    records = []
    for step in range(1, steps + 1):
        records.append({"kind": "step", "step": step, "loss": float(step), "skipped": False})
        if step % every == 0 or step == steps:
            score = {"loss": 2.0, "bits_per_byte": 1.0}
            records.append({"kind": "held_out", "step": step, **score})
    curve = training_curve(records, points)
    assert len(curve) <= points
    assert [p["step"] for p in curve] == sorted({p["step"] for p in curve})
    if steps:
        assert curve[-1]["step"] == steps
        assert curve[-1]["bits_per_byte"] == 1.0
        width = -(-steps // points)
        assert curve[0]["train_loss"] == pytest.approx((1 + min(width, steps)) / 2)


def test_skipped_steps_are_not_in_the_mean() -> None:
    records = [
        {"kind": "step", "step": 1, "loss": 2.0, "skipped": False},
        {"kind": "step", "step": 2, "loss": None, "skipped": True},
        {"kind": "step", "step": 3, "loss": None, "skipped": True},
    ]
    assert [p["train_loss"] for p in training_curve(records, 2)] == [2.0, None]
