"""`pycodegpt clean`: run the cleaning stages, and ask them why."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from pycodegpt.session import (
    DEFAULT_RECIPE,
    JsonOption,
    RecipeOption,
    Session,
    SetOption,
    open_session,
    show,
)
from pycodegpt.terminal import quantity

if TYPE_CHECKING:
    from clean.ask.explain import Explanation, Place
    from clean.ask.funnel import FunnelStep
    from clean.ask.sample import Sample
    from clean.run import CleanSummary

app = typer.Typer(
    no_args_is_help=True,
    help="Turn raw files into the cleaned corpus, and see what each rule does to it.",
)


@app.command()
def run(
    stage: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Make this stage anew, and what depends on it: text, syntax, license, "
            "fingerprint, verdict, dedup or write.",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes to work with; default: one a core.")
    ] = None,
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Clean the harvested files: measure, judge, deduplicate, write. Does only what is not done.

    Run it again after changing a threshold and only the verdicts and what
    follows are made again; no file is measured twice. Killed at any point, the
    next run goes on from there.
    """
    from clean.run import run_clean

    with open_session(recipe, overrides) as session:
        cleaning = session.recipe.clean
        if workers is not None:
            limits = replace(cleaning.limits, workers=workers)
            cleaning = replace(cleaning, limits=limits)
        summary = run_clean(
            session.folder, cleaning, seed=session.recipe.seed, stage=stage, report=session.report
        )
    show(asdict(summary), _summary_text(summary, session), as_json=as_json)


def _summary_text(summary: CleanSummary, session: Session) -> str:
    lines = [_stage_line(name, made, summary.shards) for name, made in summary.made.items()]
    if not any(summary.made.values()):
        lines = ["nothing to do: every stage is current"]
    total = sum(summary.counts.values())
    kept = summary.counts.get("kept", 0)
    lines += ["", f"kept {kept} of {total} files ({_share(kept, total)})"]
    lines += [
        f"  {reason:<22} {count:>9}  {_share(count, total):>6}"
        for reason, count in summary.counts.items()
        if reason != "kept"
    ]
    lines.append(f"written to {session.folder.clean}:")
    lines += [
        f"  {name:<10} {split['documents']:>9} files {_size(split['bytes']):>9} of text from "
        f"{split['repositories']} {'repository' if split['repositories'] == 1 else 'repositories'}"
        for name, split in summary.splits.items()
    ]
    return "\n".join(lines)


def _stage_line(name: str, made: int, shards: int) -> str:
    if not made:
        return f"{name:<12} current"
    of = f" of {shards}" if name != "write" else ""
    return f"{name:<12} made anew: {made}{of} shard{'s' if made != 1 else ''}"


@app.command()
def explain(
    query: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="path, repo:path, repo@commit:path, a git blob id, or any part of these.",
        ),
    ],
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why a file was kept or dropped: each failed rule with the measured value and the limit."""
    from clean.ask.explain import explain as explain_place
    from clean.ask.explain import find

    with open_session(recipe, overrides) as session:
        places, count = find(session.folder, query)
        if count > 1:
            show([asdict(place) for place in places], _places_text(places, count), as_json=as_json)
            return
        cleaning, seed = session.recipe.clean, session.recipe.seed
        explanation = explain_place(session.folder, cleaning, seed, places[0])
    show(asdict(explanation), _explanation_text(explanation), as_json=as_json)


def _places_text(places: list[Place], count: int) -> str:
    lines = [f"{count} files match; name one of them:"]
    lines += [f"  {place.name}  (blob {place.blob_id[:12]})" for place in places]
    if count > len(places):
        lines.append(f"  ... and {count - len(places)} more")
    return "\n".join(lines)


def _explanation_text(explanation: Explanation) -> str:
    place = explanation.place
    lines = [place.name, f"  blob {place.blob_id}, {place.shard} row {place.row}"]
    if explanation.kept:
        lines.append(f"  kept, in the {explanation.split} split")
    for number, failure in enumerate(explanation.failures):
        verb = "dropped" if number == 0 else "also   "
        measured = f"{failure.measured}; allowed: {failure.limit}"
        lines.append(f"  {verb}  {failure.reason}  ({failure.rule}: {measured})")
        if failure.detail:
            lines.append(f"           {failure.detail}")
    if explanation.duplicate is not None:
        duplicate = explanation.duplicate
        lines.append(f"  dropped  {duplicate.reason}, similarity {duplicate.similarity:.3f} to")
        lines.append(f"           {duplicate.survivor.name}, which stays")
    lines.append("  measured:")
    lines += [f"    {name:<16} {value}" for name, value in explanation.measured.items()]
    return "\n".join(lines)


@app.command()
def funnel(
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Files and bytes after each rule, beside the funnel that PyCodeGPT published."""
    from clean.ask.funnel import PUBLISHED
    from clean.run import current_funnel

    with open_session(recipe, overrides) as session:
        recipe_seed = session.recipe.seed
        steps = current_funnel(session.folder, session.recipe.clean, seed=recipe_seed)
    result = {"funnel": [asdict(step) for step in steps], "published": PUBLISHED}
    show(result, _funnel_text(steps, PUBLISHED), as_json=as_json)


