"""The manifest of a cleaned corpus: what went in, what each rule took, what came out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clean.ask.funnel import KEPT, LOSSES, PUBLISHED, FunnelStep, Tally, funnel, outcomes, tally
from clean.rules.rule import Rule
from clean.write.parts import part_notes
from clean.write.split import Cuts
from clean.write.stage import MANIFEST_STAGE, WriteJob, next_folder, part_file
from corpus.layout import SPLITS
from corpus.manifest import FileEntry, Manifest, file_entry
from corpus.recipe import as_plain
from corpus.shards import Shard, open_shard, read_rows

_MAX_QUARANTINED = 1000  # listed by name; all are counted


def describe(
    job: WriteJob, rules: Sequence[Rule], cuts: Cuts, seconds: dict[str, float]
) -> Manifest:
    """The manifest of the corpus that stands complete in `clean.next`."""
    folder = next_folder(job.target)
    counted = tally(job.shards, job.decided)
    edits, redactions, lost = _rewriting(job)
    splits, licenses = _splits(folder)
    steps = [*funnel(counted, rules), _written(counted, splits)]
    facts = {
        "stamp": job.stamp,
        "funnel": [asdict(step) for step in steps],
        "published": PUBLISHED,
        "splits": splits,
        "cuts": asdict(cuts),
        "licenses": licenses,
        "edits": edits,
        "redactions": redactions,
        "quarantined": [*lost, *_quarantined(job)][:_MAX_QUARANTINED],
        "seconds": seconds,
    }
    return Manifest(
        stage=MANIFEST_STAGE,
        parameters={"seed": job.seed, **as_plain(job.recipe)},
        inputs=tuple(_input(shard) for shard in job.shards),
        outputs=tuple(_outputs(folder)),
        counts=_counts(counted, lost),
        facts=facts,
        seconds=round(sum(seconds.values()), 3),
    )


def _input(shard: Shard) -> FileEntry:
    """A raw shard, by the digest over its documents: reading all its bytes again costs too much."""
    path = f"../{shard.path.parent.name}/{shard.name}"
    return FileEntry(path, shard.digest, shard.rows, shard.path.stat().st_size)


def _outputs(folder: Path) -> Iterator[FileEntry]:
    for split in SPLITS:
        for path in sorted((folder / split).glob("*.parquet")):
            yield file_entry(path, folder, rows=open_shard(path).rows)


def _counts(counted: Tally, lost: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Documents by outcome; those that were lost at the very end are no longer kept."""
    counts = counted.by_reason()
    for loss in lost:
        counts[KEPT] -= 1
        reason = f"write_{loss['reason']}"
        counts[reason] = counts.get(reason, 0) + 1
    return counts


def _written(counted: Tally, splits: dict[str, dict[str, int]]) -> FunnelStep:
    """The last step: the text that was written, without headers and junk comments."""
    files = sum(split["documents"] for split in splits.values())
    size = sum(split["bytes"] for split in splits.values())
    before_files, before_bytes = counted.files[KEPT, KEPT], counted.bytes[KEPT, KEPT]
    return FunnelStep("written", "", files, size, before_files - files, before_bytes - size)


def _rewriting(job: WriteJob) -> tuple[dict[str, int], dict[str, int], list[dict[str, Any]]]:
    """Documents by edit, redacted values by kind, and the rows that were lost while rewriting."""
    folder = next_folder(job.target)
    notes = [part_notes(part_file(folder, shard)) for shard in job.shards]
    edits: Counter[str] = Counter()
    redactions: Counter[str] = Counter()
    for note in notes:
        edits.update(note["edits"])
        redactions.update(note["redactions"])
    lost = [loss for note in notes for loss in note["lost"]]
    return dict(sorted(edits.items())), dict(sorted(redactions.items())), lost


def _quarantined(job: WriteJob) -> Iterator[dict[str, Any]]:
    """The rows that a signal stage lost: a crash, a hang or a flood of memory."""
    for shard in job.shards:
        table = outcomes(shard, job.decided)
        lost = pc.is_in(table.column("reason"), value_set=pa.array(LOSSES))
        for row in np.flatnonzero(lost.to_numpy()).tolist():
            rule, reason = (table.column(name)[row].as_py() for name in ("rule", "reason"))
            yield {"shard": shard.name, "row": row, "reason": reason, "stage": rule}


def _splits(folder: Path) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
    """Documents, bytes of text and repositories of each split; and documents by licence."""
    splits = {}
    licenses: Counter[str] = Counter()
    for split in SPLITS:
        documents = size = 0
        repositories: set[int] = set()
        for path in sorted((folder / split).glob("*.parquet")):
            shard = open_shard(path)
            table = read_rows(shard, columns=["repo_id", "license"])
            repositories.update(pc.unique(table.column("repo_id")).to_pylist())
            licenses.update(table.column("license").fill_null("none").to_pylist())
            documents, size = documents + shard.rows, size + shard.notes["text_bytes"]
        splits[split] = {"documents": documents, "bytes": size, "repositories": len(repositories)}
    return splits, dict(sorted(licenses.items(), key=lambda item: (-item[1], item[0])))
