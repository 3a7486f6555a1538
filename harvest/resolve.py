"""Which files of a shard become rows, which copies, and which blobs are still to be asked for.

Pure, and decided in the order of the plan alone: whatever came first over the wire, and by which
transport, the same blob ends in the same row. Licence files are rows in every repository, since
cleaning reads them beside the files that they speak for; their contents are borrowed where they
are known, and not asked for again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harvest.archive import COPY, KEPT, KEPT_LICENSE, TOO_LARGE, Limits, max_bytes_of
from harvest.listing import ListedFile, Listing

Sizes = Mapping[bytes, int]  # of blobs, by id


@dataclass(frozen=True, slots=True)
class Member:
    """A repository of a shard: its files, and the blobs that it has brought."""

    id: int
    listing: Listing
    sizes: Sizes


@dataclass(slots=True)
class Resolution:
    """What becomes of one repository's files."""

    rows: list[ListedFile] = field(default_factory=list)
    copies: list[ListedFile] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    python_bytes: int = 0  # of the rows
    stored: dict[bytes, int] = field(default_factory=dict)  # blobs of the rows, and the next
    oversize: dict[bytes, int] = field(default_factory=dict)  # too large under any name
    # Blobs of rows that another one has: a repository of this shard, or (None) an earlier shard.
    borrowed: dict[bytes, int | None] = field(default_factory=dict)
    missing: list[bytes] = field(default_factory=list)  # each once


def resolve(
    members: Iterable[Member], known: Sizes, limits: Limits, *, once: bool
) -> dict[int, Resolution]:
    """Settle a shard's files, in the order of the plan.

    `known`: the blobs of earlier shards. `once`: a blob gets one row in the whole harvest, and
    becomes a copy wherever else it stands. A blob that is not there is `missing` at the first
    repository that needs it; those after it may count on it.
    """
    desk = _Desk(limits, dict(known) if once else {}, once)
    resolved = {}
    for member in members:
        resolution = Resolution(counts=Counter(member.listing.counts))
        for file in member.listing.files:
            desk.settle(file, member, resolution)
        resolution.missing = list(dict.fromkeys(resolution.missing))
        resolved[member.id] = resolution
    return resolved


@dataclass(slots=True)
class _Desk:
    limits: Limits
    seen: dict[bytes, int]  # the sizes of blobs that need not be asked for
    once: bool
    holders: dict[bytes, int] = field(default_factory=dict)  # the repository that brought a blob

    def settle(self, file: ListedFile, member: Member, resolution: Resolution) -> None:
        """Decide about one file."""
        limit = max_bytes_of(file.path, self.limits)
        assert limit is not None, file.path
        blob_id, own = file.blob_id, member.sizes.get(file.blob_id)
        size = self.seen.get(blob_id)
        is_known = size is not None
        if size is None:
            size = own
        if size is None:
            self._miss(blob_id, resolution)
        elif size > limit:
            self._leave_out(blob_id, size, resolution)
        elif is_known and file.is_python:
            resolution.copies.append(file)
            resolution.counts[COPY] += 1
        else:
            if own is None:
                resolution.borrowed[blob_id] = self.holders.get(blob_id)
            self._keep(file, size, member.id, resolution)

    def _miss(self, blob_id: bytes, resolution: Resolution) -> None:
        resolution.missing.append(blob_id)
        if self.once:
            self.seen[blob_id] = 0

    def _leave_out(self, blob_id: bytes, size: int, resolution: Resolution) -> None:
        resolution.counts[TOO_LARGE] += 1
        if self.once and blob_id not in self.seen and size > largest(self.limits):
            # Nobody need ask for it again; what is too large for its name, another may keep.
            resolution.oversize[blob_id] = resolution.stored[blob_id] = self.seen[blob_id] = size

    def _keep(self, file: ListedFile, size: int, member: int, resolution: Resolution) -> None:
        resolution.rows.append(file)
        resolution.stored[file.blob_id] = size
        resolution.counts[KEPT if file.is_python else KEPT_LICENSE] += 1
        resolution.python_bytes += size if file.is_python else 0
        if self.once and file.blob_id not in self.seen:
            self.seen[file.blob_id] = size
            self.holders[file.blob_id] = member


def largest(limits: Limits) -> int:
    """The most that any file may have."""
    return max(limits.max_file_bytes, limits.max_license_bytes or 0)


def wanted(resolved: Mapping[int, Resolution]) -> dict[int, list[bytes]]:
    """The blobs to ask each repository for, by its id; empty once all are there."""
    return {key: each.missing for key, each in resolved.items() if each.missing}
