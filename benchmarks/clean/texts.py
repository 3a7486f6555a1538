"""The same documents as text: what the peers read. Making it is not charged to any of them.

Without comments it gives the same tokens and the same shingles by `TOKEN` as
`clean.signals.fingerprint` finds in the raw bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from clean.signals.comments import find_comments, without
from clean.signals.decode import decode
from corpus.files import atomic_path
from corpus.shards import Shard, iter_row_groups

# Word characters, and whatever is not ASCII, run together; any other that is not blank is alone.
TOKEN = r"[0-9A-Za-z_\u0080-\U0010ffff]+|[^ \t\n\r\f\v]"
SHINGLE_TOKENS = 5
MIN_JACCARD = 0.7
PERMUTATIONS = 256


def write_texts(shards: Sequence[Shard], folder: Path, *, comments: bool = False) -> Path:
    """One Parquet file a shard, with `id` (the row's number in all) and `text`; made once."""
    first = 0
    for shard in shards:
        path = folder / shard.name
        if not path.exists():
            rows = [(str(i), text) for i, text in enumerate(texts(shard, comments=comments), first)]
            table = pa.table({"id": [row[0] for row in rows], "text": [row[1] for row in rows]})
            with atomic_path(path) as aside:
                pq.write_table(table, aside, compression="zstd", row_group_size=1024)
        first += shard.rows
    return folder


def texts(shard: Shard, *, comments: bool = False) -> Iterator[str]:
    """A shard's documents, with or without their comments; empty where a file is no text."""
    for table in iter_row_groups(shard, ["content"]):
        for content in table.column(0).to_pylist():
            text = decode(content).text or ""
            yield text if comments else without(text, find_comments(text))