def _funnel_text(steps: list[FunnelStep], published: dict[str, int]) -> str:
    raw = steps[0]
    lines = [
        f"{'after':<22} {'limit':<34} {'files':>9} {'':>6} {'bytes':>9} {'':>6} {'dropped':>8}"
    ]
    for step in steps:
        limit = step.limit if len(step.limit) <= 34 else f"{step.limit[:31]}..."
        lines.append(
            f"{step.step:<22} {limit:<34} {step.files:>9} {_share(step.files, raw.files):>6} "
            f"{_size(step.bytes):>9} {_share(step.bytes, raw.bytes):>6} {step.dropped_files:>8}"
        )
    kept_files = _share(published["kept_files"], published["raw_files"])
    kept_bytes = _share(published["kept_bytes"], published["raw_bytes"])
    lines += [
        "",
        f"PyCodeGPT published {quantity(published['raw_files'])} files, "
        f"{_size(published['raw_bytes'])} -> {quantity(published['kept_files'])} ({kept_files}), "
        f"{_size(published['kept_bytes'])} ({kept_bytes})",
    ]
    return "\n".join(lines)


@app.command()
def sample(
    reason: Annotated[
        str,
        typer.Option(
            metavar="NAME", help='A reason or a rule, as the funnel names them, or "kept".'
        ),
    ],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many files.")] = 5,
    lines: Annotated[int, typer.Option(min=1, help="Lines to show of each file.")] = 30,
    seed: Annotated[
        int | None, typer.Option(help="Another seed shows other files; default: the recipe's.")
    ] = None,
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show real files that a rule drops."""
    from clean.ask.sample import sample as choose

    with open_session(recipe, overrides) as session:
        seed = session.recipe.seed if seed is None else seed
        samples, total = choose(session.folder, reason, count, seed=seed)
    if as_json:
        show({"total": total, "samples": [asdict(one) for one in samples]}, "", as_json=True)
    else:
        _draw_samples(samples, total, reason, lines)


def _draw_samples(samples: list[Sample], total: int, reason: str, lines: int) -> None:
    from rich.console import Console
    from rich.rule import Rule
    from rich.syntax import Syntax
    from rich.text import Text

    console = Console(highlight=False)
    for one in samples:
        what = one.reason if one.rule == one.reason else f"{one.reason} ({one.rule})"
        console.print(Rule(Text(what), align="left"))
        console.print(Text(one.name), soft_wrap=True)
        # No more of a long line than a screen can take.
        head = [line[:500] for line in one.text.split("\n")[:lines]]
        console.print(Syntax("\n".join(head), "python", line_numbers=True, word_wrap=True))
        if (rest := one.text.count("\n") + 1 - len(head)) > 0:
            console.print(Text(f"... {rest} more lines", style="dim"))
    console.print(Rule(align="left"))
    console.print(f"{len(samples)} of {total} files that were {reason}")


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "-"


def _size(size: float) -> str:
    return f"{quantity(size)}B"
