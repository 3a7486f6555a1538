"""`pycodegpt clean takedown`: a repository goes, and everything says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pycodegpt.commands.clean_session import MemoryOption, WorkersOption, number, within
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
    from clean.takedown.stage import Plan, TakenDown


def takedown(
    names: Annotated[
        list[str],
        typer.Argument(metavar="OWNER/REPO", help="Repositories, or their numeric ids."),
    ],
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why; kept in the list and the manifests.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")
    ] = False,
    memory: MemoryOption = None,
    workers: WorkersOption = None,
    recipe: RecipeOption = DEFAULT_RECIPE,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take repositories down: their files leave the raw shards, the measurements and the corpus.

    There is no way back but to harvest again elsewhere. Survivors of duplicates
    are elected anew, the corpus is written again, and manifests name what went.
    Models and token files that were made before can't unlearn: they are named.
    A later harvest into this run leaves the repositories out. Killed at any
    point, the same command goes on.
    """
    from clean.takedown.stage import plan_takedown, take_down

    with open_session(recipe, overrides) as session:
        today = datetime.now(UTC).date().isoformat()
        plan = plan_takedown(session.folder, names, date=today, reason=reason)
        if not dry_run:
            done = take_down(
                session.folder,
                within(session.recipe.clean, memory, workers),
                plan,
                seed=session.recipe.seed,
                report=session.report,
            )
    if dry_run:
        show(_plan_json(plan), "\n".join(_plan_lines(plan, going=True)), as_json=as_json)
    else:
        show(_done_json(done), "\n".join(_done_lines(done, session)), as_json=as_json)


def _plan_json(plan: Plan) -> dict[str, Any]:
    return {
        "takedowns": [
            {**takedown.plain(), "taken_down_before": takedown.id in plan.known}
            for takedown in plan.takedowns
        ],
        "copies": {"files": plan.copies, "repositories": plan.copied_by},
    }


def _done_json(done: TakenDown) -> dict[str, Any]:
    return {
        **_plan_json(done.plan),
        "cleaning": asdict(done.summary) if done.summary is not None else None,
        "made_before": [str(place) for place in done.stale],
    }


def _plan_lines(plan: Plan, *, going: bool) -> Iterator[str]:
    verb = "would go" if going else "went"
    for one in plan.takedowns:
        text = f"{one.name} (id {one.id}): {number(one.files, 'file')} of the raw shards {verb}"
        if one.was_in_corpus is not None:
            text += f", {one.was_in_corpus} of them from the cleaned corpus"
        yield text
        if one.id in plan.known:
            why = f": {one.reason}" if one.reason else ""
            yield f"  taken down before, on {one.date}{why}"
    if plan.copies:
        copies, others = number(plan.copies, "file"), number(plan.copied_by, "repository")
        yield (
            f"{copies} of {others} hold the same content and stay: if that must go as well, take "
            "those down too (clean explain BLOB_ID finds them)"
        )


def _done_lines(done: TakenDown, session: Session) -> Iterator[str]:
    yield from _plan_lines(done.plan, going=False)
    yield f"listed in {session.folder.takedowns}, which every stage and a later harvest honour"
    if done.summary is None:
        yield "nothing was cleaned here yet: a later run leaves these files out"
        return
    kept, total = done.summary.counts.get("kept", 0), sum(done.summary.counts.values())
    how = "was written again" if done.summary.made["write"] else "is without them"
    yield f"the cleaned corpus {how}: {kept} of {number(total, 'file')} kept"
    if done.stale:
        yield "made from an earlier corpus; they may hold or have learned these files, and can only"
        yield "be made again:"
        yield from (f"  {place}" for place in done.stale)
