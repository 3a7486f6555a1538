"""`pycodegpt clean`: run the cleaning stages, and ask them why."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pycodegpt.commands.clean_answers import explain, funnel, sample
from pycodegpt.commands.clean_changes import decide, diff
from pycodegpt.commands.clean_session import (
    MemoryOption,
    WorkersOption,
    number,
    share,
    size,
    within,
)
from pycodegpt.commands.clean_takedown import takedown
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
            help="Make this stage anew, and what depends on it; a wrong name lists the right ones.",
        ),
    ] = None,
    memory: MemoryOption = None,
    workers: WorkersOption = None,
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
        summary = run_clean(
            session.folder,
            within(session.recipe.clean, memory, workers),
            seed=session.recipe.seed,
            stage=stage,
            report=session.report,
        )
    show(asdict(summary), _summary_text(summary, session), as_json=as_json)


@app.command()
def measure(
    memory: MemoryOption = None,
    workers: WorkersOption = None,
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what the recipe's rules look at, and decide nothing: the corpus stays as it is.

    For a recipe that you want to compare (clean diff) and that looks at something
    which was not measured yet.
    """
    from clean.run import measure as measure_all

    with open_session(recipe, overrides) as session:
        summary = measure_all(
            session.folder,
            within(session.recipe.clean, memory, workers),
            seed=session.recipe.seed,
            report=session.report,
        )
    show(asdict(summary), _made_text(summary), as_json=as_json)


def _summary_text(summary: CleanSummary, session: Session) -> str:
    total = sum(summary.counts.values())
    kept = summary.counts.get("kept", 0)
    lines = [_made_text(summary), ""]
    lines.append(f"kept {kept:,} of {number(total, 'file')} ({share(kept, total)})")
    lines += [
        f"  {reason:<22} {count:>9}  {share(count, total):>6}"
        for reason, count in summary.counts.items()
        if reason != "kept"
    ]
    lines.append(f"written to {session.folder.clean}:")
    lines += [
        f"  {name:<10} {split['documents']:>9} files {size(split['bytes']):>9} of text from "
        f"{number(split['repositories'], 'repository')}"
        for name, split in summary.splits.items()
    ]
    return "\n".join(lines)


def _made_text(summary: CleanSummary) -> str:
    if not any(summary.made.values()):
        return "nothing to do: every stage is current"
    return "\n".join(_stage_line(name, made, summary.shards) for name, made in summary.made.items())


def _stage_line(name: str, made: int, shards: int) -> str:
    if not made:
        return f"{name:<13} current"
    of = f" of {shards}" if name != "write" else ""
    return f"{name:<13} made anew: {made}{of} shard{'s' if made != 1 else ''}"


app.command()(decide)
app.command()(diff)
app.command()(explain)
app.command()(funnel)
app.command()(sample)
app.command()(takedown)
