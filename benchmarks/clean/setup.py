"""What every benchmark of cleaning is given, and how a child process is asked for one road."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import DATA, ROOT
from benchmarks.clean.corpus import RealCode
from benchmarks.processes import Usage, run_measured

PEERS = ROOT / "benchmarks" / "peers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Where things are, and how large to make them."""

    code: RealCode
    data: Path = DATA  # kept from run to run
    out: Path
    scratch: Path  # gone after the run
    peers: Path | None  # the interpreter of the peers' environment; None: ours alone
    scale: float = 1.0  # of what is made in millions; below 1 every road is walked, cheaply
    say: Callable[[str], None] = lambda line: None

    def scaled(self, count: int) -> int:
        """A count at this scale, at least 12."""
        return max(12, round(count * self.scale))

    def folder(self, name: str) -> Path:
        """An empty scratch folder."""
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def kept(self, name: str) -> Path:
        """A folder below `data` that belongs to this corpus and no other."""
        folder = self.data / self.code.digest / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def ours(road: str, job: dict[str, Any]) -> tuple[Usage, dict[str, Any]]:
    """Walk one of our roads (`benchmarks.clean.ours`) in a process of its own; what it answers."""
    answer = Path(job["answer"])
    command = [sys.executable, "-m", "benchmarks.clean.ours", road, json.dumps(job)]
    usage = run_measured(command)
    result: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return usage, result


def peer(python: Path, script: str, job: dict[str, Any]) -> Usage:
    """Run a peer's script in the peers' environment."""
    quiet = {"LOGURU_LEVEL": "ERROR", "TQDM_DISABLE": "1", "PYTHONWARNINGS": "ignore"}
    return run_measured([python, PEERS / f"{script}.py", json.dumps(job)], env=quiet)
