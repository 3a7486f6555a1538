import json

import pytest

from corpus.errors import ProblemsError
from corpus.events import Notice, Progress
from eval import score as score_module
from eval.outcome import Verdict
from eval.recipe import ProgramLimits
from eval.samples import Sample
from eval.score import canonical_samples, program_digest, score_samples, write_results

LIMITS = ProgramLimits(cpu_s=2, wall_s=60)


class FakeSandbox:
    """Runs nothing: a program passes if it holds the word `right`."""

    ran: list[str]
    isolation = "namespaces+seccomp"
    refusals: list[str]

    def __init__(self, limits, **_):
        type(self).ran, self.refusals = [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def run(self, programs):
        for program in programs:
            self.ran.append(program.key)
            right = "right" in program.source
            yield program.key, Verdict("passed" if right else "failed", cpu_s=0.5)


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(score_module, "Sandbox", FakeSandbox)
    return FakeSandbox


def make(problems, completions):
    return [
        Sample(task_id=problem.task_id, completion=text, sample=i)
        for problem in problems
        for i, text in enumerate(completions)
    ]


def score(problems, samples, **options):
    by_id = {problem.task_id: problem for problem in problems}
    options = {"ks": (1, 2), "seed": 1, "limits": LIMITS, **options}
    return score_samples(by_id, samples, **options)


def test_scores_and_counts(fake, problems):
    found = score(problems, make(problems, ["right", "wrong", " \n"]), ks=(1, 3, 10))
    assert found.outcomes == {"passed": 3, "failed": 3, "empty": 3}
    assert [(p.k, p.value) for p in found.pass_at] == [(1, pytest.approx(1 / 3)), (3, 1.0)]
    assert found.not_reported == ("pass@10 needs 10 samples of each problem; there are 3",)
    assert (found.problems, found.samples, found.programs_run, found.cpu_s) == (3, 3, 6, 3.0)


def test_equal_programs_run_once_and_empty_ones_never(fake, problems):
    found = score(problems, make(problems, ["right", "right", "", "right"]))
    assert len(fake.ran) == len(set(fake.ran)) == 3
    assert [result.outcome for result in found.results[:4]] == [
        "passed",
        "passed",
        "empty",
        "passed",
    ]


def test_a_rerun_goes_on_from_the_log_and_ends_with_the_same_results(fake, problems, tmp_path):
    samples, log = make(problems, ["right", "wrong"]), tmp_path / "verdicts.jsonl"
    whole = score(problems, samples, log=log)
    lines = log.read_bytes().splitlines(keepends=True)
    assert len(lines) == 7
    for kept in (b"".join(lines[:3]), b"".join(lines[:3]) + lines[3][:-9], b"", lines[0][:5]):
        log.write_bytes(kept)
        assert score(problems, samples, log=log) == whole
        assert len(fake.ran) == (4 if len(kept) > 100 else 6)
        assert len(log.read_bytes().splitlines()) == 7
    assert score(problems, samples, log=log) == whole
    assert fake.ran == []


def test_verdicts_under_other_limits_are_not_used(fake, problems, tmp_path):
    samples, log = make(problems, ["right"]), tmp_path / "verdicts.jsonl"
    score(problems, samples, log=log)
    score(problems, samples, log=log, limits=ProgramLimits(cpu_s=1))
    assert len(fake.ran) == 3
    assert json.loads(log.read_text().splitlines()[0])["stamp"]["limits"]["cpu_s"] == 1


def test_a_weaker_isolation_is_told(fake, problems, monkeypatch):
    events = []
    monkeypatch.setattr(fake, "isolation", "seccomp")
    monkeypatch.setattr(
        fake, "__enter__", lambda self: self.refusals.append("namespaces: no") or self
    )
    found = score(problems, make(problems, ["right"]), report=events.append)
    notices = [event for event in events if isinstance(event, Notice)]
    assert found.isolation == "seccomp"
    assert notices[0].warning and "seccomp only (namespaces: no)" in notices[0].text
    done = [event.done for event in events if isinstance(event, Progress)]
    assert done == sorted(done) and done[-1] == 3


def test_scoring_for_real_is_the_same_twice(problems, tmp_path):
    samples = make(problems, [problems[0].canonical_solution, "    return object()\n", "    (\n"])
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        found = score(problems, samples, workers=2)
        write_results(path, found.results)
    assert found.outcomes == {"passed": 1, "failed": 5, "syntax_error": 3}
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_canonical_samples_need_solutions(problems, tmp_path):
    assert [s.completion for s in canonical_samples(tmp_path, problems)] == [
        problem.canonical_solution for problem in problems
    ]
    from dataclasses import replace

    with pytest.raises(ProblemsError, match="Add/0 has no canonical solution"):
        canonical_samples(tmp_path, [replace(problems[0], canonical_solution=None)])


def test_programs_that_are_no_text_have_a_digest():
    assert program_digest("\ud800") != program_digest("\ud801")
