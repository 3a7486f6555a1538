"""`pycodegpt clean decide|diff`: what other thresholds change, without reading any content."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corpus.errors import UsageError
from pycodegpt.commands.clean_session import (
    MemoryOption,
    WorkersOption,
    asking,
    number,
    share,
    short,
    size,
    within,
)
from pycodegpt.session import DEFAULT_RECIPE, JsonOption, RecipeOption, SetOption, show

if TYPE_CHECKING:
    from clean.ask.diff import Difference, Example
    from clean.ask.flips import FlipCounts, Kind
    from clean.ask.judged import Judged
    from clean.inputs import Cleaning
    from clean.redecide import Redecided

_KEPT = "kept"
_EITHER_WAY = "dropped either way, for another reason"


def decide(
    memory: MemoryOption = None,
    workers: WorkersOption = None,
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide by the recipe's thresholds what is kept: no content is read, nothing is written.

    Takes the measurements that a run left, elects the survivors of duplicates
    anew, and says what changed against the decision before. The cleaned corpus
    stays as it is: clean run writes it.
    """
    from clean.redecide import redecide

    with asking(recipe, overrides, memory=memory, workers=workers) as cleaning:
        decided = redecide(cleaning)
    show(_decided_json(decided), _decided_text(decided), as_json=as_json)


def _decided_json(decided: Redecided) -> dict[str, Any]:
    return {
        "made": decided.made,
        "counts": decided.counts,
        "changed": counts_json(decided.flips) if decided.flips is not None else None,
        "written": decided.written,
    }


def _decided_text(decided: Redecided) -> str:
    total, kept = sum(decided.counts.values()), decided.counts.get("kept", 0)
    lines = [f"kept {kept:,} of {number(total, 'file')} ({share(kept, total)})"]
    lines += [
        f"  {reason:<22} {count:>9}  {share(count, total):>6}"
        for reason, count in decided.counts.items()
        if reason != "kept"
    ]
    if not any(decided.made.values()):
        lines.append("decided before: nothing changed")
    elif decided.flips is None:
        lines.append("the first decision on these shards: nothing to compare with")
    else:
        lines += ["", "against the decision before:", *counts_lines(decided.flips)]
    if decided.written:
        lines.append("the cleaned corpus is of this decision")
    else:
        lines.append("the cleaned corpus is not of this decision yet: `clean run` writes it")
    return "\n".join(lines)


def diff(
    recipe_a: Annotated[
        Path, typer.Argument(metavar="RECIPE_A", help="The recipe as it is, and whose run it is.")
    ],
    recipe_b: Annotated[
        Path | None,
        typer.Argument(
            metavar="RECIPE_B",
            help="The recipe to compare it with; if left out, RECIPE_A with --set.",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change one value of the second recipe; repeatable. run=FOLDER holds for both.",
        ),
    ] = None,
    examples: Annotated[
        int, typer.Option("--examples", "-n", min=0, help="How many files to show of each kind.")
    ] = 2,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write every flipped file with its reasons: .jsonl or .parquet."
        ),
    ] = None,
    memory: MemoryOption = None,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Which files flip between two recipes, and why, with survivors of duplicates elected anew.

    Both recipes are decided aside from what RECIPE_A's run has measured: no
    content is read, and nothing of the run changes. For one changed threshold:
    clean diff recipes/demo.toml --set clean.rules.max_longest_line=120
    """
    from clean.ask.diff import both_sides, compare
    from clean.ask.flip_list import FlipList, check_format

    of_run = [override for override in overrides or () if _is_run(override)]
    if recipe_b is None and len(overrides or ()) == len(of_run):
        raise UsageError("name a second recipe, or change the first one with --set KEY=VALUE")
    if out is not None:
        check_format(out)
    with (
        _two((recipe_a, of_run), (recipe_b or recipe_a, overrides), memory, workers) as (a, b),
        both_sides(a, b) as sides,
    ):
        listed = FlipList(a.folder.scratch / "flips", *sides) if out is not None else None
        difference = compare(*sides, examples=examples, each=listed.add if listed else None)
        if out is not None and listed is not None:
            shares = a.shares
            listed.write(out, memory_bytes=shares.database_bytes, threads=shares.threads)
    result = {"counts": counts_json(difference.counts), "examples": _examples_json(difference)}
    if out is not None:
        result["out"] = str(out)
    show(result, _difference_text(difference, out), as_json=as_json)


def _is_run(override: str) -> bool:
    return override.partition("=")[0].strip() == "run"


@contextmanager
def _two(
    first: tuple[Path, list[str]],
    second: tuple[Path, list[str] | None],
    memory: str | None,
    workers: int | None,
) -> Iterator[tuple[Cleaning, Cleaning]]:
    """Two recipes and their overrides, over the first one's run."""
    from clean.aside import placed
    from clean.inputs import open_cleaning
    from corpus.recipe import read_recipe
    from pycodegpt.recipe import Recipe

    other = read_recipe(second[0], Recipe, tuple(second[1] or ()))
    with asking(*first, memory=memory, workers=workers) as a:
        b = open_cleaning(
            a.folder,
            within(other.clean, memory, workers),
            seed=other.seed,
            report=a.report,
            measures=False,
        )
        yield a, placed(b)


