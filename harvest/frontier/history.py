"""How a harvest went: samples of what was done by when, and what the limits said last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harvest.frontier.table import Table

MAX_SAMPLES = 1_000
# Without a sample for so long nobody was at work.
BREAK_S = 120.0


@dataclass(frozen=True, slots=True)
class Sample:
    """How far the harvest was at one moment."""

    at: float  # seconds since the epoch
    found: int
    detailed: int
    settled: int  # repositories that were fetched, or can't be
    files: int
    bytes: int


class History(Table):
    """Samples, the newest thousand; never more than a few bytes a minute."""

    def keep_sample(self, sample: Sample, limits: Mapping[str, Any]) -> None:
        """Remember how far things are, and what the limits are, by user and resource."""
        values = (sample.at, sample.found, sample.detailed, sample.settled)
        with self.together():
            self._database.execute(
                "REPLACE INTO history VALUES (?, ?, ?, ?, ?, ?)",
                (*values, sample.files, sample.bytes),
            )
            self._database.execute(
                "DELETE FROM history WHERE at < (SELECT at FROM history ORDER BY at DESC"
                " LIMIT 1 OFFSET ?)",
                (MAX_SAMPLES,),
            )
            if limits:
                self.keep_note("limits", {"at": sample.at, "users": limits})

    def samples(self) -> list[Sample]:
        """Those of the last stretch of work, oldest first."""
        rows = self._all("SELECT * FROM history ORDER BY at DESC")
        found: list[Sample] = []
        for row in rows:
            sample = Sample(**dict(row))
            if found and found[-1].at - sample.at > BREAK_S:
                break
            found.append(sample)
        return found[::-1]
