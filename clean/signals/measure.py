"""Measure every file once: one pass over the content, one row-aligned sidecar a stage.

A signal stage is a pure function from a document to a row. All stages that are out of date for
a shard are computed in one pass, while the content is in memory; a shard whose signals are all
current is not read at all. No threshold is applied here: verdicts read the sidecars.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from clean.compiled.warm import compile_missing, warm
from clean.signals.decode import decode
from clean.signals.document import Document, SignalStage
from corpus.engine import Done, Engine, Guard, Lost, Unit, gather_shards, units_of
from corpus.events import Notice, Progress, Report, silent
from corpus.files import remove_leftovers
from corpus.shards import Shard, read_rows
from corpus.sidecars import is_current, sidecar_path, write_sidecar

R = TypeVar("R")

_COLUMNS = ("content", "path", "license", "repo_id")
# Shards with lost rows wait in memory for their second pass; so many of them may wait at once.
_MAX_WAITING = 8


def measure_unit(stages: Sequence[SignalStage], unit: Unit, guard: Guard) -> pa.Table:
    """The columns of all `stages` for a unit's rows: the work that an engine runs."""
    warm()  # before the first row's clock runs
    rows = read_rows(unit.shard, unit.start, unit.stop, _COLUMNS)
    guess = stages[0].guess_encoding
    assert all(stage.guess_encoding == guess for stage in stages)
    measures = [stage.measure_in(unit) for stage in stages]
    measured: list[dict[str, Any]] = []
    columns = [rows[name] for name in _COLUMNS]
    for row, values in enumerate(zip(*columns, strict=True), unit.start):
        guard.enter(row)
        content, path, repo_license, repo_id = (value.as_py() for value in values)
        document = Document(content, decode(content, guess=guess), path, repo_license, repo_id)
        merged: dict[str, Any] = {}
        for measure in measures:
            if document.is_python:
                merged.update(measure(document))
        measured.append(merged)
    return pa.Table.from_pylist(measured, schema=_joint_schema(stages))


def _joint_schema(stages: Iterable[SignalStage]) -> pa.Schema:
    return pa.schema([field for stage in stages for field in stage.schema])


def run_signals(
    shards: Sequence[Shard],
    folder: Path,
    stages: Sequence[SignalStage],
    engine: Engine,
    report: Report = silent,
) -> dict[str, int]:
    """Bring the sidecars of `stages` below `folder` up to date; what was done, counted.

    Counts: `sidecars_current`, `sidecars_written`, of them `STAGE_written`, `rows_measured`, and
    `STAGE_lost_REASON`.
    Raises ShardError for a damaged shard, DiskFullError or FileError for what can't be written.
    """
    for stage in stages:
        remove_leftovers(folder / stage.name)
    todo = _stale(shards, folder, stages)
    stale = sum(len(chosen) * len(group) for chosen, group in todo)
    counts = Counter(
        sidecars_current=len(shards) * len(stages) - stale, sidecars_written=0, rows_measured=0
    )
    counts.update({f"{stage.name}_written": 0 for stage in stages})
    if todo:
        _tell(todo, report)
        compile_missing(report)
    progress = _RowProgress(sum(shard.rows for _, group in todo for shard in group), report)
    for chosen, group in todo:
        for measured in _measure_shards(group, chosen, engine, progress):
            shard = measured.shard
            for stage in chosen:
                path, table = sidecar_path(folder, stage.name, shard), measured.tables[stage.name]
                write_sidecar(path, table, stage.stamp(shard), shard.rows)
                counts[f"{stage.name}_written"] += 1
            counts["sidecars_written"] += len(chosen)
            counts["rows_measured"] += shard.rows
            counts.update(measured.losses)
    return dict(counts)


def _tell(todo: Iterable[tuple[Sequence[SignalStage], Any]], report: Report) -> None:
    told = dict.fromkeys(stage.notice for stages, _ in todo for stage in stages)
    for notice in filter(None, told):
        report(Notice(notice))


def _stale(
    shards: Iterable[Shard], folder: Path, stages: Sequence[SignalStage]
) -> list[tuple[tuple[SignalStage, ...], list[Shard]]]:
    """Which stages are out of date for which shards, by set of stages: one pass for each."""
    groups: dict[tuple[str, ...], tuple[tuple[SignalStage, ...], list[Shard]]] = {}
    for shard in shards:
        stale = tuple(
            stage
            for stage in stages
            if not is_current(sidecar_path(folder, stage.name, shard), stage.stamp(shard))
        )
        if stale:
            names = tuple(stage.name for stage in stale)
            groups.setdefault(names, (stale, []))[1].append(shard)
    return list(groups.values())


