"""Which blobs are stored already: a persistent set of git's 20-byte ids.

A repository's trees name its blobs before any is sent, so what is known need not be asked for
again. PyCodeGPT's own figures say that 78% of raw files are such.

The set is sorted runs on disk, mapped and searched in bulk: 28 bytes a blob (the id, the shard that
holds it, its size), 1.7 GB of disk for 60M. Mapped pages are the system's to take back; memory of
our own is bounded by the size of a question and of `_MERGE_ROWS`: 67 MB, measured at 60M. A shard's
blobs make a run; where eight runs are of a kind they become one (a log-structured merge tree,
O'Neil et al., 1996), so that an id is rewritten some seven times on the way to 60M.

Killed anywhere, it goes on: a run takes its name when it is on disk, and counts once the index
names it, which is replaced whole. `shards` says whose blobs are here: what the frontier has beyond
them is read from the shards themselves, and where they differ all is (`assemble.catch_up`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from corpus.errors import FileError
from corpus.files import atomic_path, named_errors, write_json

ID_BYTES = 20
NOWHERE = np.uint32(0xFFFFFFFF)  # the shard of an id that is not known
_INDEX = "known.json"
_FORMAT = 1
_FAN = 8  # runs of a kind before they become one
_MERGE_ROWS = 1 << 18  # in memory at a time
_ROW_BYTES = 28
_MAX_SIZE = 0xFFFFFFFF

U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]


class Rows(NamedTuple):
    """Columns of blobs: ids as a number of their first 8 bytes and the 12 bytes after."""

    head: U64
    tail: U8  # (n, 12)
    shard: U32
    size: U32

    @property
    def columns(self) -> tuple[NDArray[Any], ...]:
        """As they lie on disk."""
        return self.head, self.tail, self.shard, self.size

    def part(self, rows: Any) -> Rows:
        """Some of them."""
        return Rows(self.head[rows], self.tail[rows], self.shard[rows], self.size[rows])


@dataclass(frozen=True, slots=True)
class Where:
    """What is known of the ids that were asked for, in their order."""

    shard: U32  # NOWHERE where unknown
    size: U32


class KnownBlobs:
    """The set in one folder. `open` it; `add` a shard's blobs once the shard is on disk."""

    def __init__(self, folder: Path, runs: Sequence[Run], shards: Mapping[int, str]) -> None:
        self._folder = folder
        self._runs, self._shards = list(runs), dict(shards)

    @classmethod
    def open(cls, folder: Path) -> KnownBlobs:
        """Read what there is; an empty set where it is missing or damaged. Raises FileError."""
        with named_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        runs, shards = _read_index(folder)
        known = cls(folder, runs, shards)
        known._drop_strangers()
        return known

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs)

    @property
    def shards(self) -> dict[int, str]:
        """The shards whose blobs are here, with their digests."""
        return dict(self._shards)

    @property
    def disk_bytes(self) -> int:
        """On disk."""
        return sum(run.path.stat().st_size for run in self._runs)

    def find(self, ids: Sequence[bytes]) -> Where:
        """Where each of these 20-byte ids is stored, asked all at once."""
        head, tail = _split(ids)
        where = Where(np.full(len(ids), NOWHERE, np.uint32), np.zeros(len(ids), np.uint32))
        order = np.argsort(head, kind="stable")  # neighbours lie on the same pages
        for run in self._runs:
            rows, found = run.find(head[order], tail[order])
            places = order[rows]
            better = run.rows.shard[found] < where.shard[places]
            where.shard[places[better]] = run.rows.shard[found[better]]
            where.size[places[better]] = run.rows.size[found[better]]
        return where

    def add(self, shard: int, digest: str, ids: Sequence[bytes], sizes: Sequence[int]) -> None:
        """Put in a shard's blobs, for good when this returns. Raises DiskFullError, FileError."""
        head, tail = _split(ids)
        capped = np.minimum(np.asarray(sizes, np.uint64), _MAX_SIZE).astype(np.uint32)
        rows = _sorted(Rows(head, tail, np.full(len(ids), shard, np.uint32), capped))
        fresh = [*self._runs]
        if len(rows.head):
            path = self._folder / f"{shard:06}-{digest[:12]}.run"
            fresh.append(_write_run(path, len(rows.head), iter([rows])))
        self._shards[shard] = digest
        self._replace(fresh)
        while tier := _full_tier(self._runs):
            self._merge(tier)

    def clear(self) -> None:
        """Forget everything."""
        self._shards = {}
        self._replace([])

    def _merge(self, tier: Sequence[Run]) -> None:
        most = sum(len(run) for run in tier)
        path = self._folder / f"{tier[0].path.stem.partition('+')[0]}+{most}.run"
        merged = _write_run(path, most, _merged(tier))
        self._replace([*(run for run in self._runs if run not in tier), merged])

    def _replace(self, runs: Sequence[Run]) -> None:
        """Make these the set; from here on a killed harvest finds them."""
        gone = {run.path for run in self._runs} - {run.path for run in runs}
        self._runs = list(runs)
        value = {
            "format": _FORMAT,
            "runs": {run.path.name: len(run) for run in runs},
            "shards": {str(shard): digest for shard, digest in sorted(self._shards.items())},
        }
        write_json(self._folder / _INDEX, value)
        with named_errors(self._folder):
            for path in gone:
                path.unlink(missing_ok=True)

    def _drop_strangers(self) -> None:
        """Delete runs that a killed harvest wrote and never counted."""
        known = {run.path for run in self._runs}
        with named_errors(self._folder):
            for path in self._folder.glob("*.run*"):
                if path not in known:
                    path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One sorted file, mapped."""

    path: Path
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows.head)

    def find(self, head: U64, tail: U8) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(places in the question, rows of the run) of the ids that are here."""
        at = np.searchsorted(self.rows.head, head)
        asked = np.arange(len(head))
        places, rows = [], []
        while len(asked):
            inside = at < len(self)
            asked, at = asked[inside], at[inside]
            same = self.rows.head[at] == head[asked]
            asked, at = asked[same], at[same]
            hit = (self.rows.tail[at] == tail[asked]).all(axis=1)
            places.append(asked[hit])
            rows.append(at[hit])
            # Ids that share 8 bytes are rare by chance, but someone may make them.
            asked, at = asked[~hit], at[~hit] + 1
        if not places:
            return np.empty(0, np.intp), np.empty(0, np.intp)
        return np.concatenate(places), np.concatenate(rows)


