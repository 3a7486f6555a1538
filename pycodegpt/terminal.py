"""How progress looks: bars with rate and time left on a terminal, plain lines in a pipe.

Everything here goes to standard error; results go to standard output.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from corpus.events import Event, Notice, Progress, Report

PIPE_INTERVAL_S = 10.0


@contextmanager
def progress() -> Iterator[Report]:
    """A reporter that draws events as suits standard error."""
    if sys.stderr.isatty():
        with TerminalBars(Console(stderr=True)) as bars:
            yield bars.report
    else:
        yield PlainLines(lambda line: print(line, file=sys.stderr, flush=True)).report


class PlainLines:
    """One line a task at most every `PIPE_INTERVAL_S`, and one when it is done."""

    def __init__(
        self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write, self._clock = write, clock
        self._started: dict[str, tuple[float, float]] = {}  # task: (when, done at that time)
        self._said: dict[str, float] = {}

    def report(self, event: Event) -> None:
        """Write the event if it is due."""
        if isinstance(event, Notice):
            self._write(f"warning: {event.text}" if event.warning else event.text)
            return
        now = self._clock()
        started, done_before = self._started.setdefault(event.task, (now, event.done))
        finished = event.total is not None and event.done >= event.total
        if now - self._said.get(event.task, started) < PIPE_INTERVAL_S and not finished:
            return
        self._said[event.task] = now
        if finished:
            del self._started[event.task]
        self._write(progress_line(event, now - started, event.done - done_before))


def progress_line(event: Progress, elapsed_s: float, done_since: float) -> str:
    """`train: 40/200 steps, 3.1 steps/s, 0:51 left (loss 4.20)`."""
    total = f"/{quantity(event.total)}" if event.total is not None else ""
    text = f"{event.task}: {quantity(event.done)}{total} {event.unit}"
    rate = done_since / elapsed_s if elapsed_s > 0 and done_since > 0 else 0.0
    if rate:
        text += f", {quantity(rate)} {event.unit}/s"
    if event.total is not None and event.done >= event.total:
        text += f", took {duration(elapsed_s)}"
    elif event.total is not None and rate:
        text += f", {duration((event.total - event.done) / rate)} left"
    return f"{text} ({event.detail})" if event.detail else text


def quantity(value: float) -> str:
    """1234567 as `1.23M`; small whole numbers as they are."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            scaled = value / (1e3 if suffix == "k" else limit)
            return f"{scaled:.3g}{suffix}" if scaled < 999.5 else f"{scaled:.0f}{suffix}"
    return f"{value:.0f}" if value == int(value) or value >= 100 else f"{value:.2g}"


def duration(seconds: float) -> str:
    """Seconds as `m:ss` or `h:mm:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _Pace(ProgressColumn):
    """Done, total, rate and time left, in the unit of the task."""

    def render(self, task: Task) -> Text:
        event = Progress("", task.completed, task.total, str(task.fields["unit"]))
        done_since = task.completed - task.fields["done_before"]
        # A finished bar stays on the screen, and its clock must stop.
        elapsed_s = task.elapsed if task.finished_time is None else task.finished_time
        line = progress_line(event, elapsed_s or 0.0, done_since)
        return Text(line.removeprefix(": "), style="progress.remaining")


class TerminalBars:
    """A rich display that makes one bar a task as events come."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            _Pace(),
            TextColumn("[dim]{task.fields[detail]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> TerminalBars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def report(self, event: Event) -> None:
        if isinstance(event, Notice):
            style = "[yellow]warning:[/] " if event.warning else ""
            self._bars.console.print(f"{style}{escape(event.text)}", highlight=False)
            return
        if event.task not in self._tasks:
            self._tasks[event.task] = self._bars.add_task(
                event.task,
                total=event.total,
                unit=event.unit,
                detail="",
                done_before=event.done,
            )
        self._bars.update(
            self._tasks[event.task],
            completed=event.done,
            total=event.total,
            detail=escape(event.detail),
        )
