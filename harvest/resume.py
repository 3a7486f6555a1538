"""What an earlier run left in a folder: if it is finished, whose it is, putting it in order."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from corpus.errors import FileError, ManifestError, UsageError
from corpus.events import Notice, Report
from corpus.files import named_errors, remove_leftovers
from corpus.layout import RunFolder
from corpus.manifest import Manifest, read_manifest
from corpus.recipe import as_plain
from corpus.shards import open_shard
from harvest.account import STAGE
from harvest.assemble import reconcile
from harvest.frontier import Frontier
from harvest.recipe import HarvestRecipe, moment
from harvest.scheduler import Clock
from harvest.selection import OptOut, read_opt_out
from harvest.spool import holds, spool_path


def spools_of(folder: RunFolder) -> Path:
    """Where downloads wait for their shard."""
    return folder.frontier.with_suffix(".spool")


def with_takedowns(opt_out: OptOut, folder: RunFolder) -> OptOut:
    """The list, and the repositories that cleaning took down in this run."""
    if not folder.takedowns.exists():
        return opt_out
    return OptOut(opt_out.names | read_opt_out(folder.takedowns).names)


def finished_before(recipe: HarvestRecipe, folder: RunFolder) -> Manifest | None:
    """The manifest of a finished harvest whose shards are all there. Raises UsageError."""
    try:
        manifest = read_manifest(folder.raw, STAGE)
    except ManifestError:
        return None
    check_same(manifest.parameters, recipe, folder)
    try:
        for entry in manifest.outputs:
            if open_shard(folder.raw / entry.path).digest != entry.digest:
                return None
    except FileError:
        return None
    return manifest


def check_same(known: object, recipe: HarvestRecipe, folder: RunFolder) -> None:
    """One folder, one harvest: rows of two selections in one corpus could not be told apart."""
    wanted = as_plain(recipe.selection)
    if not isinstance(known, dict):
        return
    # A harvest from before a key existed was one with the key's default, or as harvests were then.
    known = {**as_plain(HarvestRecipe().selection), "each_blob_once": False, **known}
    if known == wanted:
        return
    changed = ", ".join(
        f"{key}: {known.get(key)!r} then, {wanted.get(key)!r} now"
        for key in sorted({*known, *wanted})
        if known.get(key) != wanted.get(key)
    )
    raise UsageError(
        f"{folder.root}: holds a harvest of another recipe ({changed}); "
        "choose another run folder (run = ...), or go back to those values"
    )


def bind(frontier: Frontier, recipe: HarvestRecipe, folder: RunFolder, clock: Clock) -> None:
    """Tie the frontier to the recipe's selection, and fix when its windows end."""
    if frontier.found():
        check_same(frontier.note("selection"), recipe, folder)
        return
    # Nothing was found yet, perhaps for a wrong address: nothing binds us to that attempt.
    until = recipe.created_until
    end = moment("created_until", until) if until else datetime.fromtimestamp(clock.now(), UTC)
    frontier.begin(as_plain(recipe.selection), until=int(end.timestamp()))


def recover(
    frontier: Frontier, folder: RunFolder, opt_out: OptOut, left_out: OptOut, report: Report
) -> None:
    """Put in order what an earlier run left: half-written files, lost shards, old failures."""
    with named_errors(folder.raw):
        for place in (folder.raw, spools_of(folder)):
            remove_leftovers(place)
    for line in reconcile(frontier, folder.raw):
        report(Notice(line, warning=True))
    for name in frontier.opt_out(left_out):
        if opt_out.covers(name):
            text = f"{name} opted out, but is in a finished shard; take it down: clean takedown"
            report(Notice(text, warning=True))
    frontier.retry_failed()
    for repository in frontier.with_states("fetched"):
        if not holds(spool_path(spools_of(folder), repository.id), repository.rows):
            frontier.refetch(repository.id)
    _drop_spent(frontier, spools_of(folder))


def _drop_spent(frontier: Frontier, spools: Path) -> None:
    """Delete spools whose repository stands in a shard: a run was killed between the two."""
    with named_errors(spools):
        for path in sorted(spools.iterdir()) if spools.is_dir() else ():
            number = path.name.partition(".")[0]
            if not (number.isdecimal() and frontier.is_waiting(int(number))):
                path.unlink()
        if spools.is_dir() and not any(spools.iterdir()):
            spools.rmdir()
