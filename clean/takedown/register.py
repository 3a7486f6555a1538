"""The list of repositories that were taken down: one line each, and the first thing written.

A line is `owner/name # {"id": ..., "date": ..., "reason": ...}`: what follows the `#` is for us,
and what precedes it makes the file an opt-out list that a harvest reads as any other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from corpus.errors import FileError
from corpus.files import named_errors, write_text

_HEAD = (
    "# Repositories that were taken down (pycodegpt clean takedown). Every stage leaves them out,\n"
    "# and so does a harvest into this folder. Lines are only ever added.\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Takedown:
    """A repository that must go, by its id: names change hands."""

    id: int
    name: str  # owner/name, as the raw shards have it
    date: str  # ISO 8601
    files: int  # rows of the raw shards at that time
    was_in_corpus: int | None  # of them in the cleaned corpus; None: there was none to look at
    reason: str | None = None

    def plain(self) -> dict[str, Any]:
        """As manifests have it."""
        return asdict(self)


def read_takedowns(path: Path) -> tuple[Takedown, ...]:
    """The list, in the order of its lines; empty if there is no file.

    Raises FileError naming the line that can't be understood: a wish that is ignored is worse
    than a stage that stops.
    """
    if not path.exists():
        return ()
    with named_errors(path):
        lines = path.read_bytes().split(b"\n")
    return tuple(
        _entry(path, number, line)
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith(b"#")
    )


def _entry(path: Path, number: int, line: bytes) -> Takedown:
    name, _, facts = line.partition(b"#")
    try:
        return Takedown(**{"name": name.decode().strip(), **json.loads(facts)})
    except (ValueError, TypeError) as error:
        problem = f"line {number} is not `owner/name # {{...}}` as clean takedown writes it"
        raise FileError(path, problem) from error


def write_takedowns(path: Path, takedowns: Iterable[Takedown]) -> None:
    """Write the list, complete or not at all."""
    write_text(path, _HEAD + "".join(map(_line, takedowns)))


def _line(takedown: Takedown) -> str:
    facts = takedown.plain()
    name = facts.pop("name")
    return f"{name} # {json.dumps(facts)}\n"
