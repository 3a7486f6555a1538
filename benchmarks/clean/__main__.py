"""Measure the claims about cleaning and write them to `benchmarks/out/clean.json`.

python -m benchmarks.clean [--only NAME ...] [--scale 0.01]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import DATA, OUT, ROOT
from benchmarks.claims import Outcome, merge, table
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
    """Run these benchmarks one after the other; each one's claims are on disk when it ends."""
    here = {**machine(), "input": setup.code.as_dict()}
    path = setup.out / ("clean.json" if setup.scale == 1 else "clean-scaled.json")
    say(f"{here['cpu']}, {here['cores']} cores, Python {here['python']}")
    say(f"input: {setup.code.bytes / 1e6:.1f} MB in {setup.code.documents} files, "
        f"digest {setup.code.digest}")  # fmt: skip
    compiled = ours("warm", {"answer": str(setup.folder("warm") / "answer.json")})[1]
    say(f"kernels compiled, or loaded, in {compiled['seconds']:.1f} CPU s, which nobody is charged")
    claims = []
    for name in names:
        say(f"\n== {name}")
        started = time.monotonic()
        outcome = BENCHES[name](setup)
        if merge(path, here, outcome.claims, outcome.details):
            say(f"{path} held figures of another machine or input: dropped")
        claims += outcome.claims
        for line in (*outcome.text, f"took {time.monotonic() - started:.0f} s"):
            say(line)
    say("")
    for line in (*table(claims), f"written to {path}"):
        say(line)
    return 0


def say(line: str) -> None:
    """Results are for people and pipes alike."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clean", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(BENCHES), help="default: all")
    parser.add_argument("--scale", type=float, default=1.0, help="of pairs, growth and decide")
    parser.add_argument("--peers", type=Path, default=PEERS, help="an interpreter that has them")
    parser.add_argument("--data", type=Path, default=DATA, help="where corpora are kept")
    parser.add_argument("--out", type=Path, default=OUT, help="where the JSON goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
