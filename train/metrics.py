"""What training measured, one JSON line each, in `checkpoints/metrics.jsonl`.

    {"kind": "step", "step": 1, "loss": 9.01, "grad_norm": 1.3, "learning_rate": 5e-07, ...}
    {"kind": "held_out", "step": 100, "loss": 5.1, "bits_per_byte": 2.4, ...}
    {"kind": "sample", "step": 100, "prompt": "def ", "completion": "..."}

Lines hold no clock, so that a resumed training writes the same file as an uninterrupted one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from corpus.files import named_errors, write_text

FILE_NAME = "metrics.jsonl"
CURVE_POINTS = 200


class Metrics:
    """The open file, cut back to what happened up to `step`. Raises FileError, DiskFullError."""

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        kept = list(lines_until(path, step))
        self.missing_steps = step - sum(record["kind"] == "step" for record in kept)
        write_text(path, "".join(_line(record) for record in kept))
        with named_errors(path):
            self._file = path.open("a", encoding="utf-8")

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Append one line."""
        with named_errors(self._path):
            self._file.write(_line({"kind": kind, "step": step, **values}))
            self._file.flush()

    def flush(self) -> None:
        """Put every line on the disk: a checkpoint must not know of more than the file does."""
        with named_errors(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        with named_errors(self._path):
            self._file.close()

    def __enter__(self) -> Metrics:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def lines_until(path: Path, step: int) -> Iterator[dict[str, Any]]:
    """The records of a metrics file up to `step`, or up to the first line that is not whole."""
    if not path.exists():
        return
    with named_errors(path), path.open("rb") as file:
        for line in file:
            try:
                record = json.loads(line)
                known = record["kind"] and record["step"] <= step
            except (ValueError, KeyError, TypeError):
                return
            if not known:
                return
            yield record


def training_curve(
    records: Iterable[Mapping[str, Any]], points: int = CURVE_POINTS
) -> list[dict[str, float | None]]:
    """At most about `points` of {step, train_loss, validation_loss, bits_per_byte}.

    The training loss is the mean over equally many steps, skipped ones left out; held-out values
    are None where there was no evaluation, and the last of a stretch where there were several.
    """
    records = list(records)
    width = max(1, -(-max((r["step"] for r in records), default=0) // points))
    stretches: dict[int, list[Mapping[str, Any]]] = {}
    for record in records:
        stretches.setdefault(-(-record["step"] // width), []).append(record)
    return [_curve_point(stretch) for stretch in stretches.values()]


def _curve_point(stretch: list[Mapping[str, Any]]) -> dict[str, float | None]:
    losses = [r["loss"] for r in stretch if r["kind"] == "step" and not r["skipped"]]
    held_out = next((r for r in reversed(stretch) if r["kind"] == "held_out"), None)
    return {
        "step": stretch[-1]["step"],
        "train_loss": sum(losses) / len(losses) if losses else None,
        "validation_loss": held_out["loss"] if held_out else None,
        "bits_per_byte": held_out["bits_per_byte"] if held_out else None,
    }


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"
