"""`pycodegpt clean explain|funnel|sample`: questions to a corpus. Nothing is changed by them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pycodegpt.commands.clean_session import asking, number, share, short, size
from pycodegpt.session import DEFAULT_RECIPE, JsonOption, RecipeOption, SetOption, show
from pycodegpt.terminal import quantity

if TYPE_CHECKING:
    from rich.console import Console

    from clean.ask.explain import Explanation
    from clean.ask.funnel import FunnelStep
    from clean.ask.places import Place
    from clean.ask.sample import Sample

_LIMIT_WIDTH = 34


def explain(
    query: Annotated[
        str,
        typer.Argument(
            metavar="PATH|SHA",
            help="path, repo:path, repo@commit:path, a git blob id, or any part of these.",
        ),
    ],
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why a file was kept or dropped: each failed rule with the measured value and the limit.

    With --set it says what another threshold would do: the question is decided
    aside, and the run stays as it is.
    """
    from clean.ask.explain import explain as explain_place
    from clean.ask.places import find

    with asking(recipe, overrides) as cleaning:
        places, count = find(cleaning.shards, query)
        if count > 1:
            show([asdict(place) for place in places], places_text(places, count), as_json=as_json)
            return
        explanation = explain_place(cleaning, places[0])
    show(asdict(explanation), _explanation_text(explanation), as_json=as_json)


def places_text(places: list[Place], count: int) -> str:
    """Several files that a query may mean."""
    lines = [f"{count} files match; name one of them:"]
    lines += [f"  {place.name}  (blob {place.blob_id[:12]})" for place in places]
    if count > len(places):
        lines.append(f"  ... and {count - len(places)} more")
    return "\n".join(lines)


def _explanation_text(explanation: Explanation) -> str:
    place = explanation.place
    lines = [place.name, f"  blob {place.blob_id}, {place.shard} row {place.row}"]
    if explanation.kept:
        lines += _kept_lines(explanation)
    for position, failure in enumerate(explanation.failures):
        verb = "dropped" if position == 0 else "also   "
        measured = f"{short(failure.measured, 200)}; allowed: {short(failure.limit, 200)}"
        lines.append(f"  {verb}  {failure.reason}  ({failure.rule}: {measured})")
        if failure.detail:
            lines.append(f"           {failure.detail}")
    if explanation.duplicate is not None:
        duplicate = explanation.duplicate
        lines.append(f"  dropped  {duplicate.reason}, similarity {duplicate.similarity:.3f} to")
        lines.append(f"           {duplicate.survivor.name}, which stays")
    if explanation.measured:
        width = max(map(len, explanation.measured))
        lines.append("  measured:")
        lines += [
            f"    {name:<{width}} {'-' if value is None else value}"
            for name, value in explanation.measured.items()
        ]
    return "\n".join(lines)


def _kept_lines(explanation: Explanation) -> list[str]:
    lines = [f"  kept, in the {explanation.split} split"]
    if explanation.lost is not None:
        lines = [f"  dropped  while writing: {explanation.lost}"]
    if explanation.stands_for:
        lines.append(f"  stands for {number(explanation.stands_for, 'duplicate')}:")
        lines += [f"    {copy.name}" for copy in explanation.copies]
        if (rest := explanation.stands_for - len(explanation.copies)) > 0:
            lines.append(f"    ... and {rest} more")
    return lines


def funnel(
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Files and bytes after each rule, beside the funnel that PyCodeGPT published."""
    from clean.ask.funnel import PUBLISHED
    from clean.ask.steps import recipe_funnel

    with asking(recipe, overrides) as cleaning:
        steps = recipe_funnel(cleaning)
    result = {"funnel": [asdict(step) for step in steps], "published": PUBLISHED}
    show(result, _funnel_text(steps, PUBLISHED), as_json=as_json)


def _funnel_text(steps: list[FunnelStep], published: dict[str, int]) -> str:
    raw = steps[0]
    width = max(len(step.step) for step in steps)
    lines = [
        f"{'after':<{width}} {'limit':<{_LIMIT_WIDTH}} {'files':>9} {'':>6} {'bytes':>9} {'':>6} "
        f"{'dropped':>8}"
    ]
    for step in steps:
        limit = short(step.limit, _LIMIT_WIDTH)
        lines.append(
            f"{step.step:<{width}} {limit:<{_LIMIT_WIDTH}} {step.files:>9} "
            f"{share(step.files, raw.files):>6} {size(step.bytes):>9} "
            f"{share(step.bytes, raw.bytes):>6} {step.dropped_files:>8}"
        )
    kept_files = share(published["kept_files"], published["raw_files"])
    kept_bytes = share(published["kept_bytes"], published["raw_bytes"])
    lines += [
        "",
        f"PyCodeGPT published {quantity(published['raw_files'])} files, "
        f"{size(published['raw_bytes'])} -> {quantity(published['kept_files'])} ({kept_files}), "
        f"{size(published['kept_bytes'])} ({kept_bytes})",
    ]
    return "\n".join(lines)


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
    """Show real files that a rule drops, around the line that it is about."""
    from clean.ask.sample import sample as choose

    with asking(recipe, overrides) as cleaning:
        seed = cleaning.seed if seed is None else seed
        samples, total = choose(cleaning, reason, count, seed=seed)
    if as_json:
        show({"total": total, "samples": [asdict(one) for one in samples]}, "", as_json=True)
    else:
        _draw_samples(samples, total, reason, lines)


def _draw_samples(samples: list[Sample], total: int, reason: str, lines: int) -> None:
    from rich.console import Console
    from rich.rule import Rule
    from rich.text import Text

    console = Console(highlight=False)
    for one in samples:
        what = one.reason if one.rule == one.reason else f"{one.reason} ({one.rule})"
        console.print(Rule(Text(what), align="left"))
        console.print(Text(one.name), soft_wrap=True)
        if one.why:
            console.print(Text(one.why, style="yellow"), soft_wrap=True)
        _draw_source(console, one, lines)
    console.print(Rule(align="left"))
    console.print(f"{len(samples)} of {total:,} files with the outcome {reason}")


def _draw_source(console: Console, one: Sample, lines: int) -> None:
    from rich.syntax import Syntax
    from rich.text import Text

    from clean.ask.sample import first_line

    source = one.text.split("\n")
    start = first_line(one.line, lines, len(source))
    # No more of a long line than a screen can take.
    head = [line[:500] for line in source[start - 1 : start - 1 + lines]]
    if start > 1:
        console.print(Text(f"... {number(start - 1, 'line')} above", style="dim"))
    first, last = one.line or 0, one.last_line or -1
    console.print(
        Syntax(
            "\n".join(head),
            "python",
            line_numbers=True,
            word_wrap=True,
            start_line=start,
            highlight_lines=set(range(first, last + 1)),
        )
    )
    if (rest := len(source) - (start - 1) - len(head)) > 0:
        console.print(Text(f"... {rest} more lines", style="dim"))
