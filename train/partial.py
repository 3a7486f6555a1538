"""A token file while it grows: appended to, journaled, and taken up again after a kill.

The journal says how much of the files beside it is on the disk. What lies behind that was
written by a run that died before it could say so, and is cut off. The final names appear when
the split is complete.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from corpus.files import atomic_path, fsync, named_errors, write_json

_OFFSET = np.dtype("<i8")


@dataclass(slots=True)
class Counts:
    """What a split holds so far."""

    documents: int = 0
    tokens: int = 0
    bytes: int = 0  # of UTF-8 text


class Partial:
    """One split on its way to `bin_path` and `offsets_path`.

    `stamp` names the work. Files of other work, or with less than their journal promises, are
    deleted, and the split begins anew.
    """

    def __init__(self, bin_path: Path, offsets_path: Path, dtype: np.dtype, stamp: str) -> None:
        self._bin, self._offsets = bin_path, offsets_path
        self._bin_aside, self._offsets_aside = _asides(bin_path, offsets_path)
        self._journal = _journal(bin_path)
        self._dtype, self._stamp = dtype, stamp
        self._open: list[BinaryIO] = []
        recalled = self._read_journal()
        self.counts = recalled or Counts()
        if recalled is None or not (self.complete or self._can_go_on()):
            forget(bin_path, offsets_path)
            for path in (bin_path, offsets_path):
                path.unlink(missing_ok=True)
            self.counts = Counts()

    @property
    def complete(self) -> bool:
        """Whether the split has its final names."""
        return self._offsets.exists() and _size(self._bin) == self._need

    def __enter__(self) -> Partial:
        offsets_need = self.counts.documents * _OFFSET.itemsize
        for path, size in ((self._bin_aside, self._need), (self._offsets_aside, offsets_need)):
            with named_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                file = path.open("r+b" if path.exists() else "w+b")
                self._open.append(file)
                file.truncate(size)
                file.seek(size)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for file in self._open:
            # A full disk fails here again; the first error is the one to tell.
            with suppress(OSError):
                file.close()
        self._open.clear()

    def append(self, documents: Sequence[np.ndarray], text_bytes: int) -> None:
        """Add documents, each a row of ids. Raises DiskFullError or FileError."""
        lengths = np.array([len(ids) for ids in documents], _OFFSET)
        starts = self.counts.tokens + np.cumsum(lengths) - lengths
        contents = (np.concatenate(documents).astype(self._dtype), starts.astype(_OFFSET))
        with named_errors(self._bin):
            for file, array in zip(self._open, contents, strict=True):
                file.write(array.tobytes())
        self.counts.documents += len(documents)
        self.counts.tokens += int(lengths.sum())
        self.counts.bytes += text_bytes

    def save(self) -> None:
        """Put everything so far on the disk, then say so in the journal."""
        with named_errors(self._bin):
            for file in self._open:
                file.flush()
                fsync(Path(file.name))
        write_json(self._journal, {"stamp": self._stamp, **asdict(self.counts)})

    def finish(self) -> None:
        """Save, and give the files their final names: the ids last, since they mark the end."""
        self.save()
        with named_errors(self._bin):
            starts = np.fromfile(self._offsets_aside, _OFFSET)
            save_array(self._offsets, np.append(starts, self.counts.tokens).astype(np.int64))
            self._bin_aside.replace(self._bin)
            fsync(self._bin.parent)

    @property
    def _need(self) -> int:
        return self.counts.tokens * self._dtype.itemsize

    def _can_go_on(self) -> bool:
        offsets_need = self.counts.documents * _OFFSET.itemsize
        return _size(self._bin_aside) >= self._need and _size(self._offsets_aside) >= offsets_need

    def _read_journal(self) -> Counts | None:
        try:
            entry = json.loads(self._journal.read_text(encoding="utf-8"))
            stamp = entry.pop("stamp")
            return Counts(**entry) if stamp == self._stamp else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def forget(bin_path: Path, offsets_path: Path) -> None:
    """Delete a split's journal, and what is left of the files that it speaks of."""
    for path in (_journal(bin_path), *_asides(bin_path, offsets_path)):
        path.unlink(missing_ok=True)


def save_array(path: Path, array: np.ndarray) -> None:
    """Write a .npy file, complete or not at all. Raises DiskFullError or FileError."""
    contents = io.BytesIO()
    # Straight to a file, NumPy would report a full disk without its errno.
    np.save(contents, array, allow_pickle=False)
    with atomic_path(path) as aside:
        aside.write_bytes(contents.getbuffer())


def _asides(*paths: Path) -> list[Path]:
    return [path.with_name(f"{path.name}.partial") for path in paths]


def _journal(bin_path: Path) -> Path:
    return bin_path.with_suffix(".journal.json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1
