"""A document as the signal stages see it, and what a signal stage is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from clean.signals.decode import Decoded
from corpus.recipe import digest
from corpus.shards import Shard
from corpus.sidecars import Stamp

Row = Mapping[str, Any]  # by column; a column that is left out is null


@dataclass(frozen=True, slots=True)
class Document:
    """One file as the stages see it. `decoded.text` is None if the file is no text."""

    content: bytes
    decoded: Decoded
    path: str
    repo_license: str | None

    @property
    def text(self) -> str | None:
        """The decoded text; None if the file is no text."""
        return self.decoded.text

    @property
    def is_python(self) -> bool:
        """Whether this is a Python file; the harvest also keeps licence files."""
        return self.path.endswith(".py")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalStage:
    """What is measured together, kept in one sidecar and rerun on its own."""

    name: str
    version: int  # raised when the results of `measure` change
    parameters: Mapping[str, Any]  # whatever the results depend on beside the content
    guess_encoding: bool
    schema: pa.Schema
    measure: Callable[[Document], Row]
    lost: Callable[[str], Row]  # the row of a file that the engine lost, by its reason

    def stamp(self, shard: Shard) -> Stamp:
        """What a current sidecar of `shard` carries."""
        parameters = {**self.parameters, "guess_encoding": self.guess_encoding}
        return Stamp(self.name, self.version, digest(parameters), shard.digest)
