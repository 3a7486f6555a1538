"""Runs of words that occur again and again (Gopher, arXiv:2112.11446, table A1).

Words are unbroken runs of letters and digits, ASCII letters in any case: as RedPajama-V2's signals
have it, which OpenCoder took over (pipeline "redpajama" of OpenCoder-llm/opc_data_filtering).
Shares are of the characters of words.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from clean.compiled.repetition import LEAST, LONGEST_TOP, MOST, repeated_runs
from clean.signals.document import Document, Row, SignalStage, no_row
from clean.signals.parameters import SignalParameters

# By words: the most frequent run if it occurs twice at least (of several the first), its length
# times how often it occurs, at most 1 where it overlaps itself; then the characters of all runs
# that do, each once.
_COLUMNS = {
    size: f"top_{size}gram_rate" if size <= LONGEST_TOP else f"repeated_{size}gram_rate"
    for size in range(LEAST, MOST + 1)
}
SCHEMA = pa.schema([pa.field(name, pa.float32()) for name in _COLUMNS.values()])


def stage(parameters: SignalParameters) -> SignalStage | None:
    """The repetition stage, if it is asked for."""
    if not parameters.repetition:
        return None
    return SignalStage(
        name="repetition",
        version=2,
        parameters={},
        guess_encoding=parameters.guess_encoding,
        schema=SCHEMA,
        measure=_row,
        lost=no_row,
    )


def _row(document: Document) -> Row:
    return {} if document.text is None else repetition(document)


def repetition(document: Document) -> dict[str, Any]:
    """All columns. Never raises."""
    chars = np.empty(MOST + 1, np.int64)
    repeated_runs(document.data, document.classes, chars)
    every = max(1, int(chars[0]))
    return {name: min(1.0, int(chars[size]) / every) for size, name in _COLUMNS.items()}
