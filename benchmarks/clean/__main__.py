"""Measure the claims about cleaning and write them to `benchmarks/out/clean.json`.

python -m benchmarks.clean [--only NAME ...] [--scale 0.01]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import ROOT
from benchmarks.claims import Outcome
from benchmarks.clean.corpus import WANTED_BYTES, real_code
from benchmarks.clean.decide import bench_decide
from benchmarks.clean.filters import bench_filters
from benchmarks.clean.growth import bench_growth
from benchmarks.clean.near import bench_near
from benchmarks.clean.pairs import bench_pairs
from benchmarks.clean.parsers import bench_parsers
from benchmarks.clean.setup import Setup, ours
from benchmarks.clean.signals import bench_signals
from benchmarks.machine import machine
from benchmarks.target import command_line, measure, say
from corpus.errors import PycodegptError

BENCHES: dict[str, Callable[[Setup], Outcome]] = {
    "near": bench_near,
    "pairs": bench_pairs,
    "signals": bench_signals,
    "parsers": bench_parsers,
    "filters": bench_filters,
    "growth": bench_growth,
    "decide": bench_decide,
}
PEERS = ROOT / ".venv-bench" / "bin" / "python"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks that are asked for; the exit code."""
    options = _parser().parse_args(arguments)
    peers = options.peers if options.peers.exists() else None
    try:
        code = real_code(options.data, peers)
        if code.bytes < WANTED_BYTES:
            say(f"warning: {code.bytes / 1e6:.0f} MB of code; the claims ask for 300")
        with tempfile.TemporaryDirectory(prefix="bench-", dir=options.data) as scratch:
            setup = Setup(
                code=code, data=options.data, out=options.out, scratch=Path(scratch),
                peers=peers, scale=options.scale, say=say,
            )  # fmt: skip
            return run(setup, options.only or list(BENCHES))
    except PycodegptError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return error.exit_code


def run(setup: Setup, names: Sequence[str]) -> int:
    """Say what is measured on which input, and measure it."""
    here = {**machine(), "input": setup.code.as_dict()}
    setup.say(f"{here['cpu']}, {here['cores']} cores, Python {here['python']}")
    setup.say(f"input: {setup.code.bytes / 1e6:.1f} MB in {setup.code.documents} files, "
              f"digest {setup.code.digest}")  # fmt: skip
    compiled = ours("warm", {"answer": str(setup.folder("warm") / "answer.json")})[1]
    setup.say(f"kernels compiled, or loaded, in {compiled['seconds']:.1f} CPU s, "
              "which nobody is charged")  # fmt: skip
    measure("clean", BENCHES, names, setup, here)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_line("clean", __doc__, list(BENCHES))
    parser.add_argument("--peers", type=Path, default=PEERS, help="an interpreter that has them")
    return parser


if __name__ == "__main__":
    sys.exit(main())
