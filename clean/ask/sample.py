"""Real documents that had one outcome: a seeded choice, the same on every run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clean.ask.funnel import KEPT, outcomes
from clean.ask.judged import Judged, judged
from clean.ask.places import place_of
from clean.decide import decided
from clean.inputs import Cleaning
from clean.signals.decode import decode
from clean.write.split import order_keys
from corpus.errors import UsageError
from corpus.recipe import nearest
from corpus.shards import Shard, read_rows

_NUMBERS = re.compile(r"\blines? (\d+)(?:-(\d+))?")
_CONTEXT = 1 / 3  # of the lines shown stand above the one that matters


@dataclass(frozen=True, slots=True, order=True)
class _Chosen:
    order: int
    shard: str
    row: int
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One document and its outcome."""

    name: str  # repo@commit:path
    rule: str
    reason: str
    why: str  # what was measured and what is allowed, or which file stays
    text: str  # with U+FFFD for what can't be decoded
    line: int | None  # where the reason is, from 1; None: nowhere in particular
    last_line: int | None  # where that ends


def sample(cleaning: Cleaning, outcome: str, count: int, *, seed: int) -> tuple[list[Sample], int]:
    """`count` documents of an outcome (a reason, a rule's name or "kept"), and how many have it.

    Raises UsageError if no document has it, StaleInputError if something was not measured.
    """
    with decided(cleaning) as decisions:
        chosen, total = _choose(cleaning, decisions, outcome, count, seed)
        return [_read(cleaning, decisions, one) for one in chosen], total


def _choose(
    cleaning: Cleaning, decisions: Path, outcome: str, count: int, seed: int
) -> tuple[list[_Chosen], int]:
    """The documents that come first in a shuffled order, and how many have the outcome."""
    chosen: list[_Chosen] = []
    known: set[str] = set()
    total = 0
    for shard in cleaning.shards:
        table = _outcomes(shard, decisions)
        known.update(*(pc.unique(column).to_pylist() for column in table.columns))
        rows = _rows_with(table, outcome)
        total += len(rows)
        orders = order_keys(shard.name, rows, seed)
        # No more than `count` of a shard can be chosen, however many have the outcome.
        first = np.argsort(orders, kind="stable")[:count]
        reasons = table.take(pa.array(rows[first])).to_pylist()
        for order, row, found in zip(orders[first], rows[first], reasons, strict=True):
            chosen.append(_Chosen(int(order), shard.name, int(row), **found))
        chosen = sorted(chosen)[:count]
    if not total:
        raise UsageError(f"no document was {outcome!r}; {nearest(outcome, sorted(known))}")
    return chosen, total


def _outcomes(shard: Shard, decisions: Path) -> pa.Table:
    table = outcomes(shard, decisions)
    return pa.table({name: table.column(name).fill_null(KEPT) for name in table.column_names})


def _rows_with(table: pa.Table, outcome: str) -> np.ndarray:
    """The rows whose rule or reason is `outcome`."""
    mask = pc.or_(pc.equal(table["rule"], outcome), pc.equal(table["reason"], outcome))
    rows: np.ndarray = np.flatnonzero(mask.to_numpy())
    return rows


def _read(cleaning: Cleaning, decisions: Path, chosen: _Chosen) -> Sample:
    shards = {shard.name: shard for shard in cleaning.shards}
    shard, row = shards[chosen.shard], chosen.row
    (found,) = judged(
        shards,
        shard,
        [row],
        sidecars=cleaning.sidecars,
        decisions=decisions,
        rules=cleaning.rules,
    )
    content = read_rows(shard, row, row + 1, ["content"]).column(0)[0].as_py()
    text = decode(content, guess=cleaning.recipe.guess_encoding).text
    if text is None:
        text = content.decode("utf-8", "replace")
    name = place_of(shard, row).name
    lines = offending_lines(found, text)
    return Sample(name, chosen.rule, chosen.reason, _why(found), text, *lines)


def _why(found: Judged) -> str:
    if found.failures:
        failure = found.failures[0]
        detail = f"; {failure.detail}" if failure.detail else ""
        return f"{failure.rule}: {failure.measured}, allowed: {failure.limit}{detail}"
    if found.duplicate is not None:
        duplicate = found.duplicate
        return f"similarity {duplicate.similarity:.3f} to {duplicate.survivor.name}, which stays"
    return ""


def offending_lines(found: Judged, text: str) -> tuple[int, int] | tuple[None, None]:
    """The first and the last line that the first failure is about, from 1, if it is about any."""
    if not found.failures:
        return None, None
    failure = found.failures[0]
    if match := _NUMBERS.search(failure.detail or ""):
        end = text.count("\n") + 1
        return min(int(match[1]), end), min(int(match[2] or match[1]), end)
    if failure.rule == "max_longest_line":
        lengths = [len(line) for line in text.split("\n")]
        longest = 1 + lengths.index(max(lengths))
        return longest, longest
    return None, None


def first_line(line: int | None, shown: int, lines: int) -> int:
    """Where to begin, from 1, so that `line` is among `shown` lines of a text of `lines`."""
    if line is None or line <= shown * (1 - _CONTEXT):
        return 1
    return max(1, min(line - int(shown * _CONTEXT), lines - shown + 1))
