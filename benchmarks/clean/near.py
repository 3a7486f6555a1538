"""Near-dedup, Parquet to a list of survivors: throughput and quality beside three peers.

All get the same documents and the same shingles; the peers get them decoded and without comments,
at no charge. Every tool runs in a process of its own, whose whole CPU time counts: start, imports,
workers. The truth is `benchmarks.clean.truth`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.claims import Claim, Outcome, ratio
from benchmarks.clean.quality import Quality, judge, keep_first
from benchmarks.clean.setup import Setup, ours, peer
from benchmarks.clean.texts import MIN_JACCARD, PERMUTATIONS, SHINGLE_TOKENS, TOKEN, write_texts
from benchmarks.clean.truth import Truth, truth_of
from benchmarks.machine import peer_versions
from benchmarks.processes import Usage
from corpus.shards import Shard


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer: the script that runs it, and what the issue promises beside it."""

    name: str
    package: str
    script: str
    goal: float | None  # times their CPU-seconds over ours
    tuned: bool = False


PEERS = (
    Peer("datasketch", "datasketch", "near_datasketch", 10.0),
    Peer("datasketch tuned", "datasketch", "near_datasketch", None, tuned=True),
    Peer("rensa", "rensa", "near_rensa", 3.0),
    Peer("datatrove", "datatrove", "near_datatrove", 12.0),
)


@dataclass(frozen=True, slots=True)
class Survivors:
    """What one tool left, how it was set, and what it cost."""

    tool: str
    kept: np.ndarray
    usage: Usage
    settings: str


def survivors(setup: Setup, shards: Sequence[Shard], texts: Path) -> list[Survivors]:
    """Every tool's survivors among the documents of `shards`, ours first."""
    documents = sum(shard.rows for shard in shards)
    found = [_ours(setup, shards[0].path.parent)]
    if setup.peers is None:
        setup.say("no environment of peers: ours alone (make bench-clean makes one)")
        return found
    versions = peer_versions(setup.peers, [one.package for one in PEERS])
    for one in PEERS:
        folder = setup.folder("peer")
        job = {
            "texts": str(texts), "documents": documents, "token": TOKEN, "tuned": one.tuned,
            "shingle_tokens": SHINGLE_TOKENS, "min_jaccard": MIN_JACCARD,
            "permutations": PERMUTATIONS, "scratch": str(folder),
            "kept": str(folder / "kept.npy"), "settings": str(folder / "settings.txt"),
        }  # fmt: skip
        usage = peer(setup.peers, one.script, job)
        settings = (folder / "settings.txt").read_text(encoding="utf-8")
        tool = f"{one.name} {versions.get(one.package, '?')}"
        found.append(Survivors(tool, np.load(folder / "kept.npy"), usage, settings))
        setup.say(f"{tool}: {usage.cpu_s:.1f} CPU s")
    return found


def _ours(setup: Setup, raw: Path) -> Survivors:
    folder = setup.folder("ours")
    job = {
        "raw": str(raw), "sidecars": str(folder / "sidecars"), "kept": str(folder / "kept.npy"),
        "answer": str(folder / "answer.json"), "min_jaccard": MIN_JACCARD,
        "permutations": PERMUTATIONS, "shingle_tokens": SHINGLE_TOKENS,
    }  # fmt: skip
    usage, answer = ours("near", job)
    setup.say(f"ours: {usage.cpu_s:.1f} CPU s")
    return Survivors("ours", np.load(folder / "kept.npy"), usage, answer["settings"])


def bench_near(setup: Setup) -> Outcome:
    """The throughput claims on the real corpus, and the quality of each list of survivors."""
    texts = write_texts(setup.code.shards, setup.kept("texts"))
    truth = truth_of(texts, setup.kept("truth") / "jaccard.npz")
    tools = survivors(setup, setup.code.shards, texts)
    judged = {tool.tool: judge(tool.kept, truth) for tool in tools}
    judged["exact join"] = judge(keep_first(truth), truth)
    megabytes = setup.code.bytes / 1e6
    claims = [Claim("near-dedup, MB a CPU-second", round(megabytes / tools[0].usage.cpu_s, 2),
                    None, None, "higher")]  # fmt: skip
    for one, tool in zip(PEERS, tools[1:], strict=False):
        claims += _beside(one, tool, tools[0], judged)
    table = [
        {"tool": t.tool, **t.usage.as_dict(), "mb_per_cpu_s": round(megabytes / t.usage.cpu_s, 2),
         "settings": t.settings, **judged[t.tool].as_dict()}
        for t in tools
    ]  # fmt: skip
    details = {"input": setup.code.as_dict(), "pairs": len(truth.first), "tools": table,
               "exact join": judged["exact join"].as_dict()}  # fmt: skip
    return Outcome(claims, {"near-dedup": details}, _text(tools, judged, truth))


def _beside(one: Peer, tool: Survivors, mine: Survivors, judged: dict[str, Quality]) -> list[Claim]:
    """Throughput as a ratio; precision and recall with the peer's own as the goal."""
    ours_judged, theirs = judged[mine.tool], judged[tool.tool]
    times = ratio(mine.usage.cpu_s, tool.usage.cpu_s)
    return [
        Claim(f"near-dedup, times {one.name}'s throughput a CPU-second", times, one.goal,
              tool.tool, "higher"),
        Claim(f"near-dedup, precision on real code beside {one.name}",
              round(ours_judged.precision, 4), round(theirs.precision, 4), tool.tool, "higher"),
        Claim(f"near-dedup, recall on real code beside {one.name}",
              round(ours_judged.recall, 4), round(theirs.recall, 4), tool.tool, "higher"),
    ]  # fmt: skip


def _text(tools: Sequence[Survivors], judged: dict[str, Quality], truth: Truth) -> list[str]:
    lines = [
        f"{len(truth.sizes)} documents, {len(truth.first)} pairs at Jaccard >= {MIN_JACCARD}",
        f"{'tool':<26} {'CPU s':>7} {'peak MB':>8} {'removed':>8} {'no partner':>11} "
        f"{'none kept':>10} {'missed':>7}",
    ]
    costs = {tool.tool: tool.usage for tool in tools}
    for name, quality in judged.items():
        cost = f"{costs[name].cpu_s:>7.1f} {costs[name].peak_bytes / 1e6:>8.0f}" if (
            name in costs) else f"{'':>16}"  # fmt: skip
        lines.append(
            f"{name:<26} {cost} {quality.removed:>8} {quality.no_partner:>11} "
            f"{quality.no_kept_partner:>10} {quality.missed:>7}"
        )
    return lines + [f"{tool.tool}: {tool.settings}" for tool in tools]
