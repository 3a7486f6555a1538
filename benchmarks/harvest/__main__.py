"""Measure the claims about harvesting and write them to `benchmarks/out/harvest.json`.

python -m benchmarks.harvest [--only NAME ...] [--scale 0.01]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.claims import Outcome
from benchmarks.harvest.known import bench_known
from benchmarks.harvest.recorded import bench_recorded
from benchmarks.harvest.simulator.bench import bench_simulator
from benchmarks.harvest.throughput import bench_throughput
from benchmarks.harvest.wire import bench_wire
from benchmarks.machine import machine
from benchmarks.target import Place, command_line, measure, say
from corpus.errors import PycodegptError

BENCHES: dict[str, Callable[[Place], Outcome]] = {
    "wire": bench_wire,
    "known": bench_known,
    "throughput": bench_throughput,
    "recorded": bench_recorded,
    "simulator": bench_simulator,
}
PACKAGES = ("aiohttp", "PyGithub", "requests", "pyarrow")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks that are asked for; the exit code."""
    options = command_line("harvest", __doc__, list(BENCHES)).parse_args(arguments)
    try:
        options.data.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="bench-", dir=options.data) as scratch:
            place = Place(
                data=options.data, out=options.out, scratch=Path(scratch),
                scale=options.scale, say=say,
            )  # fmt: skip
            return run(place, options.only or list(BENCHES))
    except PycodegptError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return error.exit_code


def run(place: Place, names: Sequence[str]) -> int:
    """Say what is measured on, and measure it."""
    here = machine(PACKAGES)
    here["versions"] |= {tool: _version(tool) for tool in ("git", "curl", "tar")}
    place.say(f"{here['cpu']}, {here['cores']} cores, Python {here['python']}")
    measure("harvest", BENCHES, names, place, here)
    return 0


def _version(tool: str) -> str:
    try:
        told = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "absent"
    return told.stdout.splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
