"""What bench targets share: folders, a command line, and claims that are kept and shown."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchmarks import DATA, OUT
from benchmarks.claims import Claim, Outcome, merge, table

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a benchmark works, and how large it makes things."""

    data: Path = DATA  # kept from run to run
    out: Path
    scratch: Path  # gone after the run
    scale: float = 1.0  # below 1 every road is walked, cheaply, and figures mean nothing
    say: Say = lambda line: None

    def scaled(self, count: int) -> int:
        """A count at this scale, at least 12."""
        return max(12, round(count * self.scale))

    def folder(self, name: str) -> Path:
        """An empty scratch folder."""
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


S = TypeVar("S", bound=Place)


def measure(
    stage: str,
    benches: Mapping[str, Callable[[S], Outcome]],
    names: Sequence[str],
    setup: S,
    here: Mapping[str, Any],
) -> None:
    """Run these benchmarks one after the other; each one's claims are on disk when it ends.

    `here` says what the figures were measured on; those of elsewhere are dropped from the file.
    """
    path = setup.out / (f"{stage}.json" if setup.scale == 1 else f"{stage}-scaled.json")
    claims: list[Claim] = []
    for name in names:
        setup.say(f"\n== {name}")
        started = time.monotonic()
        outcome = benches[name](setup)
        if merge(path, here, outcome.claims, outcome.details):
            setup.say(f"{path} held figures of another machine or input: dropped")
        claims += outcome.claims
        for line in (*outcome.text, f"took {time.monotonic() - started:.0f} s"):
            setup.say(line)
    setup.say("")
    for line in (*table(claims), f"written to {path}"):
        setup.say(line)


def say(line: str) -> None:
    """Results are for people and pipes alike."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def command_line(stage: str, about: str | None, names: Sequence[str]) -> argparse.ArgumentParser:
    """The options that every bench target has."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{stage}", description=about)
    parser.add_argument("--only", nargs="+", choices=list(names), help="default: all")
    parser.add_argument("--scale", type=float, default=1.0, help="of what is made in numbers")
    parser.add_argument("--data", type=Path, default=DATA, help="where inputs are kept")
    parser.add_argument("--out", type=Path, default=OUT, help="where the JSON goes")
    return parser
