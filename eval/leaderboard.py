"""Our score beside the published ones: a terminal table, Markdown, or plain values."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from eval.passk import PassAtK
from eval.published import PUBLISHED, Published

CAVEAT = (
    "Neighbouring rows can't be told apart: with HumanEval's 164 problems the 95% interval of a "
    "pass@1 of 8.2% is about [5.1, 11.5], of a pass@100 of 18.2% about [12.2, 24.3]. Published "
    "rows differ in prompts, stop rules, temperatures and numbers of samples."
)
_KS = (1, 10, 100)
_HEADERS = ("model", "pass@1", "pass@10", "pass@100", "how and from where")


@dataclass(frozen=True, slots=True, kw_only=True)
class OurRow:
    """A score of this project's own making, and how it came about."""

    model: str
    millions: float | None
    scores: dict[int, PassAtK] = field(default_factory=dict)  # by k
    how: str


@dataclass(frozen=True, slots=True)
class _Line:
    ours: bool
    millions: float | None
    cells: tuple[str, ...]


def table_text(ours: Sequence[OurRow], *, width: int = 120, color: bool = False) -> str:
    """The leaderboard as a table for a terminal, smallest models first; ours are marked."""
    table = Table(title="HumanEval, pass@k in percent", caption=CAVEAT, caption_justify="left")
    for header in _HEADERS:
        number = header.startswith("pass@")
        table.add_column(header, justify="right" if number else "left", no_wrap=number)
    for line in _lines(ours):
        name = f"> {line.cells[0]}" if line.ours else line.cells[0]
        table.add_row(name, *line.cells[1:], style="bold green" if line.ours else None)
    console = Console(file=io.StringIO(), width=width, force_terminal=color, highlight=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip("\n")


def markdown(ours: Sequence[OurRow]) -> str:
    """The leaderboard as a Markdown table; our rows are bold."""
    lines = ["| " + " | ".join(_HEADERS) + " |", "| --- | ---: | ---: | ---: | --- |"]
    for line in _lines(ours):
        cells = [cell.replace("|", "\\|") for cell in line.cells]
        if line.ours:
            cells = [f"**{cell}**" if cell else "" for cell in cells]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(["# HumanEval, pass@k in percent", "", *lines, "", CAVEAT, ""])


def plain(ours: Sequence[OurRow]) -> dict[str, Any]:
    """The leaderboard for programs; scores in percent."""
    rows = [
        {
            "model": row.model,
            "millions": row.millions,
            "how": row.how,
            "scores": {f"pass@{k}": _percents(score) for k, score in row.scores.items()},
        }
        for row in ours
    ]
    return {"ours": rows, "published": [asdict(row) for row in PUBLISHED], "caveat": CAVEAT}


def _lines(ours: Sequence[OurRow]) -> list[_Line]:
    lines = [_our_line(row) for row in ours] + [_published_line(row) for row in PUBLISHED]
    # Models of unpublished size come last.
    return sorted(lines, key=lambda line: (line.millions is None, line.millions or 0.0))


def _our_line(row: OurRow) -> _Line:
    cells = [_cell(row.scores.get(k)) for k in _KS]
    return _Line(True, row.millions, (row.model, *cells, row.how))


def _published_line(row: Published) -> _Line:
    cells = [f"{value:.2f}" for value in (row.at_1, row.at_10, row.at_100)]
    return _Line(False, row.millions, (row.model, *cells, row.source))


def _cell(score: PassAtK | None) -> str:
    if score is None:
        return ""
    return f"{100 * score.value:.2f} [{100 * score.low:.1f}, {100 * score.high:.1f}]"


def _percents(score: PassAtK) -> dict[str, float]:
    return {name: round(100 * getattr(score, name), 4) for name in ("value", "low", "high")}
