"""Why one document was kept or dropped: every failed rule, with what was measured."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clean.dedup.stage import STAGE as DEDUP
from clean.recipe import CleanRecipe
from clean.rules.catalog import active_rules
from clean.rules.rule import Rule
from clean.rules.verdicts import measurements
from clean.run import input_shards
from clean.write.split import Cuts, shares, split_of
from clean.write.stage import MANIFEST_STAGE
from corpus.errors import ManifestError, SidecarError, StaleInputError, UsageError
from corpus.layout import SPLITS, RunFolder
from corpus.manifest import read_manifest
from corpus.shards import Shard, read_rows
from corpus.sidecars import read_sidecar, sidecar_path

_NAMES = ("repo", "commit", "path", "blob_id")
_MIN_BLOB_DIGITS = 6
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A document, by where it lies and what it is called."""

    shard: str
    row: int
    name: str  # repo@commit:path
    blob_id: str


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
class Explanation:
    """A document's fate."""

    place: Place
    kept: bool
    failures: tuple[Failure, ...]  # in the order of the rules: the first gives the reason
    duplicate: Duplicate | None
    split: str | None  # if kept
    measured: dict[str, Any]  # all that the rules look at


def find(folder: RunFolder, query: str, *, most: int = 20) -> tuple[list[Place], int]:
    """The documents that a query means, at most `most` of them, and how many there are.

    A query is `path`, `repo:path`, `repo@commit:path`, a git blob id or its beginning; if that
    finds nothing, any part of `repo@commit:path`. Raises UsageError if nothing matches.
    """
    shards = input_shards(folder.raw)
    for match in (_exactly, _partly):
        found: list[Place] = []
        count = 0
        for shard in shards:
            names = read_rows(shard, columns=_NAMES)
            rows = np.flatnonzero(pc.fill_null(match(names, query), False).to_numpy())
            count += len(rows)
            found.extend(_places(shard, names, rows[: most - len(found)]))
        if found:
            return found, count
    documents = sum(shard.rows for shard in shards)
    raise UsageError(f"no document matches {query!r}, of {documents} in {folder.raw}")


def _exactly(names: pa.Table, query: str) -> pa.ChunkedArray:
    """Which rows have the query as their path, full name or blob id."""
    left, colon, path = query.partition(":")
    repo, _, commit = left.partition("@")
    if colon:
        named = pc.and_(pc.equal(names["repo"], repo), pc.equal(names["path"], path))
        return pc.and_(named, pc.starts_with(names["commit"], commit))
    is_path = pc.equal(names["path"], query)
    if len(query) >= _MIN_BLOB_DIGITS and _HEX.fullmatch(query):
        return pc.or_(is_path, pc.starts_with(names["blob_id"], query))
    return is_path


def _partly(names: pa.Table, query: str) -> pa.ChunkedArray:
    return pc.match_substring(_full_names(names), query)


def _full_names(names: pa.Table) -> pa.ChunkedArray:
    left = pc.binary_join_element_wise(names["repo"], names["commit"], "@")
    return pc.binary_join_element_wise(left, names["path"], ":")


def _places(shard: Shard, names: pa.Table, rows: np.ndarray) -> Iterator[Place]:
    chosen = names.take(pa.array(rows))
    pairs = zip(_full_names(chosen).to_pylist(), chosen["blob_id"].to_pylist(), strict=True)
    for row, (name, blob_id) in zip(rows.tolist(), pairs, strict=True):
        yield Place(shard.name, row, name, blob_id)


def explain(folder: RunFolder, recipe: CleanRecipe, seed: int, place: Place) -> Explanation:
    """Judge one document by the recipe's rules and what the stages found out about it.

    The rules are the recipe's as it is now, whatever they were when the corpus was written.
    Raises StaleInputError if the stages have not run.
    """
    shards = {shard.name: shard for shard in input_shards(folder.raw)}
    shard = shards[place.shard]
    rules = active_rules(recipe.rules, seed=seed)
    try:
        table = measurements(shard, folder.sidecars, rules).slice(place.row, 1)
        duplicate = _duplicate(shards, folder.sidecars, place)
        failures = tuple(_failures(shard, folder.sidecars, rules, table, place.row))
    except SidecarError as error:
        raise StaleInputError(f"{error.path}: {error.problem} (clean run)") from error
    kept = not failures and duplicate is None
    repo_id = read_rows(shard, place.row, place.row + 1, ["repo_id"]).column(0).to_numpy()
    split = SPLITS[split_of(repo_id, _cuts(folder, recipe), seed)[0]] if kept else None
    return Explanation(place, kept, failures, duplicate, split, _plain(table.to_pylist()[0]))


def _cuts(folder: RunFolder, recipe: CleanRecipe) -> Cuts:
    """The cuts of the corpus as it was written, or else those that the recipe asks for."""
    try:
        return Cuts(**read_manifest(folder.clean, MANIFEST_STAGE).facts["cuts"])
    except (ManifestError, KeyError, TypeError):
        return shares(recipe.split)


def _failures(
    shard: Shard, sidecars: Path, rules: Sequence[Rule], table: pa.Table, row: int
) -> Iterator[Failure]:
    for rule in rules:
        (reason,) = rule.reasons(table).to_pylist()
        if reason is not None:
            measured = _shown(table.column(rule.column)[0].as_py())
            detail = _detail(shard, sidecars, rule, row)
            yield Failure(rule.name, reason, measured, rule.limit(), detail)


def _detail(shard: Shard, sidecars: Path, rule: Rule, row: int) -> str | None:
    """What a stage wrote down beside the column that the rule looks at."""
    column = {"syntax_reject": "syntax_detail", "license_category": "license_evidence"}
    if rule.column not in column:
        return None
    path = sidecar_path(sidecars, rule.stage, shard)
    detail: str | None = read_sidecar(path, shard, [column[rule.column]]).column(0)[row].as_py()
    return detail


def _duplicate(shards: dict[str, Shard], sidecars: Path, place: Place) -> Duplicate | None:
    shard = shards[place.shard]
    table = read_sidecar(sidecar_path(sidecars, DEDUP, shard), shard).slice(place.row, 1)
    (found,) = table.to_pylist()
    if found["reason"] is None:
        return None
    survivor = shards.get(found["survivor_shard"])
    if survivor is None:
        raise StaleInputError(f"{found['survivor_shard']}: gone since the duplicates were found")
    names = read_rows(survivor, columns=_NAMES)
    (survivor_place,) = _places(survivor, names, np.array([found["survivor_row"]]))
    return Duplicate(found["reason"], survivor_place, found["similarity"])


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Values as they are shown: a float32 without the digits that it does not have."""
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
