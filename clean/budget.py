"""One memory budget, shared between this process, its database and its workers.

The budget covers the whole tree of processes. Workers and database hardly ever work at the same
time, but nothing is gained by counting on it: the larger of the two has what the other leaves.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from clean.recipe import LimitsRecipe
from corpus.errors import UsageError

# Interpreter, Arrow, compiled kernels, and the signals of the shard that is being put together.
OWN_BYTES = 384 << 20
LEAST_WORKER_BYTES = 384 << 20  # below it, hardly a file can be parsed
LEAST_DATABASE_BYTES = 128 << 20
_DATABASE_SHARE = 0.8  # a database goes a little beyond what it is told
_SHUFFLED = 4  # times its bytes: a shard's parts, their order, the sorted copy, a row group
_MACHINE_SHARE = 0.75  # of its memory, where the recipe states no budget
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True, slots=True)
class Shares:
    """What each part may use. `short` says that a worker gets less than the recipe allows."""

    workers: int  # as many as fit
    worker_bytes: int
    threads: int  # of the database, which fit into what it has
    database_bytes: int
    short: bool = False


def share_memory(
    max_bytes: int,
    *,
    workers: int,
    worker_bytes: int,
    shard_bytes: int = 0,
    measures: bool = True,
) -> Shares:
    """Cut `max_bytes` up: as many workers as fit with `worker_bytes` each, one at least.

    Fewer workers rather than smaller ones, because what a worker may use decides which files
    are given up, and a budget should not. Only a budget too small for one full worker makes it
    smaller. A cleaned shard of `shard_bytes` is shuffled in memory. Without `measures` no worker
    will run and nothing be written. Raises UsageError with the least that works.
    """
    left = max_bytes - OWN_BYTES
    database_bytes = int(_DATABASE_SHARE * left)
    least = LEAST_DATABASE_BYTES
    if measures:
        least = max(min(worker_bytes, LEAST_WORKER_BYTES), _SHUFFLED * shard_bytes)
    if left < least:
        raise UsageError(
            f"a memory budget of {_megabytes(max_bytes)} is too little: the least that works is "
            f"{_megabytes(OWN_BYTES + least)} (--memory or clean.limits.max_memory_bytes; smaller "
            "clean.write.shard_bytes need less)"
        )
    fitting = max(1, min(workers, left // worker_bytes))
    cap = min(worker_bytes, left // fitting)
    return Shares(fitting, cap, workers, database_bytes, short=measures and cap < worker_bytes)


def budget_of(limits: LimitsRecipe) -> int:
    """The recipe's budget, or what this machine can spare."""
    if limits.max_memory_bytes is not None:
        return limits.max_memory_bytes
    return int(_MACHINE_SHARE * machine_bytes())


def machine_bytes() -> int:
    """The memory of this machine, or of the container that this runs in."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in map(Path, _CGROUP_LIMITS):
        try:
            found.append(int(path.read_text()))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return min(found)


def _megabytes(size: int) -> str:
    return f"{-(-size // 1_000_000)}MB"
