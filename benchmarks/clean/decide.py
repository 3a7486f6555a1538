"""`clean decide` and `clean diff` over millions of rows: time, and peak memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.claims import Claim, Outcome
from benchmarks.clean import synthetic
from benchmarks.clean.commands import Run, open_run, pycodegpt
from benchmarks.clean.setup import Setup
from benchmarks.processes import Usage
from clean.recipe import CleanRecipe, DedupRecipe, signal_parameters
from clean.signals.stages import signal_stages

ROWS, SHARDS = 5_000_000, 50
MEMORY = 2_000_000_000
_DEDUP = DedupRecipe(near=True)


def bench_decide(setup: Setup) -> Outcome:
    """Decide, decide again by another threshold, and compare two recipes."""
    rows = max(2_000, setup.scaled(ROWS))
    run = _synthetic_run(setup, rows, max(4, setup.scaled(SHARDS)))
    first = _recipe(run, "first", 1000)
    second = _recipe(run, "second", 120)
    usages = {
        "near index, made anew": _command("measure", "--recipe", first),
        "decide": _command("decide", "--recipe", first),
        "decide, another threshold": _command("decide", "--recipe", second),
        "diff": _command("diff", first, second),
    }
    claims, text = [], []
    for name, usage in usages.items():
        what = f"{name}, {rows} synthetic rows"
        claims.append(Claim(f"{what}, seconds", round(usage.wall_s, 1), None, None, "lower"))
        claims.append(Claim(f"{what}, CPU-seconds", round(usage.cpu_s, 1), None, None, "lower"))
        peak = round(usage.peak_bytes / 1e6)
        claims.append(Claim(f"{what}, peak MB", peak, MEMORY / 1e6, None, "lower"))
        text.append(f"{name:<28} {usage.wall_s:>7.1f} s {usage.cpu_s:>7.1f} CPU s "
                    f"peak {peak:>6} MB")  # fmt: skip
    commands = {name: {**usage.as_dict(), **_answer(usage)} for name, usage in usages.items()}
    details = {"rows": rows, "memory_mb": MEMORY / 1e6, "commands": commands}
    return Outcome(claims, {"decide": details}, text)


def _synthetic_run(setup: Setup, rows: int, shards: int) -> Run:
    """A run whose every signal is current, and whose near index lacks nothing but the grouping."""
    real = open_run(setup.folder("decide-real") / "run", setup.code.folder)
    measured = real.recipe("real", {"clean": {"parser": "ruff"}, "clean.dedup": {"near": False}})
    setup.say("measuring the real corpus, to draw from")
    pycodegpt("clean", "measure", "--recipe", measured)
    root = setup.folder("decide") / "run"
    setup.say(f"drawing {rows} rows")
    written = synthetic.write_rows(root, rows, shards, setup.code.shards)
    stages = signal_stages(signal_parameters(CleanRecipe(parser="ruff", dedup=_DEDUP)))
    others = [stage for stage in stages if stage.name != "fingerprint"]
    (fingerprint,) = (stage for stage in stages if stage.name == "fingerprint")
    synthetic.write_signals(root / "sidecars", written, others, real.root / "sidecars")
    synthetic.write_fingerprints(root / "sidecars", written, fingerprint, _DEDUP)
    return Run(root)


def _recipe(run: Run, name: str, max_longest_line: int) -> Path:
    return run.recipe(name, {
        "clean": {"parser": "ruff"},
        "clean.rules": {
            "max_mean_line": 100.0, "max_longest_line": max_longest_line,
            "min_code_lines": 5, "min_printable_rate": 0.98, "require_syntax": True,
            "min_keywords": 3, "drop_names": ["__init__.py", "setup.py", "*_pb2.py"],
        },
        "clean.dedup": {"near": True},
    })  # fmt: skip


def _command(name: str, *arguments: str | Path) -> Usage:
    memory = f"{MEMORY // 10**6}MB"
    return pycodegpt("clean", name, *arguments, "--memory", memory, "--json")


def _answer(usage: Usage) -> dict[str, Any]:
    """What the command found, by reason."""
    answer: dict[str, Any] = json.loads(usage.output.rstrip().rpartition("\n")[2])
    return {"counts": answer.get("counts", {})}
