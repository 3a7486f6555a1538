"""Manifests: what went into a stage, with which parameters, what came out, and what was dropped.

One `manifest.json` stands in each folder that a stage finished. Its presence says "finished".
"""

from __future__ import annotations

import json
import os.path
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpus.errors import ManifestError
from corpus.files import file_digest, write_json
from corpus.recipe import as_plain

FILE_NAME = "manifest.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file that went in or came out; `path` is relative to the manifest's folder."""

    path: str
    digest: str  # SHA-256 of the bytes, or a shard's document digest
    rows: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A stage's account of itself."""

    stage: str
    parameters: dict[str, Any]
    inputs: tuple[FileEntry, ...] = ()
    outputs: tuple[FileEntry, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)  # outcomes by reason
    facts: dict[str, Any] = field(default_factory=dict)  # whatever else readers need
    seconds: float = 0.0
    python: str = field(default_factory=platform.python_version)
    format: int = FORMAT


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `folder/manifest.json`, complete or not at all."""
    write_json(folder / FILE_NAME, as_plain(manifest))


def read_manifest(folder: Path, stage: str | None = None) -> Manifest:
    """Read a folder's manifest. Raises ManifestError if missing, damaged, or of another stage."""
    path = folder / FILE_NAME
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        for key in ("inputs", "outputs"):
            fields[key] = tuple(FileEntry(**entry) for entry in fields[key])
        manifest = Manifest(**fields)
    except FileNotFoundError as error:
        made_by = f"the {stage} stage has not finished there" if stage else "nothing finished there"
        raise ManifestError(path, f"no manifest: {made_by}") from error
    except OSError as error:
        raise ManifestError(path, f"can't be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestError(path, f"damaged: {error}") from error
    if manifest.format != FORMAT:
        raise ManifestError(path, f"format {manifest.format}; this version reads {FORMAT}")
    if stage is not None and manifest.stage != stage:
        raise ManifestError(path, f"written by stage {manifest.stage!r}, not {stage!r}")
    return manifest


def file_entry(path: Path, relative_to: Path, *, rows: int | None = None) -> FileEntry:
    """An entry for a file on disk, with the SHA-256 of its bytes."""
    # Path.relative_to walks up only from Python 3.12 on.
    name = Path(os.path.relpath(path, relative_to)).as_posix()
    return FileEntry(path=name, digest=file_digest(path), rows=rows, bytes=path.stat().st_size)
