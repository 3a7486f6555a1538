"""What every peer's script starts from: the texts, the same tokens as ours, the result's form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

JOB: dict[str, Any] = {}


def load(argument: str) -> dict[str, Any]:
    """The job that the benchmark hands over as JSON: folders, tokens, threshold."""
    JOB.update(json.loads(argument))
    return JOB


def texts(folder: str) -> Iterator[str]:
    """The documents in row order, as a user would read them from Parquet."""
    for path in sorted(Path(folder).glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(1024, columns=["text"]):
            yield from batch.column(0).to_pylist()


def count(folder: str) -> int:
    """How many documents there are, from the files' footers."""
    return sum(pq.read_metadata(path).num_rows for path in Path(folder).glob("*.parquet"))


def shingles(text: str, token: re.Pattern[str], k: int) -> set[str]:
    """Joined runs of `k` tokens; a short text is one shingle."""
    tokens = token.findall(text)
    if not tokens:
        return set()
    return {" ".join(tokens[i : i + k]) for i in range(max(1, len(tokens) - k + 1))}


def finish(kept: Sequence[bool] | np.ndarray, settings: str) -> None:
    """Leave the survivors and the settings where the benchmark looks for them."""
    np.save(JOB["kept"], np.asarray(kept, dtype=bool))
    Path(JOB["settings"]).write_text(settings, encoding="utf-8")
