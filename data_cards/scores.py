"""The evaluation's result as cards show it, and the published rows beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import ManifestError
from corpus.manifest import FILE_NAME, Manifest
from data_cards.plots import Score

LEADERBOARD = "leaderboard.json"
_SUITES = {"humaneval": "HumanEval"}  # as its authors spell it


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One pass@k in percent, with its interval as text."""

    k: int
    percent: float
    interval: str


@dataclass(frozen=True, slots=True)
class Scores:
    """What the evaluation's manifest and leaderboard say."""

    suite: str
    protocol: str
    isolation: str
    rows: tuple[ScoreRow, ...]
    outcomes: Mapping[str, int]
    plot_k: int
    beside: tuple[Score, ...]  # ours and the published rows at `plot_k`

    @property
    def programs(self) -> int:
        """How many completions were run."""
        return sum(self.outcomes.values())


def read_scores(manifest: Manifest, folder: Path) -> Scores:
    """Read the result from an eval manifest and the leaderboard in `folder`.

    Raises ManifestError naming the file that lacks something.
    """
    try:
        facts = manifest.facts
        rows = tuple(_row(score) for score in facts["pass_at"])
        plot_k = rows[0].k if rows else 1
        return Scores(
            suite=_SUITES.get(facts["suite"], facts["suite"]),
            protocol=facts["how"],
            isolation=facts["isolation"],
            rows=rows,
            outcomes=manifest.counts,
            plot_k=plot_k,
            beside=_beside(folder / LEADERBOARD, plot_k),
        )
    except KeyError as error:
        problem = f"holds no {error}; run `pycodegpt eval run` again with this version"
        raise ManifestError(folder / FILE_NAME, problem) from error


def _row(score: Mapping[str, float]) -> ScoreRow:
    interval = f"{100 * score['low']:.2f} to {100 * score['high']:.2f}"
    return ScoreRow(int(score["k"]), 100 * score["value"], interval)


def _beside(path: Path, k: int) -> tuple[Score, ...]:
    try:
        board: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestError(path, f"can't be read ({error}); run `pycodegpt eval run`") from error
    ours = [Score(row["model"], row["scores"][f"pass@{k}"]["value"], True) for row in board["ours"]]
    published = [
        Score(row["model"], row[f"at_{k}"], False) for row in board["published"] if f"at_{k}" in row
    ]
    return (*ours, *published)
