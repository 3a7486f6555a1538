"""`clean takedown`: from the name of a repository to a corpus without it, and honest manifests.

The list comes first: from then on every stage treats the repository as taken down. A takedown
that was killed is finished by the same command.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clean.inputs import input_shards, only_run, open_cleaning
from clean.recipe import CleanRecipe
from clean.run import CleanSummary, bring_up_to_date, prepare
from clean.takedown.register import Takedown, read_takedowns, write_takedowns
from clean.takedown.stale import mark, stale_folders
from clean.takedown.wipe import rows_of
from clean.write.stage import MANIFEST_STAGE
from corpus.engine import Engine
from corpus.errors import ManifestError, UsageError
from corpus.events import Report, silent
from corpus.layout import RunFolder
from corpus.manifest import read_manifest
from corpus.shards import Shard, open_shard, read_rows

_MOST_NAMES = 100_000  # among which the nearest is looked for


@dataclass(frozen=True, slots=True)
class Plan:
    """What a takedown is about, before anything is changed."""

    takedowns: tuple[Takedown, ...]  # those that are asked for
    known: frozenset[int]  # of them, the ids that were on the list already
    copies: int  # files of other repositories that have the content of one of theirs
    copied_by: int  # how many repositories that is


@dataclass(slots=True)
class TakenDown:
    """What a takedown did."""

    plan: Plan
    summary: CleanSummary | None = None  # None: nothing was cleaned yet
    stale: list[Path] = field(default_factory=list)  # made from the corpus before


def plan_takedown(
    folder: RunFolder, names: Sequence[str], *, date: str, reason: str | None = None
) -> Plan:
    """Find the repositories that are meant; nothing is changed.

    A name is `owner/name`, whatever the case, or GitHub's numeric id. Raises UsageError for one
    that the raw shards do not know, with the nearest.
    """
    shards = input_shards(folder.raw)
    listed = {takedown.id: takedown for takedown in read_takedowns(folder.takedowns)}
    found = dict(_resolve(shards, names))
    in_corpus = _in_corpus(folder.clean, found)
    takedowns = [
        listed.get(repo_id)
        or Takedown(
            id=repo_id,
            name=name,
            date=date,
            files=files,
            was_in_corpus=None if in_corpus is None else in_corpus[repo_id],
            reason=reason,
        )
        for repo_id, (name, files) in sorted(found.items())
    ]
    return Plan(
        tuple(takedowns), frozenset(listed) & frozenset(found), *_copies(shards, frozenset(found))
    )


def _resolve(
    shards: Sequence[Shard], names: Sequence[str]
) -> Iterator[tuple[int, tuple[str, int]]]:
    """(id, (name, files)) of each repository that a name means."""
    wanted = {name.lower() for name in names}
    ids = {int(name) for name in wanted if name.isdecimal()}
    found: dict[int, str] = {}
    files: Counter[int] = Counter()
    met: set[str] = set()
    for shard in shards:
        table = read_rows(shard, columns=["repo_id", "repo"])
        lowered = pc.utf8_lower(table["repo"])
        mine = pc.or_(
            pc.is_in(lowered, value_set=pa.array(sorted(wanted), pa.string())),
            pc.is_in(table["repo_id"], value_set=pa.array(sorted(ids), pa.int64())),
        )
        groups = table.filter(mine).group_by(["repo_id", "repo"]).aggregate([([], "count_all")])
        for group in groups.to_pylist():
            found[group["repo_id"]] = group["repo"]
            files[group["repo_id"]] += group["count_all"]
            met |= {group["repo"].lower(), str(group["repo_id"])}
    for name in names:
        if name.lower() not in met:
            raise UsageError(_unknown(shards, name))
    yield from ((repo_id, (name, files[repo_id])) for repo_id, name in found.items())


def _unknown(shards: Sequence[Shard], name: str) -> str:
    if not name.isdecimal() and name.count("/") != 1:
        return f"{name!r} is neither OWNER/REPO nor a repository's numeric id"
    known: set[str] = set()
    for shard in shards:
        known.update(pc.unique(read_rows(shard, columns=["repo"]).column(0)).to_pylist())
        if len(known) > _MOST_NAMES:
            break
    raw = shards[0].path.parent
    if name.isdecimal():
        return f"no repository with the id {name} in {raw}"
    near = difflib.get_close_matches(name, sorted(known), n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"no repository {name!r} in {raw}{hint}"


def _in_corpus(clean: Path, ids: Iterable[int]) -> Counter[int] | None:
    """How many files of each repository the cleaned corpus holds; None if there is no corpus."""
    try:
        manifest = read_manifest(clean, MANIFEST_STAGE)
    except ManifestError:
        return None
    wanted = pa.array(sorted(ids), pa.int64())
    counts: Counter[int] = Counter()
    for entry in manifest.outputs:
        column = read_rows(open_shard(clean / entry.path), columns=["repo_id"]).column(0)
        mine = column.filter(pc.is_in(column, value_set=wanted))
        counts.update(mine.to_pylist())
    return counts


def _copies(shards: Sequence[Shard], ids: frozenset[int]) -> tuple[int, int]:
    """Files of other repositories with the content of one of theirs, and how many of those."""
    columns = ["repo_id", "blob_id"]
    theirs: set[str] = set()
    for shard in shards:
        rows = pa.array(rows_of(shard, ids))
        theirs.update(read_rows(shard, columns=["blob_id"]).column(0).take(rows).to_pylist())
    blobs = pa.array(sorted(theirs), pa.string())
    files, repositories = 0, set()
    for shard in shards:
        table = read_rows(shard, columns=columns)
        table = table.filter(pc.is_in(table["blob_id"], value_set=blobs))
        others = [repo_id for repo_id in table["repo_id"].to_pylist() if repo_id not in ids]
        files += len(others)
        repositories.update(others)
    return files, len(repositories)


def take_down(
    folder: RunFolder,
    recipe: CleanRecipe,
    plan: Plan,
    *,
    seed: int,
    engine: Engine | None = None,
    report: Report = silent,
) -> TakenDown:
    """Carry a plan out: list, raw shards, sidecars, decisions, corpus, and what is stale by it.

    Raises what `run_clean` raises.
    """
    with only_run(folder):
        _enlist(folder, plan)
        cleaning = open_cleaning(folder, recipe, seed=seed, engine=engine, report=report)
        cleaned = folder.sidecars.is_dir() or folder.clean.is_dir()
        cleaning = prepare(cleaning)
        done = TakenDown(plan)
        if cleaned:
            done.summary = CleanSummary(len(cleaning.shards))
            bring_up_to_date(cleaning, done.summary)
            done.stale = stale_folders(folder)
            mark(done.stale, [takedown.plain() for takedown in plan.takedowns])
    return done


def _enlist(folder: RunFolder, plan: Plan) -> None:
    listed = read_takedowns(folder.takedowns)
    new = [takedown for takedown in plan.takedowns if takedown.id not in plan.known]
    if new:
        write_takedowns(folder.takedowns, [*listed, *new])