@dataclass(frozen=True, slots=True)
class _Measured:
    """A shard's tables by stage, and how many rows were lost, by `STAGE_lost_REASON`."""

    shard: Shard
    tables: dict[str, pa.Table]
    losses: Counter[str]


def _measure_shards(
    shards: Sequence[Shard],
    stages: tuple[SignalStage, ...],
    engine: Engine,
    progress: _RowProgress,
) -> Iterator[_Measured]:
    """All stages in one pass over each shard.

    A row that is lost is measured once more by each stage alone: a file that hangs the parser
    keeps its other signals, and a stage's result does not depend on which others ran beside it.
    """
    lost: dict[str, list[Lost]] = defaultdict(list)

    def lost_row(outcome: Lost) -> pa.Table:
        lost[str(outcome.unit.shard.path)].append(outcome)
        return _lost_table(stages, outcome)

    waiting: list[tuple[Shard, pa.Table]] = []
    yield from (_split(shard, _empty(stages), stages) for shard in shards if not shard.rows)
    units = (unit for shard in shards for unit in units_of(shard))
    outcomes = progress.watch(engine.run(partial(measure_unit, stages), units))
    for shard, table in gather_shards(outcomes, lost_row):
        if str(shard.path) not in lost:
            yield _split(shard, table, stages)
            continue
        waiting.append((shard, table))
        if len(waiting) == _MAX_WAITING:
            yield from _settle(waiting, lost, stages, engine)
            waiting = []
    yield from _settle(waiting, lost, stages, engine)


def _settle(
    waiting: Sequence[tuple[Shard, pa.Table]],
    lost: dict[str, list[Lost]],
    stages: tuple[SignalStage, ...],
    engine: Engine,
) -> Iterator[_Measured]:
    """Measure the lost rows of these shards stage by stage, and put them in."""
    measured = [_split(shard, table, stages) for shard, table in waiting]
    again = [outcome for shard, _ in waiting for outcome in lost.pop(str(shard.path))]
    if not again:
        return
    for stage in stages:
        outcomes: Iterable[Done[pa.Table] | Lost] = again
        if len(stages) > 1:
            outcomes = engine.run(
                partial(measure_unit, (stage,)), [outcome.unit for outcome in again]
            )
        rows: dict[tuple[str, int], Done[pa.Table] | Lost] = {}
        for outcome in outcomes:
            rows[str(outcome.unit.shard.path), outcome.unit.start] = outcome
        for one in measured:
            _put_in(one, stage, rows)
    yield from measured


def _put_in(
    measured: _Measured, stage: SignalStage, rows: Mapping[tuple[str, int], Done[pa.Table] | Lost]
) -> None:
    """Replace the rows of `measured` that stand in `rows`, by shard and number."""
    table, parts, position = measured.tables[stage.name], [], 0
    for (path, row), outcome in sorted(rows.items(), key=lambda item: item[0]):
        if path != str(measured.shard.path):
            continue
        if isinstance(outcome, Lost):
            one_row = _lost_table((stage,), outcome)
            measured.losses[f"{stage.name}_lost_{outcome.reason}"] += 1
        else:
            one_row = outcome.value
        parts += [table.slice(position, row - position), one_row]
        position = row + 1
    measured.tables[stage.name] = pa.concat_tables([*parts, table.slice(position)])


def _split(shard: Shard, table: pa.Table, stages: Iterable[SignalStage]) -> _Measured:
    tables = {stage.name: table.select(stage.schema.names) for stage in stages}
    return _Measured(shard, tables, Counter())


def _lost_table(stages: Iterable[SignalStage], outcome: Lost) -> pa.Table:
    row: dict[str, Any] = {}
    for stage in stages:
        row.update(stage.lost(outcome.reason))
    return pa.Table.from_pylist([row], schema=_joint_schema(stages))


def _empty(stages: Iterable[SignalStage]) -> pa.Table:
    return _joint_schema(stages).empty_table()


class _RowProgress:
    """Reports rows as their outcomes pass by."""

    def __init__(self, total: int, report: Report) -> None:
        self._done, self._total, self._report = 0, total, report

    def watch(self, outcomes: Iterable[Done[R] | Lost]) -> Iterator[Done[R] | Lost]:
        """The same outcomes."""
        self._tell()
        for outcome in outcomes:
            yield outcome
            self._done += outcome.unit.stop - outcome.unit.start
            self._tell()

    def _tell(self) -> None:
        self._report(Progress("signals", self._done, self._total, "files"))
