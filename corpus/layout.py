"""Where a run keeps what: the only place that knows a folder's name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folders of one run, below `root`; none is made before a stage writes to it."""

    root: Path

    @property
    def raw(self) -> Path:
        """Raw shards and their manifest (harvest writes, clean reads)."""
        return self.root / "raw"

    @property
    def frontier(self) -> Path:
        """The harvest's SQLite database."""
        return self.root / "frontier.sqlite"

    @property
    def sidecars(self) -> Path:
        """One folder a stage, one row-aligned file a raw shard."""
        return self.root / "sidecars"

    @property
    def aside(self) -> Path:
        """The same of other recipes, a folder each; may be deleted."""
        return self.root / "sidecars.aside"

    @property
    def takedowns(self) -> Path:
        """The list of repositories that were taken down; every stage leaves them out."""
        return self.root / "takedowns.txt"

    @property
    def scratch(self) -> Path:
        """What a cleaning command makes for itself; removed when it ends, or by the next."""
        return self.root / "clean.scratch"

    @property
    def clean(self) -> Path:
        """The cleaned corpus: one folder of shards a split, and the manifest."""
        return self.root / "clean"

    @property
    def tokenizer(self) -> Path:
        """The trained tokenizer, in transformers' format."""
        return self.root / "tokenizer"

    @property
    def tokens(self) -> Path:
        """Token files and their manifest, one a split."""
        return self.root / "tokens"

    @property
    def checkpoints(self) -> Path:
        """Training state, one folder a saved step."""
        return self.root / "checkpoints"

    @property
    def model(self) -> Path:
        """The exported model, tokenizer included, as transformers loads it."""
        return self.root / "model"

    @property
    def eval(self) -> Path:
        """Samples, results and the leaderboard."""
        return self.root / "eval"

    @property
    def cards(self) -> Path:
        """Dataset card, model card and report."""
        return self.root / "cards"
