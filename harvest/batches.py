"""How many ids one GraphQL query asks for: fewer after one that was too much, then more again.

GitHub ends a query after ten seconds with a 502 or 504, and what is too much depends on the
repositories that are asked for: halve at once, grow slowly.
"""

from __future__ import annotations

MAX_BATCH = 100  # "nodes(ids:)" takes no more


class BatchSize:
    """The size for the next query."""

    def __init__(self) -> None:
        self.now = MAX_BATCH

    def too_much(self, asked: int) -> None:
        """A query for so many was not finished."""
        self.now = max(1, min(self.now, asked // 2))

    def went_well(self, asked: int) -> None:
        """A query for so many was answered."""
        if asked >= self.now:
            self.now = min(MAX_BATCH, self.now + max(1, self.now // 4))
