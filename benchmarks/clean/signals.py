"""The whole signal pass against `ast.parse` alone, on the same files.

Ours is the command as a user runs it: start, decoding, every stage, Parquet in and out. Theirs is
the time inside `ast.parse` and nothing else, in a process of its own that reads the same shards.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.claims import Claim, Outcome
from benchmarks.clean.commands import open_run, pycodegpt
from benchmarks.clean.setup import Setup, ours
from benchmarks.processes import Usage

GOAL, AIM = 0.6, 0.3
_PEER = f"ast.parse of Python {sys.version.split()[0]}"


def bench_signals(setup: Setup) -> Outcome:
    """The pass with ruff's parser and with ast's, over the time of `ast.parse`."""
    parse = _ast_alone(setup, collecting=True)
    uncollected = _ast_alone(setup, collecting=False)
    passes = {parser: _signal_pass(setup, parser) for parser in ("ruff", "ast")}
    share = {parser: usage.cpu_s / parse for parser, usage in passes.items()}
    name = "signal pass, CPU over ast.parse alone"
    claims = [
        Claim(name, round(share["ruff"], 3), GOAL, _PEER, "lower"),
        Claim(f"{name} (aim)", round(share["ruff"], 3), AIM, _PEER, "lower"),
        Claim(f"{name} without garbage collection", round(passes["ruff"].cpu_s / uncollected, 3),
              None, f"{_PEER}, gc off", "lower"),
        Claim(f"{name}, our parser set to ast", round(share["ast"], 3), None, _PEER, "lower"),
        Claim("signal pass, MB a CPU-second",
              round(setup.code.bytes / 1e6 / passes["ruff"].cpu_s, 2), None, None, "higher"),
    ]  # fmt: skip
    details = {
        "input": setup.code.as_dict(),
        "ast_parse_cpu_s": round(parse, 2),
        "ast_parse_gc_off_cpu_s": round(uncollected, 2),
        **{f"pass_{parser}": usage.as_dict() for parser, usage in passes.items()},
    }
    text = [f"ast.parse alone: {parse:.1f} CPU s, with gc off {uncollected:.1f}"]
    for parser, usage in passes.items():
        peak = f"peak {usage.peak_bytes / 1e6:.0f} MB"
        text.append(f"signal pass, parser {parser}: {usage.cpu_s:.1f} CPU s, {peak}")
    return Outcome(claims, {"signals": details}, text)


def _ast_alone(setup: Setup, *, collecting: bool) -> float:
    """CPU-seconds inside `ast.parse`."""
    folder = setup.folder("ast")
    job = {"raw": str(setup.code.folder), "collecting": collecting,
           "answer": str(folder / "answer.json")}  # fmt: skip
    seconds: float = ours("ast", job)[1]["seconds"]
    return seconds


def _signal_pass(setup: Setup, parser: str) -> Usage:
    return signal_pass(setup.folder("signals"), setup.code.folder, {"parser": parser})


def signal_pass(root: Path, raw: Path, clean: dict[str, Any], workers: int = 1) -> Usage:
    """`clean measure` of everything but the near index."""
    run = open_run(root / "run", raw)
    recipe = run.recipe("signals", {"clean": clean, "clean.dedup": {"near": False}})
    return pycodegpt("clean", "measure", "--recipe", recipe, "--workers", str(workers))
