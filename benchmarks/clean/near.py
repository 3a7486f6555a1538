"""Near-dedup, Parquet to a list of survivors: throughput and quality beside three peers.

All get the same documents, the peers decoded at no charge. Throughput is measured on whole files,
as anyone would hand them to the peer, and once more on files freed of comments (at no charge
either), where all compare the same shingles; quality on the latter. Every tool runs in a process of
its own, whose whole CPU time counts: start, imports, workers. The truth is that of
`benchmarks.clean.truth`.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.claims import Claim, Outcome, ratio
from benchmarks.clean.quality import Quality, judge, keep_first
from benchmarks.clean.setup import Setup
from benchmarks.clean.texts import MIN_JACCARD, write_texts
from benchmarks.clean.tools import PEERS, Peer, Survivors, all_survivors, peer_survivors
from benchmarks.clean.truth import Truth, truth_of

CLAIMED = tuple(one for one in PEERS if one.goal is not None)


def bench_near(setup: Setup) -> Outcome:
    """The throughput claims on the real corpus, and the quality of each list of survivors."""
    texts = write_texts(setup.code.shards, setup.kept("texts"))
    truth = truth_of(texts, setup.kept("truth") / "jaccard.npz")
    tools = all_survivors(setup, setup.code.shards, texts)
    judged = {tool.tool: judge(tool.kept, truth) for tool in tools}
    judged["exact join"] = judge(keep_first(truth), truth)
    whole = write_texts(setup.code.shards, setup.kept("whole"), comments=True)
    on_whole = list(peer_survivors(setup, whole, CLAIMED))
    megabytes = setup.code.bytes / 1e6
    rate = round(megabytes / tools[0].usage.cpu_s, 2)
    claims = [Claim("near-dedup, MB a CPU-second", rate, None, None, "higher")]
    for one, tool in zip(CLAIMED, on_whole, strict=False):
        claims.append(_throughput(one, tool, tools[0], "whole files", one.goal))
    for one, tool in zip(PEERS, tools[1:], strict=False):
        claims.append(_throughput(one, tool, tools[0], "files without comments", None))
        claims += _quality(one, tool, judged[tool.tool], judged["ours"])
    table = [
        {"tool": t.tool, **t.usage.as_dict(), "settings": t.settings, **judged[t.tool].as_dict()}
        for t in tools
    ]
    details = {
        "input": setup.code.as_dict(), "pairs": len(truth.first), "tools": table,
        "exact join": judged["exact join"].as_dict(),
        "whole files": [{"tool": tool.tool, **tool.usage.as_dict()} for tool in on_whole],
    }  # fmt: skip
    return Outcome(claims, {"near-dedup": details}, _text(tools, judged, truth))


def _throughput(
    one: Peer, tool: Survivors, mine: Survivors, what: str, goal: float | None
) -> Claim:
    name = f"near-dedup of {what}, times {one.name}'s throughput a CPU-second"
    return Claim(name, ratio(mine.usage.cpu_s, tool.usage.cpu_s), goal, tool.tool, "higher")


def _quality(one: Peer, tool: Survivors, theirs: Quality, mine: Quality) -> list[Claim]:
    """Precision and recall, with the peer's own as the goal."""
    return [
        Claim(f"near-dedup of real code, {rate} beside {one.name}",
              round(getattr(mine, rate), 4), round(getattr(theirs, rate), 4), tool.tool, "higher")
        for rate in ("precision", "recall")
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
