"""How cost and memory grow with the number of documents, stage by stage, under one budget.

The exponent is the slope of log(CPU-seconds) over log(documents), by least squares: 1 is linear.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.claims import Claim, Outcome
from benchmarks.clean.commands import Run, open_run, pycodegpt
from benchmarks.clean.many import first_documents, write_documents
from benchmarks.clean.setup import Setup
from benchmarks.processes import Usage

SIZES = (30_000, 100_000, 300_000, 1_000_000, 3_000_000)
MEMORY = 2_000_000_000  # the budget of every command
WORKERS = 2
WORKER_BYTES = 512 << 20  # so that the budget has room for both
MAX_EXPONENT = 1.05
STAGES = ("signals", "near index", "decide", "write")


def bench_growth(setup: Setup) -> Outcome:
    """Run every stage at every size; exponents, and peaks beside the budget."""
    sizes = [setup.scaled(size) for size in SIZES]
    raw = write_documents(setup.kept(f"many-{sizes[-1]}"), setup.code.shards, sizes[-1])
    measured: dict[str, list[Usage]] = {stage: [] for stage in STAGES}
    for size in sizes:
        for stage, usage in stages(setup.folder("growth"), raw, size).items():
            measured[stage].append(usage)
            setup.say(f"{size:>8} {stage:<11} {usage.cpu_s:>8.1f} CPU s {usage.wall_s:>8.1f} s "
                      f"peak {usage.peak_bytes / 1e6:>6.0f} MB "
                      f"({usage.peak_private_bytes / 1e6:.0f} private)")  # fmt: skip
    table = {
        stage: [{"documents": n, **usage.as_dict()} for n, usage in zip(sizes, usages, strict=True)]
        for stage, usages in measured.items()
    }
    details = {"memory_mb": MEMORY / 1e6, "workers": WORKERS, "stages": table}
    return Outcome(_claims(sizes, measured), {"growth": details})


def stages(root: Path, raw: Path, documents: int) -> dict[str, Usage]:
    """Each stage as a command of its own, from raw shards to the cleaned corpus."""
    run = open_run(root / "run", first_documents(raw, documents, root / "raw"))
    return {
        "signals": _command(run, "measure", near=False),
        "near index": _command(run, "measure", near=True),
        "decide": _command(run, "decide", near=True),
        "write": _command(run, "run", near=True),
    }


def _command(run: Run, command: str, *, near: bool) -> Usage:
    recipe = run.recipe("near" if near else "signals", {
        "clean": {"parser": "ruff"},
        "clean.rules": {"max_mean_line": 100.0, "max_longest_line": 1000, "require_syntax": True},
        "clean.dedup": {"near": near},
        "clean.limits": {"worker_bytes": WORKER_BYTES},
    })  # fmt: skip
    return pycodegpt("clean", command, "--recipe", recipe, "--memory", f"{MEMORY // 10**6}MB",
                     "--workers", str(WORKERS))  # fmt: skip


def exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """The slope of log(cost) over log(size)."""
    slope, _ = np.polyfit(np.log(sizes), np.log(costs), 1)
    return round(float(slope), 3)


def _claims(sizes: Sequence[int], measured: dict[str, list[Usage]]) -> list[Claim]:
    cpu = {stage: [usage.cpu_s for usage in usages] for stage, usages in measured.items()}
    cpu["all stages"] = [sum(costs) for costs in zip(*cpu.values(), strict=True)]
    claims = []
    for stage, costs in cpu.items():
        # A command's start costs the same at every size, and flattens the small ones.
        for first in (0, max(0, len(sizes) - 3)):
            span = f"{sizes[first]} to {sizes[-1]} documents"
            slope = exponent(sizes[first:], costs[first:])
            claims.append(Claim(f"growth of {stage}, {span}, exponent", slope, MAX_EXPONENT, None,
                                "lower"))  # fmt: skip
    claims += [
        Claim(f"peak memory of {stage} at {sizes[-1]} documents, MB",
              round(usages[-1].peak_bytes / 1e6), MEMORY / 1e6, None, "lower")
        for stage, usages in measured.items()
    ]  # fmt: skip
    claims += [
        Claim(f"peak memory of {stage}, times that at {sizes[-3]} documents",
              round(usages[-1].peak_bytes / usages[-3].peak_bytes, 3), None, None, "lower")
        for stage, usages in measured.items()
    ]  # fmt: skip
    return claims
