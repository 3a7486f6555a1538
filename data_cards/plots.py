"""The pictures of cards and report, drawn to PNG files without a display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from corpus.files import atomic_path

_INK, _SOFT, _LOSS, _OURS = "#1f3a63", "#9db3d1", "#c8553d", "#c8553d"
_DPI = 130


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """What is left after one rule."""

    label: str
    limit: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One point of training: held-out values only where they were measured."""

    step: int
    train_loss: float | None  # nats a token
    validation_loss: float | None
    bits_per_byte: float | None


@dataclass(frozen=True, slots=True)
class Score:
    """One leaderboard row at one k, in percent."""

    name: str
    percent: float
    ours: bool


def draw_funnel(path: Path, steps: Sequence[FunnelStep]) -> None:
    """Files that remain after each rule, as shares of what came in."""
    figure, axes = _figure(height=0.36 * len(steps) + 0.9)
    first = max(steps[0].files, 1)
    shares = [100 * step.files / first for step in steps]
    places = range(len(steps))
    axes.barh(places, shares, color=_SOFT)
    for place, share, step in zip(places, shares, steps, strict=True):
        text = f"{step.files:,} files, {step.bytes / 1e6:,.1f} MB ({share:.1f}%)"
        axes.text(1, place, text, va="center", fontsize=8, color=_INK)
    axes.set_yticks(list(places), [step.label for step in steps], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of harvested files")
    _save(figure, path)


def draw_curve(path: Path, points: Sequence[CurvePoint]) -> None:
    """Training and held-out loss in nats a token over steps."""
    figure, axes = _figure(height=3.2)
    train = [(p.step, p.train_loss) for p in points if p.train_loss is not None]
    held = [(p.step, p.validation_loss) for p in points if p.validation_loss is not None]
    axes.plot(*_columns(train), color=_SOFT, linewidth=1.2, label="training batch")
    axes.plot(*_columns(held), color=_LOSS, marker="o", markersize=3, label="held-out repositories")
    axes.set_xlabel("step")
    axes.set_ylabel("loss, nats a token")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8)
    _save(figure, path)


def draw_scores(path: Path, k: int, scores: Sequence[Score]) -> None:
    """pass@k beside the published rows, best first."""
    ordered = sorted(scores, key=lambda score: score.percent)
    figure, axes = _figure(height=0.24 * len(ordered) + 0.9)
    colours = [_OURS if score.ours else _SOFT for score in ordered]
    axes.barh(range(len(ordered)), [score.percent for score in ordered], color=colours)
    axes.set_yticks(range(len(ordered)), [score.name for score in ordered], fontsize=7)
    for place, (score, label) in enumerate(zip(ordered, axes.get_yticklabels(), strict=True)):
        if score.ours:
            label.set(color=_OURS, fontweight="bold")
        axes.text(score.percent + 0.3, place, f"{score.percent:.2f}", va="center", fontsize=7)
    axes.set_xlabel(f"HumanEval pass@{k}, percent")
    _save(figure, path)


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in pairs], [y for _, y in pairs]


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.2, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    with atomic_path(path) as aside:
        # A fixed, empty "Software" keeps the bytes equal from run to run.
        figure.savefig(aside, format="png", dpi=_DPI, metadata={"Software": None})
