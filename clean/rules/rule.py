"""A rule says of a table of signals which rows it rejects, and why.

A rule is data: a column, a comparison and a threshold. It never reads content, so that a changed
threshold costs seconds. Rules are total: a null measurement is no reason to reject, unless the
rule allows only what is known.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Comparison = Literal[
    "above",
    "below",
    "true",
    "false",
    "present",
    "named",  # the path's file name, by globs
    "inside",  # the path's folders, by globs
    "unlike",  # a suffix that it must have
    "outside",  # of what is allowed
    "listed",  # the repository or its owner
    "among",
]
SHARD = "shard"  # a rule's stage when its column is the raw shard's own
_SAMPLED_BY = "blob_id"
_MAX_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Sample:
    """A share of what a rule finds, drawn by the content's id: equal files share their fate."""

    share: float
    seed: int

    def draw(self, blob_ids: pa.Array, purpose: str) -> np.ndarray:
        """Which of these documents are drawn, (documents,) bool."""
        drawn = [self._place(blob_id, purpose) < self.share for blob_id in blob_ids.to_pylist()]
        return np.array(drawn, bool)

    def _place(self, blob_id: str, purpose: str) -> float:
        """A document's place in [0, 1), in 53 bits."""
        text = f"{purpose}/{self.seed}/{blob_id}"
        drawn = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return float(int.from_bytes(drawn, "little") >> 11) / 2.0**53


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `reason` is None where the column itself holds the reason."""

    name: str  # the recipe's key
    reason: str | None
    stage: str  # that measured the column, or SHARD
    column: str
    comparison: Comparison
    threshold: Any = None
    sample: Sample | None = None  # None: whatever it finds is rejected

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """(stage, column) of all that the rule reads."""
        own = ((self.stage, self.column),)
        return (*own, (SHARD, _SAMPLED_BY)) if self.sample else own

    def rejects(self, table: pa.Table) -> pa.BooleanArray:
        """Which rows of `table` the rule rejects; no nulls, one value a row."""
        column = _flat(table.column(self.column))
        found = _COMPARISONS[self.comparison](column, self.threshold)
        return found if self.sample is None else self._drawn(found, table, self.sample)

    def _drawn(self, found: pa.BooleanArray, table: pa.Table, sample: Sample) -> pa.BooleanArray:
        mask = np.array(found.to_numpy(zero_copy_only=False))
        ids = _flat(table.column(_SAMPLED_BY).take(pa.array(np.flatnonzero(mask))))
        mask[mask] = sample.draw(ids, self.name)
        return pa.array(mask)

    def reasons(self, table: pa.Table) -> pa.StringArray:
        """Why each row is rejected; null where it passes."""
        if self.reason is None:
            return _flat(table.column(self.column)).cast(pa.string())
        nothing = pa.scalar(None, pa.string())
        return pc.if_else(self.rejects(table), pa.scalar(self.reason), nothing)

    def limit(self) -> str:
        """What a document must meet, for people."""
        shown = self.threshold
        if isinstance(shown, tuple):
            counted = self.comparison == "listed" or not all(isinstance(one, str) for one in shown)
            shown = len(shown) if counted else _some_of(shown)
        text = _LIMITS[self.comparison].format(shown)
        return f"{text}, for {self.sample.share:.0%} of them" if self.sample else text


def _some_of(names: tuple[str, ...]) -> str:
    """A list of names as it fits a line."""
    if len(names) <= _MAX_SHOWN:
        return ", ".join(names)
    return f"{', '.join(names[: _MAX_SHOWN - 1])} or {len(names) - _MAX_SHOWN + 1} more"


def name_pattern(globs: tuple[str, ...]) -> str:
    """A regular expression for paths whose file name matches one of `globs`, case and all.

    `*` and `?` stay within one name; a glob with a slash is matched from the repository's root.
    """
    starts = ("^" if "/" in glob else "(?:^|/)" for glob in globs)
    return _any_of(f"{start}{_body(glob)}$" for start, glob in zip(starts, globs, strict=True))


def folder_pattern(globs: tuple[str, ...]) -> str:
    """A regular expression for paths that lead through a folder named by one of `globs`.

    A glob with a slash names consecutive folders, anywhere in the path.
    """
    return _any_of(f"(?:^|/){_body(glob.strip('/'))}/" for glob in globs)


def _any_of(patterns: Any) -> str:
    return "|".join(f"(?s:{pattern})" for pattern in patterns)


def _body(glob: str) -> str:
    wild = {"*": "[^/]*", "?": "[^/]"}
    return "".join(wild.get(char) or re.escape(char) for char in glob)


def _flat(column: pa.ChunkedArray) -> pa.Array:
    """One array, whatever the number of chunks."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _above(column: pa.Array, limit: float) -> pa.BooleanArray:
    return pc.fill_null(pc.greater(column, _like(limit, column)), False)


