"""Find the documents that may be near duplicates, and fetch what comparing them needs.

Band keys lie in one Parquet file a shard, a column a band, so that each band is one independent
grouping with a bounded memory. Only documents that share a band with another are ever read; their
shingles and signatures lie in mapped files, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clean.dedup.scratch import Scratch
from clean.selection import Selection
from clean.signals.decode import decode
from clean.signals.fingerprint import shingle_hashes
from corpus.engine import Engine, Guard, Lost, Unit
from corpus.events import Notice, Progress, Report
from corpus.shards import Shard, read_rows
from corpus.sidecars import read_sidecar, sidecar_path


def read_signatures(shard: Shard, sidecars: Path, rows: np.ndarray) -> tuple[np.ndarray, ...]:
    """Which of `rows` have a signature, as positions in `rows`, and those signatures.

    Signatures are (documents, permutations) uint32.
    """
    path = sidecar_path(sidecars, "fingerprint", shard)
    column = read_sidecar(path, shard, ["signature"]).column(0).take(pa.array(rows))
    positions = np.flatnonzero(column.is_valid().to_numpy())
    permutations = column.type.byte_width // 4
    raw = b"".join(column.drop_null().to_pylist())
    return positions, np.frombuffer(raw, "<u4").reshape(-1, permutations)


def write_band_keys(path: Path, ranks: np.ndarray, keys: np.ndarray) -> None:
    """Write the (documents, bands) keys of one shard's documents."""
    bands = [pa.array(np.ascontiguousarray(column)) for column in keys.T]
    names = ["rank", *(f"band{index}" for index in range(len(bands)))]
    path.parent.mkdir(exist_ok=True)
    # Keys are hashes: nothing to compress, nothing to put in a dictionary.
    pq.write_table(
        pa.table([pa.array(ranks), *bands], names=names), path,
        compression="none", use_dictionary=False,
    )  # fmt: skip


def star_edges(
    scratch: Scratch, keys: Path, bands: int, report: Report
) -> tuple[np.ndarray, np.ndarray]:
    """(hub, member) of every bucket of every band, each edge once; a hub is its bucket's best."""
    scratch.run("CREATE TABLE stars (hub BIGINT, member BIGINT)")
    files = str(keys).replace("'", "''")
    for band in range(bands):
        scratch.run(
            f"INSERT INTO stars WITH keys AS (SELECT rank, band{band} AS key "
            f"FROM read_parquet('{files}/*.parquet')), "
            "buckets AS (SELECT key, min(rank) AS hub FROM keys GROUP BY key HAVING count(*) > 1) "
            "SELECT hub, rank FROM keys JOIN buckets USING (key) WHERE rank <> hub"
        )
        report(Progress("dedup: group bands", band + 1, bands, "bands"))
    edges = scratch.table("SELECT DISTINCT hub, member FROM stars ORDER BY hub, member")
    scratch.run("DROP TABLE stars")
    return edges.column("hub").to_numpy(), edges.column("member").to_numpy()


@dataclass(frozen=True, slots=True)
class ShingleWork:
    """Worker side: the shingles of the selected rows."""

    selection: Selection
    shingle_tokens: int
    guess_encoding: bool

    def __call__(self, unit: Unit, guard: Guard) -> pa.Table:
        """One row a selected row of the unit: row, shingles."""
        rows = self.selection.of_unit(unit)
        content = read_rows(unit.shard, unit.start, unit.stop, ["content"]).column(0)
        shingles = []
        for row in rows:
            guard.enter(row)
            shingles.append(self._shingles(content[row - unit.start].as_py()))
        kind = pa.list_(pa.uint64())
        return pa.table({"row": pa.array(rows, pa.int64()), "shingles": pa.array(shingles, kind)})

    def _shingles(self, content: bytes) -> np.ndarray:
        text = decode(content, guess=self.guess_encoding).text
        if text is None:
            return np.empty(0, np.uint64)
        return np.asarray(shingle_hashes(text, self.shingle_tokens), np.uint64)


