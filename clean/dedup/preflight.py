"""Whether the disk has room for a step, said before the step begins."""

from __future__ import annotations

import shutil
from pathlib import Path

from clean.dedup.bands import row_bytes
from clean.dedup.store import SHINGLE_BYTES
from corpus.errors import DiskFullError
from corpus.events import Notice, Report
from corpus.files import named_errors

_TIGHT = 0.8  # of the free room: worth a word
_SPILLED_ROW = 64  # bytes that a row takes in a grouping that does not fit in memory
_LISTED_ROW = 120  # bytes of what a document is ranked by
_ENTRY = 48  # bytes of an entry beside its signature and its shingles


def grouping_bytes(rows: int, bands: int) -> int:
    """What keying and grouping `rows` documents may take, at most."""
    return rows * (row_bytes(bands) + _SPILLED_ROW)


def store_bytes(documents: int, shingles: int, permutations: int) -> int:
    """What the shingles of so many candidates take."""
    return documents * (4 * permutations + _ENTRY) + shingles * SHINGLE_BYTES


def decision_bytes(rows: int) -> int:
    """What deciding on `rows` documents may take, at most, for as long as it runs."""
    return rows * (_LISTED_ROW + _SPILLED_ROW)


def check_room(folder: Path, needed: int, report: Report) -> None:
    """Raise DiskFullError if `folder`'s disk lacks the room; tell if it will be tight."""
    with named_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    figures = f"near duplicates need about {_shown(needed)}, and {_shown(free)} are free"
    if needed > free:
        raise DiskFullError(folder, f"{figures}; free some and run again")
    if needed > _TIGHT * free:
        report(Notice(f"{folder}: {figures}", warning=True))


def _shown(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
