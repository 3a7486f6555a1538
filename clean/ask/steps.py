"""The funnel of a recipe, as it was decided or as it would be."""

from __future__ import annotations

from clean.ask.funnel import FunnelStep, funnel, tally
from clean.decide import decided
from clean.inputs import Cleaning
from clean.write.stage import MANIFEST_STAGE
from corpus.errors import ManifestError
from corpus.layout import RunFolder
from corpus.manifest import read_manifest


def recipe_funnel(cleaning: Cleaning) -> list[FunnelStep]:
    """What each of the recipe's rules leaves; a recipe never decided is decided first, aside.

    Raises StaleInputError if something that the recipe needs was not measured.
    """
    with decided(cleaning) as decisions:
        steps = funnel(tally(cleaning.shards, decisions), cleaning.rules)
        own = decisions == cleaning.folder.sidecars
    return [*steps, *(_written_step(cleaning.folder, steps[-1]) if own else ())]


def _written_step(folder: RunFolder, last: FunnelStep) -> list[FunnelStep]:
    """What the corpus's manifest says of the text that was written, if it is of this funnel."""
    try:
        steps = read_manifest(folder.clean, MANIFEST_STAGE).facts["funnel"]
        written = FunnelStep(**steps[-1])
    except (ManifestError, KeyError, TypeError, IndexError):
        return []
    return [written] if written.files + written.dropped_files == last.files else []
