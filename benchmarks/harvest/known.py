"""The set of known blobs at the size of a whole harvest: disk, memory, and time for a question.

`bench_known(place)` is for benchmarks; `python -m benchmarks.harvest.known FOLDER BLOBS` is what it
measures, in a process of its own.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.claims import Claim, Outcome
from benchmarks.processes import run_measured
from benchmarks.target import Place
from harvest.known import ID_BYTES, NOWHERE, KnownBlobs

BLOBS = 60_000_000  # PyCodeGPT's raw files
A_SHARD = 25_000  # of 500 repositories
GOAL_MB = 100  # of memory that the system can't take back
ASKED = 25_000  # ids of the next shard's trees


def bench_known(place: Place) -> Outcome:
    """Fill the set shard by shard, as a harvest does, then ask for a shard's worth of ids."""
    blobs = BLOBS if place.scale == 1 else place.scaled(2_000_000)
    folder = place.folder("known")
    module = "benchmarks.harvest.known"
    command = [sys.executable, "-m", module, str(folder), str(blobs)]
    usage = run_measured(command)
    told: dict[str, Any] = json.loads(usage.output.splitlines()[-1])
    claims = [
        Claim(f"known blobs, {blobs / 1e6:.0f}M: private memory, MB",
              round(usage.peak_private_bytes / 1e6, 1), GOAL_MB, None, "lower"),
        Claim("known blobs: bytes of disk a blob", round(told["disk_bytes"] / blobs, 2), None,
              None, "lower"),
        Claim(f"known blobs: microseconds an id, {ASKED} asked at once",
              round(told["find_s"] / ASKED * 1e6, 2), None, None, "lower"),
        Claim("known blobs: seconds to add a shard, mean",
              round(told["add_s"] / told["shards"], 4), None, None, "lower"),
    ]  # fmt: skip
    size = f"{blobs / 1e6:.0f}M blobs of {told['shards']} shards"
    text = (
        f"{size}: {told['disk_bytes'] / 1e9:.2f} GB in {told['runs']} runs, added in "
        f"{told['add_s']:.0f} s, {ASKED} ids looked up in {told['find_s'] * 1e3:.0f} ms, "
        f"{usage.peak_private_bytes / 1e6:.0f} MB private"
    )
    return Outcome(claims, {"known": {**told, **usage.as_dict(), "blobs": blobs}}, [text])


def main(folder: Path, blobs: int) -> None:
    """Fill, ask, check and tell."""
    known, draw = KnownBlobs.open(folder), np.random.default_rng(1)
    samples: list[tuple[int, bytes]] = []
    shards = max(1, blobs // A_SHARD)
    started = time.monotonic()
    for shard in range(shards):
        ids = _ids(draw)
        known.add(shard, f"{shard:064x}", ids, range(A_SHARD))
        samples += [(shard, each) for each in ids[: -(-ASKED // shards)]]
    added = time.monotonic() - started
    known = KnownBlobs.open(folder)
    _check(known, samples)
    started = time.monotonic()
    unknown = known.find(_ids(draw)[:ASKED])
    found = time.monotonic() - started
    assert (unknown.shard == NOWHERE).all()
    told = {"shards": shards, "runs": len(list(folder.glob("*.run"))), "add_s": added,
            "find_s": found, "disk_bytes": known.disk_bytes}  # fmt: skip
    sys.stdout.write(json.dumps(told) + "\n")


def _ids(draw: np.random.Generator) -> list[bytes]:
    raw = draw.bytes(ID_BYTES * A_SHARD)
    return [raw[at : at + ID_BYTES] for at in range(0, len(raw), ID_BYTES)]


def _check(known: KnownBlobs, samples: list[tuple[int, bytes]]) -> None:
    where = known.find([each for _, each in samples])
    assert where.shard.tolist() == [shard for shard, _ in samples]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
