"""What the cleaning commands share: how much they may use, and on what they work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clean.recipe import CleanRecipe
from corpus.errors import UsageError
from pycodegpt.session import open_session
from pycodegpt.terminal import quantity

if TYPE_CHECKING:
    from clean.inputs import Cleaning

WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Processes to work with; default: one a core.")
]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="The most memory that all processes together may use, such as 4GB or 512MB; "
        "default: three quarters of this machine's. More data takes longer, not more memory.",
    ),
]
_UNITS = {
    "": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Bytes of `4GB`, `512MB`, `1.5GiB`. Raises UsageError."""
    match = _SIZE.fullmatch(text.strip())
    unit = match[2].upper() if match else ""
    unit = f"{unit}B" if unit in ("K", "M", "G", "T") else unit
    if match is None or unit not in _UNITS:
        raise UsageError(f"--memory {text}: not a size; write it like 4GB or 512MB")
    found = int(float(match[1]) * _UNITS[unit])
    if not found:
        raise UsageError(f"--memory {text}: must be more than nothing")
    return found


def within(recipe: CleanRecipe, memory: str | None, workers: int | None) -> CleanRecipe:
    """The recipe with the limits that the command line states."""
    limits = recipe.limits
    if memory is not None:
        limits = replace(limits, max_memory_bytes=parse_size(memory))
    if workers is not None:
        limits = replace(limits, workers=workers)
    return replace(recipe, limits=limits)


@contextmanager
def asking(
    recipe: Path,
    overrides: list[str] | None,
    *,
    memory: str | None = None,
    workers: int | None = None,
) -> Iterator[Cleaning]:
    """A recipe and its run, for a question that reads no content and starts no worker."""
    from clean.aside import placed
    from clean.inputs import open_cleaning

    with open_session(recipe, overrides) as session:
        cleaning = open_cleaning(
            session.folder,
            within(session.recipe.clean, memory, workers),
            seed=session.recipe.seed,
            report=session.report,
            measures=False,
        )
        yield placed(cleaning)


def share(part: float, whole: float) -> str:
    """`12.3%`, or `-` of nothing."""
    return f"{100 * part / whole:.1f}%" if whole else "-"


def size(value: float) -> str:
    """Bytes for people."""
    return f"{quantity(value)}B"


def number(count: int, noun: str) -> str:
    """`1 file`, `2 files`, `3 repositories`."""
    if count != 1:
        noun = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun}"


def short(text: str, most: int = 72) -> str:
    """The text, or the beginning of a long one."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
