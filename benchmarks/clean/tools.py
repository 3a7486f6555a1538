"""Near-dedup by ours and by each peer: who survives, and at what cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.clean.setup import Setup, ours, peer
from benchmarks.clean.texts import MIN_JACCARD, PERMUTATIONS, SHINGLE_TOKENS, TOKEN
from benchmarks.machine import peer_versions
from benchmarks.processes import Usage
from corpus.shards import Shard

BRIEF_S = 30.0  # of CPU: what takes less is measured three times


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer: the script that runs it, and what was promised beside it."""

    name: str
    package: str
    script: str
    goal: float | None  # times their CPU-seconds over ours; None: shown, not claimed
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

    tool: str  # with its version
    kept: np.ndarray  # (documents,) bool
    usage: Usage
    settings: str


def all_survivors(setup: Setup, shards: Sequence[Shard], texts: Path) -> list[Survivors]:
    """Ours from the raw shards, then every peer's from the same documents as texts."""
    return [our_survivors(setup, shards[0].path.parent), *peer_survivors(setup, texts, PEERS)]


def steady(measure: Callable[[], Survivors]) -> Survivors:
    """The run of median CPU of three, or the only one of a tool that takes long.

    Where starting processes is a good part of the work, runs differ by a tenth.
    """
    runs = [measure()]
    if runs[0].usage.cpu_s < BRIEF_S:
        runs += [measure(), measure()]
    return sorted(runs, key=lambda run: run.usage.cpu_s)[len(runs) // 2]


def our_survivors(setup: Setup, raw: Path) -> Survivors:
    """Fingerprints, near index and decision, no rule on."""
    mine = steady(lambda: _ours(setup, raw))
    setup.say(f"ours: {mine.usage.cpu_s:.1f} CPU s")
    return mine


def _ours(setup: Setup, raw: Path) -> Survivors:
    folder = setup.folder("ours")
    job = {
        "raw": str(raw), "sidecars": str(folder / "sidecars"), "kept": str(folder / "kept.npy"),
        "answer": str(folder / "answer.json"), "min_jaccard": MIN_JACCARD,
        "permutations": PERMUTATIONS, "shingle_tokens": SHINGLE_TOKENS,
    }  # fmt: skip
    usage, answer = ours("near", job)
    return Survivors("ours", np.load(folder / "kept.npy"), usage, answer["settings"])


def peer_survivors(setup: Setup, texts: Path, peers: Sequence[Peer]) -> Iterator[Survivors]:
    """One peer after the other; nobody, where their environment is missing."""
    if setup.peers is None:
        setup.say("no environment of peers: ours alone (make bench-clean makes one)")
        return
    versions = peer_versions(setup.peers, [one.package for one in peers])
    for one in peers:
        tool = f"{one.name} {versions.get(one.package, '?')}"
        theirs = steady(partial(_theirs, setup, setup.peers, texts, one, tool))
        setup.say(f"{tool}: {theirs.usage.cpu_s:.1f} CPU s on {texts.name}")
        yield theirs


def _theirs(setup: Setup, python: Path, texts: Path, one: Peer, tool: str) -> Survivors:
    folder = setup.folder("peer")
    job = {
        "texts": str(texts), "token": TOKEN, "tuned": one.tuned,
        "shingle_tokens": SHINGLE_TOKENS, "min_jaccard": MIN_JACCARD,
        "permutations": PERMUTATIONS, "scratch": str(folder),
        "kept": str(folder / "kept.npy"), "settings": str(folder / "settings.txt"),
    }  # fmt: skip
    usage = peer(python, one.script, job)
    settings = (folder / "settings.txt").read_text(encoding="utf-8")
    return Survivors(tool, np.load(folder / "kept.npy"), usage, settings)
