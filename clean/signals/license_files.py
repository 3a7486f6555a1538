"""The licence files of a shard: which of them speaks for a file, and what it says.

They are rows of the shard. A worker reads the paths of a shard once and, of the contents, only the
row groups whose licence files it needs; what it found is kept while it works on the shard.
"""

from __future__ import annotations

import codecs
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc

from clean.signals.license import FoundLicense
from clean.signals.license_terms import RESERVED, rendered
from clean.signals.license_text import A_CHOICE, read_license_text
from corpus.license_files import is_license_file, is_plainly_named
from corpus.shards import Shard, open_shard, read_rows

_MAX_TEXTS = 4096  # by blob id: the same text stands in many repositories


class _File(NamedTuple):
    """A licence file: its row in the shard."""

    row: int
    path: str


class ShardLicenses:
    """What the licence files of one shard state; they are read when first asked for."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._files = _license_rows(shard)
        self._starts = np.cumsum([0, *shard.row_groups])  # of the row groups, and the end
        self._in_group: dict[int, list[int]] = defaultdict(list)
        for file in (file for files in self._files.values() for file in files):
            self._in_group[self._group(file.row)].append(file.row)
        self._found: dict[int, FoundLicense] = {}
        self._expressions: dict[tuple[int, str], str | None] = {}

    def nearest(self, repo_id: int, path: str) -> str | None:
        """The expression of the licence files in the nearest folder above `path` that has any."""
        folder = path
        while folder:
            folder = folder.rpartition("/")[0]
            if (found := self.in_folder(repo_id, folder)) is not None:
                return found
        return None

    def in_folder(self, repo_id: int, folder: str) -> str | None:
        """The expression of the licence files in one folder, "" being the root."""
        files = self._files.get((repo_id, folder))
        if files is None:
            return None
        key = (repo_id, folder)
        if key not in self._expressions:
            self._expressions[key] = combined([(file.path, self._read(file.row)) for file in files])
        return self._expressions[key]

    def _read(self, row: int) -> FoundLicense:
        if row not in self._found:
            self._read_group(self._group(row))
        return self._found[row]

    def _group(self, row: int) -> int:
        return int(np.searchsorted(self._starts, row, side="right")) - 1

    def _read_group(self, group: int) -> None:
        """Read all licence files of a row group: its pages are decompressed together anyway."""
        start, stop = self._starts[group : group + 2].tolist()
        table = read_rows(self._shard, start, stop, ["content", "blob_id"])
        for row in self._in_group[group]:
            blob_id, content = (table[name][row - start].as_py() for name in ("blob_id", "content"))
            self._found[row] = _found_in(blob_id, content)


def licenses_of(shard: Shard) -> ShardLicenses:
    """The licence files of a shard, remembered by this process."""
    return _remembered(shard.path, shard.digest)


@lru_cache(maxsize=4)
def _remembered(path: Path, digest: str) -> ShardLicenses:
    return ShardLicenses(open_shard(path))


def combined(files: Iterable[tuple[str, FoundLicense]]) -> str | None:
    """One expression for the licence files of a folder, given with their paths.

    A plainly named one (LICENSE, COPYING) speaks for all; else those with names of their own
    (LICENSE-MIT) hold together, unless a plain one offers the choice among them.
    """
    found = sorted(files, key=lambda item: item[0])
    plain = [each for path, each in found if is_plainly_named(path)]
    others = [each for path, each in found if not is_plainly_named(path)]
    chosen = _expressions(plain) or _expressions(others)
    if not chosen:
        return None
    if "LGPL-3.0-only" in _expressions(others) and chosen == ["GPL-3.0-only"]:
        return "LGPL-3.0-only"  # COPYING beside COPYING.LESSER
    may_choose = any(each.evidence == A_CHOICE for each in plain)
    joined = (") OR (" if may_choose else ") AND (").join(chosen)
    return rendered(f"({joined})")


def _expressions(found: Iterable[FoundLicense]) -> list[str]:
    """The expressions, each once. Reserved rights beside a licence are what the law reserves."""
    named = {each.expression for each in found if each.expression is not None}
    return sorted(named - {RESERVED} or named)


def _license_rows(shard: Shard) -> dict[tuple[int, str], list[_File]]:
    """The licence files by repository and folder; no content is read."""
    table = read_rows(shard, columns=["repo_id", "path"])
    rows = np.flatnonzero(pc.invert(pc.ends_with(table["path"], ".py")).to_numpy())
    files: dict[tuple[int, str], list[_File]] = defaultdict(list)
    for row, values in zip(rows.tolist(), table.take(rows).to_pylist(), strict=True):
        if is_license_file(values["path"]):
            folder = values["path"].rpartition("/")[0]
            files[values["repo_id"], folder].append(_File(row, values["path"]))
    return dict(files)


_texts: dict[str, FoundLicense] = {}


def _found_in(blob_id: str, content: bytes) -> FoundLicense:
    """What a text says, remembered by its blob id."""
    if not content:
        return FoundLicense()  # taken down, with its blob id left
    if blob_id not in _texts:
        if len(_texts) >= _MAX_TEXTS:
            _texts.clear()
        _texts[blob_id] = read_license_text(decoded(content))
    return _texts[blob_id]


def decoded(content: bytes) -> str:
    """A licence file's text, whatever its encoding: the words that matter are ASCII."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    return content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
