"""The same repositories harvested by us, by `git clone --depth 1`, and by curl and tar."""

from __future__ import annotations

from benchmarks.claims import Outcome
from benchmarks.target import Place


def bench_throughput(place: Place) -> Outcome:
    """Bytes on the wire, CPU-seconds and wall of each tool."""
    return Outcome()
