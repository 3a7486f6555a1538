"""The harvest's memory: what was read of each source, which repositories are known, their fate.

SQLite in WAL mode; every method is one transaction (`together` makes one of several), so that a
killed run finds here exactly what it had finished. Used from one thread. Nothing that is done for
each page or repository reads a whole table: 1.2 million repositories are a usual frontier.
"""

from __future__ import annotations

from harvest.frontier.coverage import Coverage
from harvest.frontier.generations import Generations, Superseded
from harvest.frontier.history import History, Sample
from harvest.frontier.known import Known
from harvest.frontier.records import (
    SOURCES,
    Details,
    Outcome,
    Part,
    Repository,
    WrittenShard,
)
from harvest.frontier.shards import Shards


class Frontier(Coverage, Generations, History, Known, Shards):
    """All of it; the rooms beside this file hold the methods by subject."""


__all__ = [
    "SOURCES",
    "Details",
    "Frontier",
    "Outcome",
    "Part",
    "Repository",
    "Sample",
    "Superseded",
    "WrittenShard",
]
