import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from corpus.events import Notice, Progress
from pycodegpt.terminal import PlainLines, TerminalBars, duration, progress_line, quantity


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (7, "7"), (0.25, "0.25"), (1234, "1234"), (12_345, "12.3k"), (999_999, "1000k"),
     (1_500_000, "1.5M"), (2e9, "2G")],
)  # fmt: skip
def test_quantities_are_short(value: float, text: str) -> None:
    assert quantity(value) == text


@given(st.floats(0, 1e15))
def test_any_quantity_can_be_written(value: float) -> None:
    assert quantity(value)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (61, "1:01"), (3661, "1:01:01")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_line_says_rate_and_time_left() -> None:
    event = Progress("train", 40, 200, "steps", "loss 4.20")
    line = progress_line(event, 10.0, 40)
    assert line == "train: 40/200 steps, 4 steps/s, 0:40 left (loss 4.20)"


def test_a_finished_task_says_how_long_it_took() -> None:
    assert progress_line(Progress("a", 2, 2, "files"), 3.0, 2).endswith("took 0:03")


def test_a_pipe_gets_few_lines_and_always_the_last() -> None:
    now = 0.0
    lines: list[str] = []
    plain = PlainLines(lines.append, clock=lambda: now)
    for done in range(101):
        plain.report(Progress("clean", done, 100, "files"))
        now += 0.5
    assert len(lines) == 5
    assert lines[-1].startswith("clean: 100/100 files")
    plain.report(Notice("waiting", warning=True))
    assert lines[-1] == "warning: waiting"


def test_a_resumed_task_counts_its_rate_from_where_it_began() -> None:
    now = 0.0
    lines: list[str] = []
    plain = PlainLines(lines.append, clock=lambda: now)
    plain.report(Progress("train", 900, 1000, "steps"))
    now = 10.0
    plain.report(Progress("train", 910, 1000, "steps"))
    assert "1 steps/s, 1:30 left" in lines[0]


def test_a_finished_bar_stops_its_clock() -> None:
    now = 0.0
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, get_time=lambda: now)
    with TerminalBars(console) as bars:
        bars.report(Progress("verdict", 0, 5, "shards"))
        now = 2.0
        bars.report(Progress("verdict", 5, 5, "shards"))
        now = 60.0
        bars.report(Notice("a line"))
    shown = screen.getvalue()
    assert "took 0:02" in shown
    assert "took 1:00" not in shown
    assert "a line" in shown
