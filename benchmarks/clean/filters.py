"""Filters end to end, Parquet to Parquet, beside datatrove: the same rules, two workers each.

Rules: the file parses, its mean line is at most 100 characters and its longest at most 1000.
datatrove is handed decoded text at no charge, and does only what the rules need; ours is a whole
`clean run` that measures only what these rules read. Measuring everything, licences and
fingerprints too, is shown beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.claims import Claim, Outcome, ratio
from benchmarks.clean.commands import open_run, pycodegpt
from benchmarks.clean.setup import Setup, peer
from benchmarks.clean.texts import write_texts
from benchmarks.machine import peer_versions
from benchmarks.processes import Usage
from corpus.shards import list_shards, read_rows

GOAL = 3.0
WORKERS = 2
MAX_MEAN, MAX_LONGEST = 100, 1000


@dataclass(frozen=True, slots=True)
class Filtered:
    """What a tool kept, by its number in the input, and what that cost."""

    usage: Usage
    kept: frozenset[int]


def bench_filters(setup: Setup) -> Outcome:
    """Throughput beside datatrove, and whether both keep the same files."""
    everything, mine = filter_ours(setup, "all"), filter_ours(setup, "needed")
    assert everything.kept == mine.kept
    text = [f"ours: {_cost(mine)}", f"ours, everything measured: {_cost(everything)}"]
    details = {"input": setup.code.as_dict(),
               "ours": {**mine.usage.as_dict(), "kept": len(mine.kept)},
               "ours, everything measured": everything.usage.as_dict()}  # fmt: skip
    name = "filters (AST, line lengths), Parquet to Parquet"
    megabytes = setup.code.bytes / 1e6
    claims = [Claim(f"{name}, MB a CPU-second", round(megabytes / mine.usage.cpu_s, 2),
                    None, None, "higher")]  # fmt: skip
    if setup.peers is not None:
        theirs = filter_datatrove(setup, setup.peers)
        tool = f"datatrove {peer_versions(setup.peers, ['datatrove']).get('datatrove', '?')}"
        # Its reader leaves out files without text, whatever the rules say.
        only_ours = mine.kept - theirs.kept - empty(setup)
        only_theirs = theirs.kept - mine.kept
        text.append(f"{tool}: {_cost(theirs)}")
        text.append(f"kept by us alone: {len(only_ours)}, by datatrove alone: {len(only_theirs)}")
        details["datatrove"] = {**theirs.usage.as_dict(), "kept": len(theirs.kept)}
        details["kept_by_one_alone"] = {
            "ours": sorted(only_ours)[:100], "datatrove": sorted(only_theirs)[:100],
        }  # fmt: skip
        claims += [
            Claim(f"{name}, times datatrove's throughput a CPU-second",
                  ratio(mine.usage.cpu_s, theirs.usage.cpu_s), GOAL, tool, "higher"),
            Claim(f"{name}, everything measured, times datatrove's throughput a CPU-second",
                  ratio(everything.usage.cpu_s, theirs.usage.cpu_s), None, tool, "higher"),
            Claim(f"{name}, times datatrove's throughput by the clock",
                  ratio(mine.usage.wall_s, theirs.usage.wall_s), None, tool, "higher"),
            Claim(f"{name}, files that one alone keeps", len(only_ours) + len(only_theirs),
                  0, tool, "lower"),
        ]  # fmt: skip
    return Outcome(claims, {"filters": details}, text)


def _cost(found: Filtered) -> str:
    usage = found.usage
    return (f"{usage.cpu_s:.1f} CPU s, {usage.wall_s:.1f} s by the clock, "
            f"peak {usage.peak_bytes / 1e6:.0f} MB, kept {len(found.kept)}")  # fmt: skip


def filter_ours(setup: Setup, measured: str) -> Filtered:
    """`clean run` with these rules, no dedup and no edits."""
    run = open_run(setup.folder(f"filters-{measured}") / "run", setup.code.folder)
    rules = {"max_mean_line": float(MAX_MEAN), "max_longest_line": MAX_LONGEST,
             "require_syntax": True}  # fmt: skip
    recipe = run.recipe("filters", {
        "clean": {"parser": "ruff", "measure": measured},
        "clean.rules": rules,
        "clean.dedup": {"exact": False, "near": False},
        "clean.write": {"strip_license_header": False, "strip_junk_comments": False},
    })  # fmt: skip
    usage = pycodegpt("clean", "run", "--recipe", recipe, "--workers", str(WORKERS))
    return Filtered(usage, frozenset(_written(run.root / "clean", setup.code.folder)))


def _written(cleaned: Path, raw: Path) -> Iterator[int]:
    first, starts = 0, {}
    for shard in list_shards(raw):
        starts[shard.name] = first
        first += shard.rows
    for path in sorted(cleaned.rglob("*.parquet")):
        table = pq.read_table(path, columns=["source_shard", "source_row"])
        for name, row in zip(*(column.to_pylist() for column in table.columns), strict=True):
            yield starts[name] + row


def filter_datatrove(setup: Setup, python: Path) -> Filtered:
    """A LocalPipelineExecutor with a reader, the rules as filters, and a writer."""
    folder = setup.folder("filters-datatrove")
    texts = write_texts(setup.code.shards, setup.kept("whole"), comments=True)
    job = {"texts": str(texts), "out": str(folder / "out"), "logs": str(folder / "logs"),
           "tasks": len(setup.code.shards), "workers": WORKERS,
           "max_mean": MAX_MEAN, "max_longest": MAX_LONGEST}  # fmt: skip
    usage = peer(python, "filters_datatrove", job)
    kept = {int(i) for path in sorted((folder / "out").glob("*.parquet"))
            for i in pq.read_table(path, columns=["id"])["id"].to_pylist()}  # fmt: skip
    return Filtered(usage, frozenset(kept))


def empty(setup: Setup) -> frozenset[int]:
    """The documents that are nothing but a name."""
    sizes = [read_rows(shard, columns=["size"])["size"].to_numpy() for shard in setup.code.shards]
    return frozenset(np.flatnonzero(np.concatenate(sizes) == 0).tolist())
