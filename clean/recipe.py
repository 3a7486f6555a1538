"""What a recipe can tell the cleaning stage. The defaults are the `pycodegpt` preset.

Sources: PyCodeGPT (Zan et al., IJCAI 2022, arXiv:2206.06888, and its model page) for the rules;
where it is silent a rule is off. `"off"` (None) switches a rule off, 0 does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from clean.checks import at_least, at_most
from clean.rules.recipe import RulesRecipe

MAX_PERMUTATIONS = 4096
MAX_SHARD_BYTES = 1 << 30  # an Arrow string column ends at 2 GiB, and a text may grow
SURVIVOR_KEYS = ("stars", "size", "pushed_at", "repo_id", "path")


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupRecipe:
    """Which documents say the same, and which of them stays."""

    exact: bool = True  # equal normalised content
    near: bool = False  # Jaccard similarity of token shingles; PyCodeGPT published none
    min_jaccard: float = 0.7  # The Stack, StarCoder, StarCoder2
    permutations: int = 256  # of a MinHash signature; 4 bytes each
    shingle_tokens: int = 5  # code tokens that make one shingle
    # Share of the pairs at exactly `min_jaccard` that banding must propose for verification.
    min_recall: float = 0.95
    bands: int | None = None  # with `band_rows`: stated instead of derived from `min_recall`
    band_rows: int | None = None  # signature values that make one band
    # The best document stays: by stars, size, pushed_at, repo_id or path, each with asc or desc.
    # Ties end at repo_id, path, commit, content, shard and row.
    survivor_order: tuple[str, ...] = ("stars desc",)

    def __post_init__(self) -> None:
        for name, least in (("permutations", 2), ("shingle_tokens", 1), ("bands", 1)):
            at_least(self, name, least)
        at_least(self, "band_rows", 1)
        at_most(self, "permutations", MAX_PERMUTATIONS)
        for name in ("min_jaccard", "min_recall"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be above 0 and at most 1, not {getattr(self, name)}")
        if self.min_recall == 1:
            raise ValueError("min_recall must be below 1: no banding promises every pair")
        self._check_bands()
        for key in self.survivor_order:
            self._check_survivor_key(key)

    def _check_bands(self) -> None:
        if (self.bands is None) != (self.band_rows is None):
            raise ValueError("bands and band_rows must be stated together, or both be off")
        if self.bands and self.band_rows and self.bands * self.band_rows > self.permutations:
            raise ValueError(
                f"bands x band_rows must be at most permutations ({self.permutations}), "
                f"not {self.bands * self.band_rows}"
            )

    def _check_survivor_key(self, key: str) -> None:
        name, _, direction = key.partition(" ")
        if name not in SURVIVOR_KEYS or direction not in ("", "asc", "desc"):
            raise ValueError(
                f"survivor_order must hold one of {', '.join(SURVIVOR_KEYS)} with asc or desc "
                f"after it, not {key!r}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRecipe:
    """Shares of the repositories, so that no repository is on two sides."""

    validation_share: float = 0.01  # what training watches; 0: no such split
    test_share: float = 0.01  # what nobody looks at before the end

    def __post_init__(self) -> None:
        for name in ("validation_share", "test_share"):
            at_least(self, name, 0)
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share and test_share must leave a share for training")


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRecipe:
    """How the cleaned shards are made."""

    strip_license_header: bool = True  # comments on top that speak of a licence or copyright
    strip_junk_comments: bool = True  # comments with an alphanumeric rate below 0.5
    shard_bytes: int = 128 << 20  # raw bytes of the documents that go into one shard

    def __post_init__(self) -> None:
        at_least(self, "shard_bytes", 1)
        at_most(self, "shard_bytes", MAX_SHARD_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsRecipe:
    """What the stage may use. A file over a row's limits is dropped; else no result changes."""

    workers: int | None = None  # off: one a core
    max_memory_bytes: int = 2 << 30  # of the global steps, which spill to disk beyond it
    row_cpu_s: float = 10.0  # one document's, before it is given up
    worker_bytes: int = 3 << 30  # of memory, a worker process

    def __post_init__(self) -> None:
        at_least(self, "workers", 1)
        at_least(self, "max_memory_bytes", 128 << 20)
        at_least(self, "worker_bytes", 256 << 20)
        if self.row_cpu_s <= 0:
            raise ValueError(f"row_cpu_s must be above 0, not {self.row_cpu_s}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanRecipe:
    """From raw shards to the cleaned corpus."""

    guess_encoding: bool = False  # of files that are neither UTF-8 nor declare a codec
    rules: RulesRecipe = field(default_factory=RulesRecipe)
    dedup: DedupRecipe = field(default_factory=DedupRecipe)
    split: SplitRecipe = field(default_factory=SplitRecipe)
    write: WriteRecipe = field(default_factory=WriteRecipe)
    limits: LimitsRecipe = field(default_factory=LimitsRecipe)