def counts_json(counts: FlipCounts) -> dict[str, Any]:
    """The numbers of a comparison, for programs."""
    return {
        "files": counts.files,
        "kept_before": asdict(counts.before),
        "kept_after": asdict(counts.after),
        "flipped": counts.flipped,
        "other_survivor": counts.other_survivor,
        "flips": [
            {"before": kind[0], "after": kind[1], "files": counts.kinds[kind],
             "bytes": counts.bytes[kind]}
            for kind in counts.ordered()
        ],
    }  # fmt: skip


def counts_lines(counts: FlipCounts) -> list[str]:
    """The numbers of a comparison, for people."""
    before, after = counts.before, counts.after
    lines = [
        f"kept before  {before.files:>9} files {size(before.bytes):>8}  "
        f"{share(before.files, counts.files):>6} of all files",
        f"kept after   {after.files:>9} files {size(after.bytes):>8}  "
        f"{share(after.files, counts.files):>6}",
    ]
    if not counts.flipped:
        lines.append("no file flips")
    for title, kinds in _groups(counts).items():
        lines.append(f"{title}: {number(sum(counts.kinds[kind] for kind in kinds), 'file')}")
        width = max(len(kind[0]) for kind in kinds)
        lines += [f"  {counts.kinds[kind]:>9} {kind[0]:>{width}} -> {kind[1]}" for kind in kinds]
    if counts.other_survivor:
        verb = "goes" if counts.other_survivor == 1 else "go"
        duplicates = number(counts.other_survivor, "duplicate")
        lines.append(f"{duplicates} {verb} for another survivor than before")
    return lines


def _groups(counts: FlipCounts) -> dict[str, list[Kind]]:
    """Kinds of flips under what they mean for the corpus."""
    groups: dict[str, list[Kind]] = {"dropped now": [], "kept now": [], _EITHER_WAY: []}
    for kind in counts.ordered():
        title = "dropped now" if kind[0] == _KEPT else "kept now"
        groups[title if _KEPT in kind else _EITHER_WAY].append(kind)
    return {title: kinds for title, kinds in groups.items() if kinds}


def _difference_text(difference: Difference, out: Path | None) -> str:
    counts = difference.counts
    lines = counts_lines(counts)
    for kind in counts.ordered():
        examples = difference.examples.get(kind, [])
        # Of files that stay out there are enough numbers.
        if examples and _KEPT in kind:
            lines += ["", f"{kind[0]} -> {kind[1]}: {number(counts.kinds[kind], 'file')}"]
            lines += [line for example in examples for line in _example_lines(example)]
    if out is not None:
        lines += ["", f"{number(counts.flipped, 'flipped file')} written to {out}"]
    return "\n".join(lines)


def _example_lines(example: Example) -> Iterator[str]:
    yield f"  {example.place.name}"
    for name, said in (("before", example.before), ("after", example.after)):
        if not said.kept:
            yield f"    {name:<7} {judged_line(said)}"


def judged_line(said: Judged) -> str:
    """What one side says of a file: the first reason, with the value and the limit."""
    if said.failures:
        failure = said.failures[0]
        detail = f"; {failure.detail}" if failure.detail else ""
        measured = f"{short(failure.measured)}; allowed: {short(failure.limit)}"
        return f"{failure.reason}  ({failure.rule}: {measured}{detail})"
    if said.duplicate is not None:
        duplicate = said.duplicate
        return (
            f"{duplicate.reason}  (similarity {duplicate.similarity:.3f} to "
            f"{duplicate.survivor.name})"
        )
    return "kept"


def _examples_json(difference: Difference) -> list[dict[str, Any]]:
    return [
        {
            "before": kind[0],
            "after": kind[1],
            "file": asdict(example.place),
            "why_before": asdict(example.before),
            "why_after": asdict(example.after),
        }
        for kind in difference.counts.ordered()
        for example in difference.examples.get(kind, [])
    ]
