"""Score samples: run each distinct program once, and keep every verdict in a log.

The log (`verdicts.jsonl`) is appended to as verdicts come and makes a rerun go on where it ended;
the results (`results.jsonl`) are a pure function of samples and verdicts. A verdict's CPU seconds
stand in the log only, since they differ from run to run.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import ProblemsError
from corpus.events import Notice, Progress, Report, silent
from corpus.files import named_errors, write_text
from corpus.problems import parse_line, read_content
from corpus.recipe import as_plain
from eval.outcome import EMPTY, OUTCOMES, Verdict
from eval.passk import PassAtK, estimate, why_not
from eval.problems import Problem
from eval.recipe import Isolation, ProgramLimits
from eval.samples import Sample
from eval.sandbox import Program, Sandbox

VERSION = 1  # of what a verdict means; raised when the same program may get another one


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one sample."""

    task_id: str
    sample: int
    passed: bool
    outcome: str
    detail: str
    program: str  # digest of what was run; equal programs were run once


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """All results of a samples file, and what they come to."""

    results: tuple[Result, ...]
    outcomes: dict[str, int]  # how many samples of each; those that never occurred are left out
    pass_at: tuple[PassAtK, ...]
    not_reported: tuple[str, ...]  # why, for each k that was asked for in vain
    problems: int
    samples: int  # of the problem that has fewest
    isolation: str
    programs_run: int
    cpu_s: float  # of all distinct programs


def score_samples(
    problems: Mapping[str, Problem],
    samples: Sequence[Sample],
    *,
    ks: Sequence[int],
    seed: int,
    limits: ProgramLimits,
    workers: int | None = None,
    min_isolation: Isolation = "seccomp",
    log: Path | None = None,
    report: Report = silent,
) -> Score:
    """Run the programs that the log has no verdict for, and sum up.

    Every sample's task must be in `problems`. Raises SandboxError if programs can't be confined.
    """
    sources = [_source(problems[sample.task_id], sample) for sample in samples]
    programs = {program_digest(source): source for source in sources if source is not None}
    with Sandbox(limits, workers=workers, min_isolation=min_isolation) as sandbox:
        _tell_isolation(sandbox, report)
        verdicts = _Verdicts(log, _stamp(limits, sandbox.isolation))
        _run_missing(sandbox, programs, verdicts, report)
        isolation = sandbox.isolation
    results = []
    for sample, source in zip(samples, sources, strict=True):
        key = "" if source is None else program_digest(source)
        results.append(_result(sample, key, verdicts.known[key] if key else EMPTY))
    return _sum_up(results, [verdicts.known[key] for key in programs], ks, seed, isolation)


def program_digest(source: str) -> str:
    """What identifies a program."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def write_results(path: Path, results: Sequence[Result]) -> None:
    """One JSON object a line, complete or not at all. Raises DiskFullError or FileError."""
    write_text(path, "".join(json.dumps(as_plain(result)) + "\n" for result in results))


def canonical_samples(path: Path, problems: Sequence[Problem]) -> list[Sample]:
    """Each problem's own solution as a sample. Raises ProblemsError if one has none."""
    samples = []
    for problem in problems:
        if problem.canonical_solution is None:
            raise ProblemsError(path, f"{problem.task_id} has no canonical solution")
        solution = problem.canonical_solution
        samples.append(Sample(task_id=problem.task_id, completion=solution, sample=0))
    return samples


def _source(problem: Problem, sample: Sample) -> str | None:
    return problem.program(sample.completion) if sample.completion.strip() else None


def _result(sample: Sample, key: str, verdict: Verdict) -> Result:
    return Result(
        task_id=sample.task_id,
        sample=sample.sample,
        passed=verdict.passed,
        outcome=verdict.outcome,
        detail=verdict.detail,
        program=key,
    )


def _sum_up(
    results: list[Result], verdicts: list[Verdict], ks: Sequence[int], seed: int, isolation: str
) -> Score:
    totals = Counter(result.task_id for result in results)
    passed = Counter(result.task_id for result in results if result.passed)
    counts = [(total, passed[task_id]) for task_id, total in totals.items()]
    estimates = {k: estimate(counts, k, seed=seed) for k in ks}
    outcomes = Counter(result.outcome for result in results)
    return Score(
        results=tuple(results),
        outcomes={name: outcomes[name] for name in OUTCOMES if outcomes[name]},
        pass_at=tuple(found for found in estimates.values() if found is not None),
        not_reported=tuple(why_not(counts, k) for k, found in estimates.items() if found is None),
        problems=len(totals),
        samples=min(totals.values(), default=0),
        isolation=isolation,
        programs_run=len(verdicts),
        cpu_s=sum(verdict.cpu_s for verdict in verdicts),
    )


def _run_missing(
    sandbox: Sandbox, programs: Mapping[str, str], verdicts: _Verdicts, report: Report
) -> None:
    missing = [Program(key, src) for key, src in programs.items() if key not in verdicts.known]
    done = len(programs) - len(missing)
    passed = sum(verdicts.known[key].passed for key in programs if key in verdicts.known)
    report(Progress("score", done, len(programs), "programs", f"{passed} passed"))
    with verdicts:
        for key, verdict in sandbox.run(missing):
            verdicts.add(key, verdict)
            done += 1
            passed += verdict.passed
            report(Progress("score", done, len(programs), "programs", f"{passed} passed"))


def _tell_isolation(sandbox: Sandbox, report: Report) -> None:
    if sandbox.refusals:
        reasons = "; ".join(sandbox.refusals)
        weaker = f"programs run under {sandbox.isolation} only ({reasons}); see docs/sandbox.md"
        report(Notice(weaker, warning=True))


def _stamp(limits: ProgramLimits, isolation: str) -> dict[str, Any]:
    return {
        "version": VERSION,
        "limits": as_plain(limits),
        "isolation": isolation,
        "python": platform.python_version(),
    }


class _Verdicts:
    """Verdicts by program, and the file that they are appended to."""

    def __init__(self, path: Path | None, stamp: dict[str, Any]) -> None:
        self.known: dict[str, Verdict] = {}
        self._path, self._stamp = path, stamp
        self._file: Any = None
        if path is not None and path.exists():
            self._read(path)

    def add(self, key: str, verdict: Verdict) -> None:
        """Remember and write a verdict."""
        self.known[key] = verdict
        if self._file is not None:
            assert self._path is not None
            with named_errors(self._path):
                self._file.write(json.dumps(_log_line(key, verdict)) + "\n")
                self._file.flush()

    def __enter__(self) -> _Verdicts:
        if self._path is not None:
            # What was read is written anew: a half-written last line is gone.
            lines = [{"stamp": self._stamp}, *map(_log_line, self.known, self.known.values())]
            write_text(self._path, "".join(json.dumps(line) + "\n" for line in lines))
            with named_errors(self._path):
                self._file = self._path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self, path: Path) -> None:
        """Take over verdicts up to the first damaged line, if they were made under equal rules."""
        lines = read_content(path).split(b"\n")
        try:
            if parse_line(path, 1, lines[0]).get("stamp") != self._stamp:
                return
            for number, line in enumerate(lines[1:-1], start=2):
                fields = parse_line(path, number, line)
                key = fields.pop("program")
                self.known[key] = Verdict(**fields)
        except (ProblemsError, KeyError, TypeError):
            return


def _log_line(key: str, verdict: Verdict) -> dict[str, Any]:
    return {"program": key, **as_plain(verdict)}
