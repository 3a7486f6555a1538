"""What the cards tell, gathered from the manifests of a run; nothing else is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import ManifestError
from corpus.layout import RunFolder
from corpus.manifest import FILE_NAME, Manifest, read_manifest
from data_cards.plots import CurvePoint, FunnelStep


@dataclass(frozen=True, slots=True)
class Source:
    """Where a harvest asked, for what, and what came of it."""

    api_url: str
    selection: Mapping[str, Any]
    repositories: Mapping[str, int]  # by outcome
    files: Mapping[str, int]  # by outcome

    @property
    def address(self) -> str:
        """Where the files came from, for people."""
        if self.api_url != "loopback":
            return self.api_url
        return "packages or mirrors on this machine, served as GitHub would (loopback)"


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The manifests of a run; training and evaluation may not have happened yet."""

    folder: RunFolder
    harvest: Manifest
    clean: Manifest
    train: Manifest | None
    eval: Manifest | None

    @property
    def funnel(self) -> list[FunnelStep]:
        """What each rule of cleaning left."""
        steps = _fact(self.clean, self.folder.clean, "funnel")
        return [FunnelStep(s["step"], s["limit"], s["files"], s["bytes"]) for s in steps]

    @property
    def source(self) -> Source:
        """Where the files came from; values of the selection that are off are left out."""
        selection = {
            name.replace("_", " "): value
            for name, value in self.harvest.parameters.items()
            if value is not None and name != "api_url"
        }
        return Source(
            api_url=str(self.harvest.parameters.get("api_url")),
            selection=selection,
            repositories=_under("repositories_", self.harvest.counts),
            files=_under("files_", self.harvest.counts),
        )

    @property
    def samples(self) -> list[Mapping[str, str]]:
        """What the model wrote at the end of training, with its prompts."""
        return list(self.train.facts.get("samples", [])) if self.train else []

    @property
    def splits(self) -> Mapping[str, Mapping[str, int]]:
        """Documents, bytes and repositories of each split."""
        splits: Mapping[str, Mapping[str, int]] = _fact(self.clean, self.folder.clean, "splits")
        return splits

    @property
    def licenses(self) -> Mapping[str, int]:
        """Documents by the repository's licence, the most frequent first."""
        licenses: Mapping[str, int] = _fact(self.clean, self.folder.clean, "licenses")
        return licenses

    @property
    def redactions(self) -> Mapping[str, int]:
        """Distinct values of a file that gave way to a placeholder, by kind, over all files."""
        redactions: Mapping[str, int] = self.clean.facts.get("redactions", {})
        return {kind.replace("_", " "): count for kind, count in redactions.items()}

    @property
    def curve(self) -> list[CurvePoint]:
        """The training curve; empty without training."""
        points = _fact(self.train, self.folder.model, "curve") if self.train else []
        return [CurvePoint(**point) for point in points]


def gather(folder: RunFolder) -> RunFacts:
    """Read the run's manifests. Raises ManifestError if harvest or clean has not finished."""
    return RunFacts(
        folder=folder,
        harvest=read_manifest(folder.raw, "harvest"),
        clean=read_manifest(folder.clean, "clean"),
        train=_if_finished(folder.model, "train"),
        eval=_if_finished(folder.eval, "eval"),
    )


def _if_finished(folder: Path, stage: str) -> Manifest | None:
    return read_manifest(folder, stage) if (folder / FILE_NAME).exists() else None


def _under(prefix: str, counts: Mapping[str, int]) -> dict[str, int]:
    """The counts whose name begins with `prefix`, without it."""
    return {
        name.removeprefix(prefix).replace("_", " "): count
        for name, count in counts.items()
        if name.startswith(prefix)
    }


def _fact(manifest: Manifest, folder: Path, name: str) -> Any:
    try:
        return manifest.facts[name]
    except KeyError as error:
        problem = f"holds no {name!r}; run the {manifest.stage} stage again with this version"
        raise ManifestError(folder / FILE_NAME, problem) from error
