"""The list of owners and repositories whose code must not be used: opt-outs."""

from __future__ import annotations

import re
from pathlib import Path

from corpus.errors import RecipeError

_ENTRY = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)?")


def read_opt_out(path: Path) -> tuple[str, ...]:
    """The entries of a list, in lower case, sorted, each once.

    A line holds `owner` or `owner/name`; blank lines and what follows a `#` count for nothing.
    Raises RecipeError naming the file, and the line that is neither.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        problem = f"the opt-out list {path} can't be read: {error.strerror}"
        raise RecipeError(None, "clean.rules.opt_out", problem) from error
    except UnicodeDecodeError as error:
        problem = f"the opt-out list {path} is not UTF-8 text"
        raise RecipeError(None, "clean.rules.opt_out", problem) from error
    entries = set()
    for number, line in enumerate(text.split("\n"), 1):
        if entry := line.partition("#")[0].strip():
            entries.add(_checked(path, number, entry))
    return tuple(sorted(entries))


def _checked(path: Path, number: int, entry: str) -> str:
    if not _ENTRY.fullmatch(entry):
        problem = f"{entry[:100]!r} is neither an owner nor owner/name"
        raise RecipeError(path, f"line {number}", problem)
    return entry.lower()
