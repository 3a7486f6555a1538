"""What each rule leaves of the corpus, in files and bytes: counted from sidecars alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clean.dedup.stage import STAGE as DEDUP
from clean.rules.rule import Rule
from clean.rules.verdicts import read_verdicts
from corpus.shards import Shard, read_rows
from corpus.sidecars import read_sidecar, sidecar_path

KEPT = "kept"
NOT_PYTHON = "python"  # the rule that drops what is no Python file
LOSSES = ("crash", "timeout", "memory", "error")  # reasons of rows that an engine gave up
DEDUP_STEPS = ("exact_duplicate", "near_duplicate")
# PyCodeGPT's own funnel (Zan et al., 2022): raw .py files below 1 MB, and the cleaned corpus.
PUBLISHED = {
    "raw_files": 60_600_000,
    "raw_bytes": 330_000_000_000,
    "kept_files": 13_000_000,
    "kept_bytes": 96_000_000_000,
}


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """One rule: what it took, and what was left after it. Bytes are those of the raw files."""

    step: str
    limit: str
    files: int
    bytes: int
    dropped_files: int = 0
    dropped_bytes: int = 0
    reasons: dict[str, int] = field(default_factory=dict)  # files by reason


@dataclass(frozen=True, slots=True)
class Tally:
    """Files and bytes by (rule, reason); kept ones under (KEPT, KEPT)."""

    files: Counter[tuple[str, str]]
    bytes: Counter[tuple[str, str]]

    def by_reason(self) -> dict[str, int]:
        """Files by reason, the most frequent first."""
        reasons: Counter[str] = Counter()
        for (_, reason), count in self.files.items():
            reasons[reason] += count
        return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def outcomes(shard: Shard, sidecars: Path) -> pa.Table:
    """`rule` and `reason` of each row of a shard, duplicates included; null where it is kept."""
    verdicts = read_verdicts(shard, sidecars, ["rule", "reason"])
    path = sidecar_path(sidecars, DEDUP, shard)
    duplicates = read_sidecar(path, shard, ["reason"]).column("reason")
    return pa.table(
        {
            # A duplicate's step in the funnel bears its reason's name.
            "rule": pc.coalesce(verdicts.column("rule"), duplicates),
            "reason": pc.coalesce(verdicts.column("reason"), duplicates),
        }
    )


def tally(shards: Sequence[Shard], sidecars: Path) -> Tally:
    """Count every Python file of every shard once. Raises SidecarError or ShardError.

    The licence files that a harvest keeps beside them are evidence, not documents.
    """
    files: Counter[tuple[str, str]] = Counter()
    sizes: Counter[tuple[str, str]] = Counter()
    for shard in shards:
        table = outcomes(shard, sidecars)
        table = table.append_column("size", read_rows(shard, columns=["size"]).column(0))
        groups = table.group_by(["rule", "reason"]).aggregate([("size", "count"), ("size", "sum")])
        for group in groups.to_pylist():
            if group["rule"] == NOT_PYTHON:
                continue
            key = (group["rule"] or KEPT, group["reason"] or KEPT)
            files[key] += group["size_count"]
            sizes[key] += group["size_sum"]
    return Tally(files, sizes)


def funnel(counted: Tally, rules: Sequence[Rule]) -> list[FunnelStep]:
    """The steps from the raw files to the kept ones, in the order in which rules are applied."""
    files, size = counted.files.total(), counted.bytes.total()
    steps = [FunnelStep("raw", "", files, size)]
    limits = {rule.name: rule.limit() for rule in rules if rule.name != NOT_PYTHON}
    limits |= dict.fromkeys(DEDUP_STEPS, "one of each stays")
    for name, limit in limits.items():
        reasons = {reason: n for (rule, reason), n in counted.files.items() if rule == name}
        dropped_files = sum(reasons.values())
        dropped_bytes = sum(n for (rule, _), n in counted.bytes.items() if rule == name)
        files, size = files - dropped_files, size - dropped_bytes
        ordered = dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))
        steps.append(FunnelStep(name, limit, files, size, dropped_files, dropped_bytes, ordered))
    assert files == counted.files[(KEPT, KEPT)], "a document was dropped by a rule that is off"
    return steps