def _below(column: pa.Array, limit: float) -> pa.BooleanArray:
    return pc.fill_null(pc.less(column, _like(limit, column)), False)


def _like(limit: float, column: pa.Array) -> pa.Scalar:
    """The limit in a float column's own precision: 0.7 stored as float32 must equal 0.7."""
    if pa.types.is_floating(column.type):
        return pa.scalar(limit, column.type)
    return pa.scalar(limit)


def _true(column: pa.Array, _: Any) -> pa.BooleanArray:
    return pc.fill_null(column, False)


def _false(column: pa.Array, _: Any) -> pa.BooleanArray:
    return pc.fill_null(pc.invert(column), False)


def _present(column: pa.Array, _: Any) -> pa.BooleanArray:
    return pc.is_valid(column)


def _named(column: pa.Array, globs: tuple[str, ...]) -> pa.BooleanArray:
    return pc.fill_null(pc.match_substring_regex(column, name_pattern(globs)), False)


def _inside(column: pa.Array, globs: tuple[str, ...]) -> pa.BooleanArray:
    return pc.fill_null(pc.match_substring_regex(column, folder_pattern(globs)), False)


def _unlike(column: pa.Array, suffix: str) -> pa.BooleanArray:
    return pc.invert(pc.fill_null(pc.ends_with(column, suffix), False))


def _outside(column: pa.Array, allowed: tuple[str, ...]) -> pa.BooleanArray:
    # is_in answers False for null: what is not known to be allowed is rejected.
    return pc.invert(pc.is_in(column, value_set=pa.array(allowed, pa.string())))


def _listed(column: pa.Array, names: tuple[str, ...]) -> pa.BooleanArray:
    """`owner/name`, or its owner, is one of `names`, which are in lower case."""
    known = pa.array(names, pa.string())
    name = pc.utf8_lower(column)
    owner = pc.replace_substring_regex(name, "(?s)/.*", "")
    return pc.or_(pc.is_in(name, value_set=known), pc.is_in(owner, value_set=known))


def _among(column: pa.Array, values: tuple[object, ...]) -> pa.BooleanArray:
    return pc.is_in(column, value_set=pa.array(values, column.type))


_COMPARISONS: dict[Comparison, Callable[[pa.Array, Any], pa.BooleanArray]] = {
    "above": _above,
    "below": _below,
    "true": _true,
    "false": _false,
    "present": _present,
    "named": _named,
    "inside": _inside,
    "unlike": _unlike,
    "outside": _outside,
    "listed": _listed,
    "among": _among,
}
_LIMITS: dict[Comparison, str] = {
    "above": "at most {}",
    "below": "at least {}",
    "true": "no",
    "false": "yes",
    "present": "no finding",
    "named": "not {}",
    "inside": "not in {}",
    "unlike": "only *{}",
    "outside": "only {}",
    "listed": "not on a list of {}",
    "among": "none of {}",
}