class CandidateStore:
    """Signatures and shingles of the candidates, in mapped files; a candidate is its position."""

    def __init__(self, folder: Path, ranks: np.ndarray, permutations: int) -> None:
        self._folder = folder
        self._permutations = permutations
        self._order = np.argsort(ranks, kind="stable")
        self._sorted = ranks[self._order]
        self._start = np.zeros(len(ranks), np.int64)
        self._stop = np.zeros(len(ranks), np.int64)
        self._signatures: np.ndarray = np.empty((0, permutations), np.uint32)
        self._shingles: np.ndarray = np.empty(0, np.uint64)

    def positions(self, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of `ranks` are candidates (a mask), and the positions of those that are."""
        places = np.searchsorted(self._sorted, ranks)
        places = np.minimum(places, len(self._sorted) - 1)
        found = self._sorted[places] == ranks
        return found, self._order[places[found]]

    def fill_signatures(self, parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
        """Write (positions, signatures) as they come, and map them."""
        # Written, not mapped for writing: a full disk must be an error and not a SIGBUS.
        path = self._folder / "signatures.bin"
        with path.open("wb") as file:
            for positions, signatures in parts:
                for position, signature in zip(positions.tolist(), signatures, strict=True):
                    file.seek(position * 4 * self._permutations)
                    file.write(signature.astype("<u4").tobytes())
        shape = (len(self._sorted), self._permutations)
        self._signatures = np.memmap(path, "<u4", mode="r", shape=shape)

    def fill_shingles(self, parts: Iterable[tuple[int, np.ndarray]]) -> None:
        """Write (position, shingles) as they come, and map them."""
        path = self._folder / "shingles.bin"
        end = 0
        with path.open("wb") as file:
            for position, shingles in parts:
                self._start[position] = end
                end += len(shingles)
                self._stop[position] = end
                file.write(shingles.astype("<u8").tobytes())
        if end:
            self._shingles = np.memmap(path, "<u8", mode="r")

    def signatures(self, start: int, stop: int) -> np.ndarray:
        """The signatures of candidates [start, stop): (candidates, permutations) uint32."""
        return np.asarray(self._signatures[start:stop])

    def shingles(self, position: int) -> np.ndarray:
        """A candidate's shingles; none if its file was lost or could not be read as text."""
        return self._shingles[self._start[position] : self._stop[position]]


def shingle_candidates(
    wanted: Sequence[tuple[Shard, np.ndarray, np.ndarray]],
    work: ShingleWork,
    engine: Engine,
    report: Report,
) -> Iterator[tuple[int, np.ndarray]]:
    """(candidate position, shingles) of every candidate that could be read.

    `wanted` holds each shard with its candidates' rows, ascending, and their positions. Raises
    ShardError for a damaged shard.
    """
    for shard, rows, _ in wanted:
        work.selection.save(shard, rows)
    places = {shard.name: (rows, positions) for shard, rows, positions in wanted}
    units = (unit for shard, _, _ in wanted for unit in work.selection.units(shard))
    total = sum(len(rows) for _, rows, _ in wanted)
    done = 0
    for outcome in engine.run(work, units):
        rows, positions = places[outcome.unit.shard.name]
        if isinstance(outcome, Lost):
            text = f"{outcome.unit}: {outcome.reason} while comparing; kept ({outcome.detail})"
            report(Notice(text, warning=True))
            done += int(outcome.unit.start in rows)
        else:
            mine = positions[np.searchsorted(rows, outcome.value.column("row").to_numpy())]
            yield from zip(mine.tolist(), _arrays(outcome.value), strict=True)
            done += outcome.value.num_rows
        report(Progress("dedup: read candidates", done, total, "files"))


def _arrays(table: pa.Table) -> Iterator[np.ndarray]:
    shingles = table.column("shingles").combine_chunks()
    offsets = shingles.offsets.to_numpy()
    values = shingles.values.to_numpy()
    for start, stop in pairwise(offsets):
        yield values[start:stop]
