"""Contents that a shard's rows borrow: licence files that another repository brought before.

Licences are few and alike; that of a fork is its parent's. What was lent last stays in memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import Path

from corpus.errors import ShardError
from corpus.schema import git_blob_id
from corpus.shards import Shard, open_shard, read_rows
from harvest.known import NOWHERE, KnownBlobs
from harvest.resolve import Resolution
from harvest.spool import Contents

MAX_KEPT_BYTES = 32 << 20


class Library:
    """Lends contents by blob id."""

    def __init__(
        self, spools: Path, shard_path: Callable[[int], Path], known: KnownBlobs | None
    ) -> None:
        self._spools, self._shard_path, self._known = spools, shard_path, known
        self._kept: dict[bytes, bytes] = {}

    def lend(self, resolved: Mapping[int, Resolution]) -> dict[bytes, bytes]:
        """All that the rows of one shard borrow. Raises ShardError if it is not to be found."""
        lent: dict[bytes, bytes] = {}
        holders: defaultdict[int, set[bytes]] = defaultdict(set)
        earlier: set[bytes] = set()
        for resolution in resolved.values():
            for blob_id, holder in resolution.borrowed.items():
                if holder is None:
                    earlier.add(blob_id)
                else:
                    holders[holder].add(blob_id)
        for holder, ids in holders.items():
            with Contents(self._spools, holder) as contents:
                lent |= {blob_id: contents.read(blob_id) for blob_id in ids}
        return lent | self._of_shards(earlier)

    def _of_shards(self, ids: Set[bytes]) -> dict[bytes, bytes]:
        lent = {blob_id: self._kept.pop(blob_id) for blob_id in ids if blob_id in self._kept}
        for number, wanted in self._shards(ids - lent.keys()).items():
            shard = open_shard(self._shard_path(number))
            lent |= _contents(shard, wanted)
        self._keep(lent)
        return lent

    def _shards(self, ids: Iterable[bytes]) -> dict[int, set[bytes]]:
        shards: defaultdict[int, set[bytes]] = defaultdict(set)
        asked = list(ids)
        if asked and self._known is not None:
            where = self._known.find(asked).shard.tolist()
            for blob_id, shard in zip(asked, where, strict=True):
                if shard == NOWHERE:
                    raise ShardError(self._shard_path(0), f"no shard has blob {blob_id.hex()}")
                shards[shard].add(blob_id)
        return shards

    def _keep(self, lent: Mapping[bytes, bytes]) -> None:
        self._kept |= lent  # the last lent are the last to go
        size = sum(map(len, self._kept.values()))
        while size > MAX_KEPT_BYTES:
            oldest = next(iter(self._kept))
            size -= len(self._kept.pop(oldest))


def _contents(shard: Shard, ids: Set[bytes]) -> dict[bytes, bytes]:
    """The contents of these blobs, which are rows of the shard. Raises ShardError."""
    wanted = {blob_id.hex() for blob_id in ids}
    found: dict[bytes, bytes] = {}
    start = 0
    for rows in shard.row_groups:
        names = read_rows(shard, start, start + rows, ("blob_id",))["blob_id"].to_pylist()
        hits = [at for at, name in enumerate(names) if name in wanted]
        contents = read_rows(shard, start, start + rows, ("content",))["content"] if hits else ()
        for at in hits:
            content = contents[at].as_py()
            # A takedown leaves rows that are empty under the name of what they held.
            if git_blob_id(content) == names[at]:
                found[bytes.fromhex(names[at])] = content
        start += rows
    if len(found) < len(ids):
        raise ShardError(shard.path, f"{len(ids) - len(found)} of its blobs are missing")
    return found
