"""A document as the signal stages see it, and what a signal stage is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clean.compiled.characters import NEWLINE, classes_of
from clean.compiled.lines import COLUMNS, find_lines
from clean.compiled.marks import mark
from clean.signals.decode import Decoded
from corpus.engine import Unit
from corpus.recipe import digest
from corpus.shards import Shard
from corpus.sidecars import Stamp

Row = Mapping[str, Any]  # by column; a column that is left out is null
Bytes = npt.NDArray[np.uint8]
Table = npt.NDArray[np.int64]

_TOP_LINES = 5
_MAX_TOP_COLUMN = 500


@dataclass(frozen=True)
class Document:
    """One file as the stages see it. `decoded.text` is None if the file is no text.

    What several stages need is computed when the first of them asks for it.
    """

    content: bytes
    decoded: Decoded
    path: str
    repo_license: str | None
    repo_id: int = 0

    @property
    def text(self) -> str | None:
        """The decoded text; None if the file is no text."""
        return self.decoded.text

    @property
    def is_python(self) -> bool:
        """Whether this is a Python file; the harvest also keeps licence files."""
        return self.path.endswith(".py")

    @cached_property
    def top(self) -> str:
        """The first five lines, none longer than a screen could take: where generators sign."""
        # A line of a megabyte must not cost its square.
        lines = (self.text or "").split("\n", _TOP_LINES)[:_TOP_LINES]
        return "\n".join(line[:_MAX_TOP_COLUMN] for line in lines)

    @cached_property
    def encoded(self) -> bytes:
        """The text in UTF-8; empty if the file is no text."""
        return encode(self.text or "")

    @cached_property
    def data(self) -> Bytes:
        """`encoded` as an array, (bytes,)."""
        return np.frombuffer(self.encoded, np.uint8)

    @cached_property
    def line_ends(self) -> int:
        """How many there are; the last line may lack one."""
        return int(np.count_nonzero(self.data == NEWLINE))

    @cached_property
    def marks(self) -> Bytes:
        """What each of `data` belongs to, (bytes,): see `clean.compiled.marks`."""
        return marks_of(self.data)

    @cached_property
    def lines(self) -> Table:
        """The logical lines, (lines, columns): see `clean.compiled.lines`."""
        return logical_lines(self.data, self.marks)

    @cached_property
    def classes(self) -> Bytes:
        """The table that kernels look the text's characters beyond ASCII up in."""
        return classes_of(self.text or "")


def encode(text: str) -> bytes:
    """A text's bytes, lone surrogates too."""
    return text.encode("utf-8", "surrogatepass")


def utf8(text: str) -> Bytes:
    """A text's bytes as an array."""
    return np.frombuffer(encode(text), np.uint8)


def marks_of(data: Bytes) -> Bytes:
    """CODE, STRING, COMMENT or JUNK of every byte."""
    marks = np.empty(len(data), np.uint8)
    mark(data, marks)
    return marks


def logical_lines(data: Bytes, marks: Bytes) -> Table:
    """START, STOP, INDENT and CODE_LINES of every logical line."""
    table = np.empty((np.count_nonzero(data == NEWLINE) + 1, COLUMNS), np.int64)
    return table[: find_lines(data, marks, table)]


Measure = Callable[[Document], Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalStage:
    """What is measured together, kept in one sidecar and rerun on its own."""

    name: str
    version: int  # raised when the results of `measure` change
    parameters: Mapping[str, Any]  # whatever the results depend on beside the content
    guess_encoding: bool
    schema: pa.Schema
    measure: Measure
    lost: Callable[[str], Row]  # the row of a file that the engine lost, by its reason
    # For a stage that looks at more than the document: its `measure` for the documents of a unit.
    of_unit: Callable[[Unit], Measure] | None = None
    notice: str | None = None  # worth telling before the stage runs

    def measure_in(self, unit: Unit) -> Measure:
        """What measures the documents of `unit`."""
        return self.measure if self.of_unit is None else self.of_unit(unit)

    def stamp(self, shard: Shard) -> Stamp:
        """What a current sidecar of `shard` carries."""
        parameters = {**self.parameters, "guess_encoding": self.guess_encoding}
        return Stamp(self.name, self.version, digest(parameters), shard.digest)


def no_row(_: str) -> Row:
    """The row of a lost file for a stage that has nothing to say about the loss."""
    return {}
