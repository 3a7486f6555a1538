"""The kept documents of one raw shard, rewritten and cut up by the shard that they go to.

A part is a Parquet file with one row group a bucket, a bucket being a cleaned shard to be. The
parts are what makes shuffling a corpus of any size a matter of one bucket's memory, and what a
killed run leaves for the next one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clean.edits.rewrite import LEFT, REDACTION, Rewritten, rewrite
from clean.recipe import WriteRecipe
from clean.selection import Selection
from clean.signals.decode import decode
from clean.write.scores import COLUMNS, with_scores
from corpus.engine import Done, Engine, Guard, Lost, Unit
from corpus.files import atomic_path
from corpus.schema import CLEANED
from corpus.shards import Shard, read_rows

_COPIED = ("repo_id", "repo", "commit", "path", "blob_id", "license", "stars")
_NOTES_KEY = b"pycodegpt.part"
SCHEMA = pa.schema([*CLEANED, pa.field("order", pa.uint64(), nullable=False)])
# A part lives for minutes: LZ4 costs a fraction of zstd's time and takes little more room.
_COMPRESSION = "lz4"
_NAMES = pa.list_(pa.string())
_REWRITTEN = pa.schema(
    [
        *(field for field in CLEANED if field.name not in COLUMNS),
        pa.field("edits", _NAMES, nullable=False),
        pa.field("redacted", _NAMES, nullable=False),  # the kind of each value that went
        pa.field("drop", pa.bool_(), nullable=False),  # something is left that must not be written
    ]
)


@dataclass(frozen=True, slots=True)
class RewriteWork:
    """Worker side: the selected rows of a unit as cleaned documents."""

    selection: Selection
    recipe: WriteRecipe
    guess_encoding: bool

    def __call__(self, unit: Unit, guard: Guard) -> pa.Table:
        """One row a selected row: its document without scores, and what was done to it."""
        rows = self.selection.of_unit(unit)
        table = read_rows(unit.shard, unit.start, unit.stop, ["content", *_COPIED])
        if len(rows) < table.num_rows:
            table = table.take(pa.array([row - unit.start for row in rows], pa.int64()))
        rewritten = []
        for row, content in zip(rows, table.column("content"), strict=True):
            guard.enter(row)
            rewritten.append(self._rewritten(content.as_py()))
        columns = {name: table.column(name) for name in _COPIED}
        columns["source_shard"] = pa.array([unit.shard.name] * len(rows), pa.string())
        columns["source_row"] = pa.array(rows, pa.int64())
        columns |= self._columns(rewritten)
        return pa.table(columns).select(_REWRITTEN.names).cast(_REWRITTEN)

    def _rewritten(self, content: bytes) -> Rewritten:
        text = decode(content, guess=self.guess_encoding).text
        assert text is not None, "a file that is no text passed the rules"
        return rewrite(
            text,
            header=self.recipe.strip_license_header,
            junk_comments=self.recipe.strip_junk_comments,
            redaction=self.recipe.redact,
        )

    def _columns(self, rewritten: Sequence[Rewritten]) -> dict[str, pa.Array]:
        drops = [self.recipe.drop_unredacted and not document.is_redacted for document in rewritten]
        # What must not be written need not travel.
        texts = ["" if drop else one.text for one, drop in zip(rewritten, drops, strict=True)]
        return {
            "text": pa.array(texts, pa.string()),
            "edits": pa.array([list(document.edits) for document in rewritten], _NAMES),
            "redacted": pa.array([list(document.redacted) for document in rewritten], _NAMES),
            "drop": pa.array(drops, pa.bool_()),
        }


def rewritten_shards(
    shards: Sequence[Shard], work: RewriteWork, engine: Engine
) -> Iterator[tuple[Shard, pa.Table, list[Lost]]]:
    """Each shard's rewritten documents, in any order, and the rows that were lost, when all are in.

    A shard without a selected row comes with an empty table.
    """
    waiting: dict[str, _Gathering] = {}
    for shard in shards:
        rows = sum(unit.stop - unit.start for unit in work.selection.units(shard))
        if rows:
            waiting[shard.name] = _Gathering(shard, rows, [], [])
        else:
            yield shard, _REWRITTEN.empty_table(), []
    selected = [gathering.shard for gathering in waiting.values()]
    units = (unit for shard in selected for unit in work.selection.units(shard))
    for outcome in engine.run(work, units):
        name = outcome.unit.shard.name
        if waiting[name].take(outcome):
            gathering = waiting.pop(name)
            yield gathering.shard, gathering.table(), gathering.lost


@dataclass(slots=True)
class _Gathering:
    shard: Shard
    rows_left: int
    tables: list[pa.Table]
    lost: list[Lost]

    def take(self, outcome: Done[pa.Table] | Lost) -> bool:
        """Take in one outcome; whether it was the last."""
        if isinstance(outcome, Lost):
            self.lost.append(outcome)
        else:
            self.tables.append(outcome.value)
        self.rows_left -= outcome.unit.stop - outcome.unit.start
        return self.rows_left == 0

    def table(self) -> pa.Table:
        return pa.concat_tables([_REWRITTEN.empty_table(), *self.tables])


@dataclass(frozen=True, slots=True)
class Part:
    """What a raw shard gives to the corpus, and what it might have given."""

    table: pa.Table  # of CLEANED
    notes: dict[str, Any]  # as `part_notes` gives them back


def make_part(shard: Shard, sidecars: Path, rewritten: pa.Table, lost: Iterable[Lost]) -> Part:
    """Leave out what must not be written, count what was done, and put the scores beside the rest.

    Raises SidecarError for scores that can't be read.
    """
    edits = _counted(rewritten.column("edits"))
    dropped = rewritten.select(["source_row", "edits"]).filter(rewritten.column("drop"))
    # Copying the texts costs more than all else here.
    kept = rewritten
    if dropped.num_rows:
        kept = rewritten.filter(pc.invert(rewritten.column("drop")))
    notes = {
        "edits": edits,
        "redactions": _counted(kept.column("redacted")),
        "lost": [
            *(_described(loss) for loss in sorted(lost, key=lambda loss: loss.unit.start)),
            *(_unredacted(shard, **row) for row in dropped.sort_by("source_row").to_pylist()),
        ],
    }
    table = with_scores(kept.drop_columns(["edits", "redacted", "drop"]), shard, sidecars)
    return Part(table.select(CLEANED.names), notes)


def _counted(names: pa.ChunkedArray) -> dict[str, int]:
    return dict(sorted(Counter(name for row in names.to_pylist() for name in row).items()))


def write_part(path: Path, part: Part, buckets: np.ndarray, order: np.ndarray) -> None:
    """Write a part; `buckets` and `order` say where each row of its table goes.

    Raises DiskFullError or FileError naming `path`.
    """
    # No two keys of a shard are the same, so the order in which documents came does not matter.
    by_bucket = np.lexsort((order, buckets))
    table = part.table.append_column("order", pa.array(order))
    table = table.cast(SCHEMA).take(pa.array(by_bucket))
    present, starts = np.unique(buckets[by_bucket], return_index=True)
    notes = json.dumps({**part.notes, "buckets": present.tolist()})
    writing = partial(pq.ParquetWriter, schema=SCHEMA, compression=_COMPRESSION)
    with atomic_path(path) as aside, writing(aside) as writer:
        for start, stop in pairwise([*starts.tolist(), len(buckets)]):
            # One row group a call, so that the n-th group is the n-th bucket.
            writer.write_table(table.slice(start, stop - start), row_group_size=stop - start)
        writer.add_key_value_metadata({_NOTES_KEY: notes.encode()})


def _described(loss: Lost) -> dict[str, Any]:
    return {
        "shard": loss.unit.shard.name,
        "row": loss.unit.start,
        "reason": loss.reason,
        "detail": loss.detail,
        "stage": "write",
    }


def _unredacted(shard: Shard, source_row: int, edits: Sequence[str]) -> dict[str, Any]:
    in_code = REDACTION + LEFT in edits
    detail = "a finding stands in code" if in_code else "the redaction could not be proven"
    return {
        "shard": shard.name,
        "row": source_row,
        "reason": "unredacted",
        "detail": detail,
        "stage": "write",
    }


def part_notes(path: Path) -> dict[str, Any]:
    """What happened while a part was made.

    Documents by `edits`, values by kind in `redactions`, and the `lost` rows: those that the
    engine gave up, and those that hold what could not be redacted.
    """
    notes: dict[str, Any] = json.loads(pq.read_metadata(path).metadata[_NOTES_KEY])
    return notes


def read_bucket(paths: Iterable[Path], bucket: int) -> pa.Table:
    """A bucket's documents from all parts, in the shuffled order, as CLEANED."""
    tables = [SCHEMA.empty_table()]
    for path in paths:
        with pq.ParquetFile(path) as file:
            present = json.loads(file.metadata.metadata[_NOTES_KEY])["buckets"]
            if bucket in present:
                tables.append(file.read_row_group(present.index(bucket)))
    # Taking rows of a column in pieces would copy it whole once more.
    table = pa.concat_tables(tables).combine_chunks()
    tables.clear()
    # Two keys are never the same within a shard, and hardly ever across shards.
    order = [("order", "ascending"), ("source_shard", "ascending"), ("source_row", "ascending")]
    places = pc.sort_indices(table, sort_keys=order)
    return table.select(CLEANED.names).take(places)
