"""Which files of a shard become rows, which copies, and which blobs are still to be asked for.

Pure, and decided in the order of the plan alone: whatever came first over the wire, and by which
transport, the same blob ends in the same row.
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
    missing: list[bytes] = field(default_factory=list)  # each once


def resolve(
    members: Iterable[Member], known: Sizes, limits: Limits, *, once: bool
) -> dict[int, Resolution]:
    """Settle a shard's files, in the order of the plan.

    `known`: the blobs of earlier shards. `once`: a blob gets one row in the whole harvest, and
    becomes a copy wherever else it stands. A blob that is not there is `missing` at the first
    repository that needs it; those after it may count on it.
    """
    seen = dict(known) if once else {}
    resolved = {}
    for member in members:
        resolution = Resolution(counts=Counter(member.listing.counts))
        for file in member.listing.files:
            _settle(file, member.sizes, seen, limits, resolution, once=once)
        resolution.missing = list(dict.fromkeys(resolution.missing))
        resolved[member.id] = resolution
    return resolved


def _settle(
    file: ListedFile,
    sizes: Sizes,
    seen: dict[bytes, int],
    limits: Limits,
    resolution: Resolution,
    *,
    once: bool,
) -> None:
    limit = max_bytes_of(file.path, limits)
    assert limit is not None, file.path
    size = seen.get(file.blob_id)
    is_copy = size is not None
    if size is None:
        size = sizes.get(file.blob_id)
    if size is None:
        resolution.missing.append(file.blob_id)
        if once:
            seen[file.blob_id] = 0
    elif size > limit:
        _leave_out(file.blob_id, size, seen, limits, resolution, once=once)
    elif is_copy:
        resolution.copies.append(file)
        resolution.counts[COPY] += 1
    else:
        _keep(file, size, resolution)
        if once:
            seen[file.blob_id] = size


def _leave_out(
    blob_id: bytes,
    size: int,
    seen: dict[bytes, int],
    limits: Limits,
    resolution: Resolution,
    *,
    once: bool,
) -> None:
    resolution.counts[TOO_LARGE] += 1
    if once and blob_id not in seen and size > largest(limits):
        # Nobody need ask for it again; what is too large for its name alone, another may keep.
        resolution.oversize[blob_id] = resolution.stored[blob_id] = seen[blob_id] = size


def _keep(file: ListedFile, size: int, resolution: Resolution) -> None:
    resolution.rows.append(file)
    resolution.stored[file.blob_id] = size
    resolution.counts[KEPT if file.is_python else KEPT_LICENSE] += 1
    resolution.python_bytes += size if file.is_python else 0


def largest(limits: Limits) -> int:
    """The most that any file may have."""
    return max(limits.max_file_bytes, limits.max_license_bytes or 0)


def wanted(resolved: Mapping[int, Resolution]) -> dict[int, list[bytes]]:
    """The blobs to ask each repository for, by its id; empty once all are there."""
    return {key: each.missing for key, each in resolved.items() if each.missing}
