"""What every benchmark of cleaning is given, and how a child process is asked for one road."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import ROOT
from benchmarks.clean.corpus import RealCode
from benchmarks.processes import Usage, run_measured
from benchmarks.target import Place

PEERS = ROOT / "benchmarks" / "peers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup(Place):
    """The corpus, and who stands beside us."""

    code: RealCode
    peers: Path | None  # the interpreter of the peers' environment; None: ours alone

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
