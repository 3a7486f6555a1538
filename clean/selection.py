"""Rows of shards that a step wants, in a folder where its workers look up their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from corpus.engine import Unit, units_of
from corpus.shards import Shard


@dataclass(frozen=True, slots=True)
class Selection:
    """One small file of ascending row numbers a shard, which each worker maps."""

    folder: Path

    def save(self, shard: Shard, rows: np.ndarray) -> None:
        """Keep the wanted rows of `shard`, ascending."""
        self.folder.mkdir(parents=True, exist_ok=True)
        np.save(self._path(shard), rows)

    def of_shard(self, shard: Shard) -> np.ndarray:
        """The wanted rows of `shard`, mapped."""
        rows: np.ndarray = np.load(self._path(shard), mmap_mode="r")
        return rows

    def of_unit(self, unit: Unit) -> list[int]:
        """The wanted rows of `unit`."""
        rows = self.of_shard(unit.shard)
        start, stop = np.searchsorted(rows, [unit.start, unit.stop])
        wanted: list[int] = rows[start:stop].tolist()
        return wanted

    def units(self, shard: Shard, *, max_rows: int = 512) -> list[Unit]:
        """The units of `shard` that hold a wanted row; the others need not be read."""
        rows = self.of_shard(shard)
        units = list(units_of(shard, max_rows=max_rows))
        starts = np.searchsorted(rows, [unit.start for unit in units])
        stops = np.searchsorted(rows, [unit.stop for unit in units])
        return [units[i] for i in np.flatnonzero(stops > starts)]

    def _path(self, shard: Shard) -> Path:
        return self.folder / f"{shard.name}.npy"
