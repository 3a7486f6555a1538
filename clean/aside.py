"""Measurements for another recipe, beside the run's own.

A stage keeps one sidecar a shard. A recipe that wants one with other parameters (longer shingles,
another grammar) is measured aside, in a folder named after these parameters, so that both recipes
can be decided and compared; what the two have in common is linked and not measured twice. The
folder may be deleted at any time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from clean import superseded
from clean.decide import check_measured, signals_of
from clean.dedup import bands
from clean.dedup import index as near
from clean.inputs import Cleaning
from corpus.errors import SidecarError, StaleInputError
from corpus.files import named_errors
from corpus.recipe import digest
from corpus.shards import Shard
from corpus.sidecars import Stamp, is_current, read_stamp, sidecar_path

_DIGITS = 12  # of a digest: a folder's name


def placed(cleaning: Cleaning) -> Cleaning:
    """The same, looking where the recipe's measurements are: with the run's own, or aside."""
    try:
        check_measured(cleaning)
    except StaleInputError:
        folder = _folder(cleaning)
        return replace(cleaning, sidecars=folder) if folder.is_dir() else cleaning
    return cleaning


def measuring(cleaning: Cleaning) -> Cleaning:
    """The same, to measure without spoiling what the run has; what is there already is linked."""
    if not _conflicts(cleaning):
        return cleaning
    folder = _folder(cleaning)
    adopt(cleaning, cleaning.sidecars, folder)
    return replace(cleaning, sidecars=folder)


def adopt_all(cleaning: Cleaning) -> None:
    """Take over for the run what was measured aside with its parameters."""
    if cleaning.folder.aside.is_dir():
        for folder in sorted(cleaning.folder.aside.iterdir()):
            adopt(cleaning, folder, cleaning.sidecars)


def adopt(cleaning: Cleaning, source: Path, target: Path) -> None:
    """Link the sidecars of `source` that are current for the recipe and missing in `target`."""
    for stage in signals_of(cleaning):
        for shard in cleaning.shards:
            _link_sidecar(stage.name, stage.stamp(shard), shard, source, target)
    if source == cleaning.folder.sidecars:
        for shard in cleaning.shards:
            if (stamp := read_stamp(sidecar_path(source, superseded.STAGE, shard))) is not None:
                _link_sidecar(superseded.STAGE, stamp, shard, source, target)
    if cleaning.recipe.dedup.near and _has_fingerprints(cleaning, source):
        for shard in cleaning.shards:
            stamp = bands.band_stamp(shard, source, cleaning.recipe.dedup)
            _link_sidecar(bands.STAGE, stamp, shard, source, target)
        # Its shingles are good for any banding.
        if not (target / near.STAGE).exists():
            _link_tree(source / near.STAGE, target / near.STAGE)


def _has_fingerprints(cleaning: Cleaning, folder: Path) -> bool:
    (stage,) = (stage for stage in signals_of(cleaning) if stage.name == bands.FINGERPRINT)
    return all(
        is_current(sidecar_path(folder, stage.name, shard), stage.stamp(shard))
        for shard in cleaning.shards
    )


def _link_sidecar(stage: str, stamp: Stamp, shard: Shard, source: Path, target: Path) -> None:
    origin, place = (sidecar_path(folder, stage, shard) for folder in (source, target))
    if is_current(origin, stamp) and not is_current(place, stamp):
        link(origin, place)


def _link_tree(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")) if source.is_dir() else ():
        if path.is_file():
            link(path, target / path.relative_to(source))


def link(source: Path, target: Path) -> None:
    """A second name for a file that is never changed in place; a copy where there are none."""
    with named_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)


def _conflicts(cleaning: Cleaning) -> bool:
    """Whether measuring in place would replace something of the same shards and code."""
    return any(
        _replaces(sidecar_path(cleaning.sidecars, name, shard), stamp)
        for shard in cleaning.shards
        for name, stamp in _wanted(cleaning, shard)
    )


def _wanted(cleaning: Cleaning, shard: Shard) -> Iterable[tuple[str, Stamp]]:
    yield from ((stage.name, stage.stamp(shard)) for stage in signals_of(cleaning))
    if cleaning.recipe.dedup.near:
        try:
            yield bands.STAGE, bands.band_stamp(shard, cleaning.sidecars, cleaning.recipe.dedup)
        except SidecarError:
            return


def _replaces(path: Path, wanted: Stamp) -> bool:
    try:
        found = read_stamp(path)
    except SidecarError:
        return False
    return found is not None and replace(found, parameters=wanted.parameters) == wanted != found


def _folder(cleaning: Cleaning) -> Path:
    """Where this recipe's measurements go if they are not the run's."""
    recipe = cleaning.recipe.dedup
    wanted = [
        [s.name, s.version, dict(s.parameters), s.guess_encoding] for s in signals_of(cleaning)
    ]
    banding = [recipe.near, *(bands.banding(recipe) if recipe.near else ())]
    return cleaning.folder.aside / digest([wanted, banding])[:_DIGITS]
