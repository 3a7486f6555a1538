"""What the rules and the duplicates say of single documents, in words.

The numbers come from the sidecars; beside the column that a rule looks at, a stage may have left
what makes it understood: the parser's message, the lines that a problem was found on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from clean.ask.places import Place, place_of
from clean.dedup.stage import STAGE as DEDUP
from clean.rules.rule import Rule
from clean.rules.verdicts import measurements
from corpus.errors import StaleInputError
from corpus.shards import Shard, read_rows
from corpus.sidecars import read_sidecar, sidecar_path

# By the column that a rule looks at: the columns beside it, and how each is said.
_BESIDE: Mapping[str, tuple[tuple[str, str], ...]] = {
    "syntax_reject": (("syntax_detail", "{}"),),
    "repo_category": (("license", "GitHub says {}"),),
    "license_category": (("file_license", "{}"), ("license_evidence", "by “{}”")),
    "files_category": (("files_license", "{}"),),
    "contamination_tokens": (
        ("contamination_problem", "{}"),
        ("contamination_part", "its {}"),
        ("contamination_lines", "lines {}"),
    ),
    "secrets": (("secret_kinds", "{}"),),
    "repo_id": (("repo", "{}"),),
}
_OF_THE_SHARD = ("license", "repo")


@dataclass(frozen=True, slots=True)
class Failure:
    """A rule that a document fails."""

    rule: str  # the recipe's key
    reason: str
    measured: str
    limit: str
    detail: str | None = None  # what the stage had to add, such as the parser's message


@dataclass(frozen=True, slots=True)
class Duplicate:
    """What stays in a document's place."""

    reason: str
    survivor: Place
    similarity: float


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said of one document: failures first, then a duplicate; neither means kept."""

    failures: tuple[Failure, ...]  # in the order of the rules: the first gives the reason
    duplicate: Duplicate | None
    measured: Mapping[str, Any]  # all that the rules look at

    @property
    def kept(self) -> bool:
        """Whether it passed everything."""
        return not self.failures and self.duplicate is None


def judged(
    shards: Mapping[str, Shard],
    shard: Shard,
    rows: Sequence[int],
    *,
    sidecars: Path,
    decisions: Path,
    rules: Sequence[Rule],
) -> list[Judged]:
    """What `rules` and the duplicates below `decisions` say of these rows.

    Raises SidecarError for what was not measured.
    """
    chosen = pa.array(rows, pa.int64())
    table = measurements(shard, sidecars, rules).take(chosen)
    beside = _read_beside(shard, sidecars, rules, chosen)
    found = read_sidecar(sidecar_path(decisions, DEDUP, shard), shard).take(chosen).to_pylist()
    reasons = [(rule, rule.reasons(table).to_pylist()) for rule in rules]
    return [
        Judged(
            failures=tuple(_failures(reasons, table, beside, number)),
            duplicate=_duplicate(shards, found[number]),
            measured=plain(table.slice(number, 1).to_pylist()[0]),
        )
        for number in range(len(rows))
    ]


def _read_beside(
    shard: Shard, sidecars: Path, rules: Sequence[Rule], rows: pa.Array
) -> dict[str, list[Any]]:
    """The columns beside those that the rules look at, for `rows`."""
    beside: dict[str, list[Any]] = {}
    for rule in rules:
        for column, _ in _BESIDE.get(rule.column, ()):
            if column in _OF_THE_SHARD:
                table = read_rows(shard, columns=[column])
            else:
                path = sidecar_path(sidecars, rule.stage, shard)
                table = read_sidecar(path, shard, [column])
            if column in table.column_names:
                beside[column] = table.column(column).take(rows).to_pylist()
    return beside


def _failures(
    reasons: Sequence[tuple[Rule, list[str | None]]],
    table: pa.Table,
    beside: Mapping[str, list[Any]],
    number: int,
) -> Iterator[Failure]:
    for rule, of_rows in reasons:
        reason = of_rows[number]
        if reason is not None:
            measured = shown(table.column(rule.column)[number].as_py())
            detail = _detail(rule, beside, number)
            yield Failure(rule.name, reason, measured, rule.limit(), detail)


def _detail(rule: Rule, beside: Mapping[str, list[Any]], number: int) -> str | None:
    told = []
    for column, phrase in _BESIDE.get(rule.column, ()):
        value = beside.get(column, [None] * (number + 1))[number]
        if value:
            told.append(phrase.format(", ".join(value) if isinstance(value, list) else value))
    return ", ".join(told) or None


def _duplicate(shards: Mapping[str, Shard], found: Mapping[str, Any]) -> Duplicate | None:
    if found["reason"] is None:
        return None
    survivor = shards.get(found["survivor_shard"])
    if survivor is None:
        raise StaleInputError(f"{found['survivor_shard']}: gone since the duplicates were found")
    place = place_of(survivor, found["survivor_row"])
    return Duplicate(found["reason"], place, found["similarity"])


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as they are shown: a float32 without the digits that it does not have."""
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}


def shown(value: Any) -> str:
    """A measured value for people."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
