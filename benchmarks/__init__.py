"""Every speed claim, measured again beside its peers: see `docs/benchmarks.md`."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
DATA = ROOT / "benchmarks" / "data"  # what is made once: corpora, labelled pairs
OUT = ROOT / "benchmarks" / "out"  # results
