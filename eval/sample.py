"""Sample completions of every problem from a model into a samples file, resuming where it ended.

The plan of batches is fixed by the recipe, so that a resumed run computes the same batches, and so
the same bytes, as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from corpus.errors import CheckpointError
from corpus.events import Notice, Progress, Report, silent
from eval.decode import Row, decode
from eval.model import Model
from eval.nucleus import Sampling, uniforms
from eval.problems import Problem
from eval.protocol import Protocol, cut, stop_position
from eval.samples import Sample, append_samples, resume_samples

_SMALL_MODEL = 20_000_000  # parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePlan:
    """Everything that decides what is sampled, besides the model and the problems."""

    protocol: Protocol
    sampling: Sampling
    samples: int
    max_new_tokens: int
    batch_size: int
    seed: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """A problem's prompt as tokens, and how many new ones the context leaves room for."""

    task_id: str
    tokens: tuple[int, ...]
    max_new: int
    truncated: bool


def sample(
    model: Model,
    problems: Sequence[Problem],
    plan: SamplePlan,
    path: Path,
    report: Report = silent,
) -> int:
    """Write `plan.samples` samples of every problem to `path`; how many had been there before.

    Raises ProblemsError if the file holds samples of another plan, CheckpointError if the
    tokenizer makes nothing of a prompt.
    """
    prompts = {problem.task_id: _encode(model, problem, plan) for problem in problems}
    _tell_truncated(list(prompts.values()), report)
    batches = plan_batches(list(prompts.values()), plan, model.context)
    path.parent.mkdir(parents=True, exist_ok=True)
    done = resume_samples(path, batches)
    before = finished = sum(map(len, batches[:done]))
    total = sum(map(len, batches))
    tokens = 0
    report(Progress("sample", finished, total, "samples"))
    for batch in batches[done:]:
        with _threads_for(model):
            made = _sample_batch(model, [prompts[task] for task, _ in batch], batch, plan)
        append_samples(path, made)
        finished += len(made)
        tokens += sum(one.tokens for one in made)
        report(Progress("sample", finished, total, "samples", f"{tokens} tokens"))
    return before


def plan_batches(
    prompts: Sequence[Prompt], plan: SamplePlan, context: int
) -> list[list[tuple[str, int]]]:
    """All (task, sample) pairs in order, cut into batches.

    A prompt that leaves too little room in the context shares its batches with no other, since
    the padding of shorter prompts counts against theirs.
    """
    batches: list[list[tuple[str, int]]] = []
    alone = True
    for prompt in prompts:
        crowded = len(prompt.tokens) + plan.max_new_tokens > context
        fresh = alone or crowded
        for index in range(plan.samples):
            if fresh or len(batches[-1]) == plan.batch_size:
                batches.append([])
                fresh = False
            batches[-1].append((prompt.task_id, index))
        alone = crowded
    return batches


def fit_prompt(tokens: Sequence[int], context: int, max_new: int) -> tuple[tuple[int, ...], bool]:
    """The end of a prompt that leaves room to answer, and whether anything was cut off."""
    if len(tokens) < context:
        return tuple(tokens), False
    room = min(max_new, context // 2)
    return tuple(tokens[-(context - room) :]), True


@contextmanager
def _threads_for(model: Model) -> Iterator[None]:
    """One thread for a small model on the CPU.

    Its operations are too short to be shared: on a busy machine with two cores, threads that wait
    for each other took 18 times the CPU time of one.
    """
    before = torch.get_num_threads()
    if model.device == "cpu" and model.parameters < _SMALL_MODEL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _encode(model: Model, problem: Problem, plan: SamplePlan) -> Prompt:
    text = plan.protocol.prompt(problem.prompt)
    if plan.protocol.begin_with_bos and model.bos_id is not None:
        ids = [model.bos_id, *model.tokenizer(text, add_special_tokens=False)["input_ids"]]
    else:
        ids = model.tokenizer(text)["input_ids"]
    if not ids:
        problem_text = f"the tokenizer makes no token of the prompt of {problem.task_id}"
        raise CheckpointError(model.path, problem_text)
    tokens, truncated = fit_prompt(ids, model.context, plan.max_new_tokens)
    max_new = min(plan.max_new_tokens, model.context - len(tokens))
    return Prompt(problem.task_id, tokens, max_new, truncated)


def _tell_truncated(prompts: Sequence[Prompt], report: Report) -> None:
    truncated = [prompt.task_id for prompt in prompts if prompt.truncated]
    if truncated:
        what = f"prompts longer than the model's context: {len(truncated)}, such as {truncated[0]}"
        report(Notice(f"{what}; their beginnings are cut off", warning=True))


def _sample_batch(
    model: Model,
    prompts: Sequence[Prompt],
    batch: Sequence[tuple[str, int]],
    plan: SamplePlan,
) -> list[Sample]:
    max_new = min(prompt.max_new for prompt in prompts)
    rows = [
        Row(prompt.tokens, uniforms(plan.seed, task_id, index, max_new))
        for prompt, (task_id, index) in zip(prompts, batch, strict=True)
    ]
    stops = plan.protocol.stops

    def finished(tokens: Sequence[int]) -> bool:
        return stop_position(_text(model, tokens), stops) is not None

    made = decode(model, rows, plan.sampling, max_new, finished)
    return [
        Sample(
            task_id=task_id,
            completion=cut(_text(model, tokens), stops),
            sample=index,
            tokens=len(tokens),
        )
        for (task_id, index), tokens in zip(batch, made, strict=True)
    ]


def _text(model: Model, tokens: Sequence[int]) -> str:
    text: str = model.tokenizer.decode(
        list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text
