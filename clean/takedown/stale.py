"""What was made from a corpus that is no more: token files, checkpoints, models, scores, cards.

Known from the manifests alone: something is stale if a file that it was made from has another
digest now, or is stale itself. Whatever it holds or has learned of a repository can't be taken
out of it; it can only be made again.
"""

from __future__ import annotations

import os.path
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from corpus.errors import ManifestError
from corpus.files import remove_leftovers_of
from corpus.layout import RunFolder
from corpus.manifest import FILE_NAME, Manifest, read_manifest, write_manifest

FACT = "made_before_takedowns"


def stale_folders(folder: RunFolder) -> list[Path]:
    """The folders of the run that were made from another corpus than the one in `clean`."""
    upstream = {folder.clean}
    stale: list[Path] = []
    for place in (folder.tokenizer, folder.tokens, folder.model, folder.eval):
        manifest = _manifest(place)
        if manifest is not None and _is_stale(place, manifest, stale, upstream):
            stale.append(place)
        upstream.add(place)
    # Checkpoints name no inputs: they go with the token files that they were trained on.
    if folder.checkpoints.is_dir() and stale:
        stale.append(folder.checkpoints)
    if _is_marked(folder.cards) or _is_older(folder.cards, folder.clean):
        stale.append(folder.cards)
    return stale


def _is_marked(place: Path) -> bool:
    manifest = _manifest(place)
    return manifest is not None and FACT in manifest.facts


def _is_older(place: Path, than: Path) -> bool:
    """By the time of writing: for a folder whose manifest names no inputs."""
    a, b = place / FILE_NAME, than / FILE_NAME
    return a.exists() and b.exists() and a.stat().st_mtime_ns < b.stat().st_mtime_ns


def _is_stale(place: Path, manifest: Manifest, stale: Sequence[Path], upstream: set[Path]) -> bool:
    for entry in manifest.inputs:
        source = Path(os.path.normpath(place / entry.path))
        of = next((known for known in upstream if source.is_relative_to(known)), None)
        if of is None:
            continue
        if of in stale:
            return True
        made = _manifest(of)
        digests = {of / out.path: out.digest for out in made.outputs} if made else {}
        if source != of and digests.get(source) != entry.digest:
            return True
    return False


def mark(stale: Sequence[Path], takedowns: Sequence[dict[str, Any]]) -> None:
    """Let the manifests of these folders name the repositories that they may hold or know.

    Made again, a folder gets a new manifest, which says so no more.
    """
    for place in stale:
        manifest = _manifest(place)
        if manifest is None:
            continue
        remove_leftovers_of(place / FILE_NAME)
        told = list(manifest.facts.get(FACT, ()))
        told += [takedown for takedown in takedowns if takedown not in told]
        if told != manifest.facts.get(FACT):
            write_manifest(place, replace(manifest, facts={**manifest.facts, FACT: told}))


def _manifest(place: Path) -> Manifest | None:
    try:
        return read_manifest(place) if (place / FILE_NAME).exists() else None
    except ManifestError:
        return None