def _split(ids: Sequence[bytes]) -> tuple[U64, U8]:
    raw = np.frombuffer(b"".join(ids), np.uint8).reshape(len(ids), ID_BYTES)
    head = np.ascontiguousarray(raw[:, :8]).view(">u8").reshape(-1).astype(np.uint64)
    return head, raw[:, 8:]


def _sorted(rows: Rows) -> Rows:
    """By id, each once: the earliest shard's."""
    if not len(rows.head):
        return rows
    tail = np.ascontiguousarray(rows.tail)
    low = tail[:, :8].copy().view(">u8").reshape(-1)
    rest = tail[:, 8:].copy().view(">u4").reshape(-1)
    order = np.lexsort((rows.shard, rest, low, rows.head))
    head = rows.head[order]
    tail = tail[order]
    first = np.ones(len(order), bool)
    first[1:] = (head[1:] != head[:-1]) | (tail[1:] != tail[:-1]).any(axis=1)
    return rows.part(order[first])


def _full_tier(runs: Sequence[Run]) -> list[Run]:
    """The runs to make one of: eight of about a size; none if there is no such tier."""
    tiers: dict[int, list[Run]] = {}
    for run in runs:
        tiers.setdefault(len(run).bit_length() // 3, []).append(run)
    return next((tier for _, tier in sorted(tiers.items()) if len(tier) >= _FAN), [])


def _merged(runs: Sequence[Run]) -> Iterator[Rows]:
    """All rows in order, a bounded number at a time: between marks of the longest run."""
    longest = max(runs, key=len).rows.head
    step = max(1, _MERGE_ROWS // len(runs))
    marks = longest[step::step]
    at = [0] * len(runs)
    for mark in (*np.unique(marks), None):
        stop = [_until(run, mark) for run in runs]
        parts = [run.rows.part(slice(a, b)) for run, a, b in zip(runs, at, stop, strict=True)]
        at = stop
        yield _sorted(Rows(*(np.concatenate(column) for column in zip(*parts, strict=True))))


def _until(run: Run, mark: np.uint64 | None) -> int:
    return len(run) if mark is None else int(np.searchsorted(run.rows.head, mark))


def _write_run(path: Path, most: int, pieces: Iterable[Rows]) -> Run:
    """Write columns one after the other. `most`: how many rows there may be."""
    offsets, widths = (0, 8, 20, 24), (8, 12, 4, 4)
    with atomic_path(path) as aside:
        rows = 0
        with aside.open("wb+") as file:
            for piece in pieces:
                for column, offset, width in zip(piece.columns, offsets, widths, strict=True):
                    file.seek(offset * most + width * rows)
                    file.write(np.ascontiguousarray(column).data)
                rows += len(piece.head)
            file.truncate(max(_ROW_BYTES * most, 1))
        if rows < most:
            _close_up(aside, most, rows, offsets)
    return _open_run(path, rows)


def _close_up(path: Path, most: int, rows: int, offsets: Sequence[int]) -> None:
    """Move the columns together where duplicates left room between them."""
    with path.open("rb+") as file:
        for offset, end in zip(offsets, (*offsets[1:], _ROW_BYTES), strict=True):
            left, source, target = (end - offset) * rows, offset * most, offset * rows
            while left:
                file.seek(source)
                piece = file.read(min(left, 1 << 22))
                file.seek(target)
                file.write(piece)
                left, source, target = left - len(piece), source + len(piece), target + len(piece)
        file.truncate(_ROW_BYTES * rows)


def _open_run(path: Path, rows: int) -> Run:
    with named_errors(path):
        mapped = np.memmap(path, np.uint8, "r")
    if len(mapped) != _ROW_BYTES * rows:
        raise FileError(path, f"{len(mapped)} bytes where {_ROW_BYTES * rows} were written")
    return Run(
        path,
        Rows(
            mapped[: 8 * rows].view(np.uint64),
            mapped[8 * rows : 20 * rows].reshape(rows, 12),
            mapped[20 * rows : 24 * rows].view(np.uint32),
            mapped[24 * rows :].view(np.uint32),
        ),
    )


def _read_index(folder: Path) -> tuple[list[Run], dict[int, str]]:
    """What the index names; nothing where any of it can't be used, as it can be made anew."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, FileError):
        value = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        if value["format"] == _FORMAT:
            runs = [_open_run(folder / name, rows) for name, rows in value["runs"].items()]
            return runs, {int(shard): str(digest) for shard, digest in value["shards"].items()}
    return [], {}
