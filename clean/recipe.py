"""What a recipe can tell the cleaning stage. The defaults are the `pycodegpt` preset.

Sources: PyCodeGPT (Zan et al., IJCAI 2022, arXiv:2206.06888, and its model page) for the rules;
where it is silent a rule is off. `"off"` (None) switches a rule off, 0 does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from clean.checks import at_least, at_most
from clean.rules.recipe import RulesRecipe
from clean.signals.contamination_recipe import ContaminationRecipe
from clean.signals.parameters import Parser, SignalParameters
from clean.signals.secrets_recipe import Group, SecretsRecipe

MAX_PERMUTATIONS = 4096
MAX_SHARD_BYTES = 1 << 30  # an Arrow string column ends at 2 GiB, and a text may grow
SURVIVOR_KEYS = ("license", "stars", "size", "pushed_at", "repo_id", "path")
_GRAMMAR = re.compile(r"running|3\.(?:[89]|[1-9][0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupRecipe:
    """Which documents say the same, and which of them stays."""

    exact: bool = True  # equal normalised content
    near: bool = False  # Jaccard similarity of token shingles; PyCodeGPT published none
    min_jaccard: float = 0.7  # The Stack, StarCoder, StarCoder2
    permutations: int = 256  # of a MinHash signature; 4 bytes each
    shingle_tokens: int = 5  # code tokens that make one shingle
    # Share of the pairs at exactly `min_jaccard` that banding must propose for verification; at 0.7
    # if that is lower, so that one index serves all thresholds from there up.
    min_recall: float = 0.95
    bands: int | None = None  # with `band_rows`: stated instead of derived from `min_recall`
    band_rows: int | None = None  # signature values that make one band
    # The best document stays: by license, stars, size, pushed_at, repo_id or path, each with asc or
    # desc. `license` is the category of what GitHub says: permissive, then none, then the others.
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
    # What gives way to placeholders: "secrets" of known formats, "emails", "ips".
    redact: tuple[Group, ...] = ()
    drop_unredacted: bool = True  # a file with something that can't be redacted is not written
    shard_bytes: int = 128 << 20  # raw bytes of the documents that go into one shard

    def __post_init__(self) -> None:
        at_least(self, "shard_bytes", 1)
        at_most(self, "shard_bytes", MAX_SHARD_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsRecipe:
    """What the stage may use. A file over a row's limits is dropped; else no result changes."""

    workers: int | None = None  # off: one a core, as far as the memory goes
    # Of all processes together; off: three quarters of what the machine has.
    max_memory_bytes: int | None = None
    row_cpu_s: float = 10.0  # one document's, before it is given up
    worker_bytes: int = 1536 << 20  # of memory, a worker process; a file that needs more is dropped

    def __post_init__(self) -> None:
        at_least(self, "workers", 1)
        # What is too little depends on the work.
        at_least(self, "max_memory_bytes", 1)
        at_least(self, "worker_bytes", 384 << 20)  # compiled kernels and Arrow take most of that
        if self.row_cpu_s <= 0:
            raise ValueError(f"row_cpu_s must be above 0, not {self.row_cpu_s}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanRecipe:
    """From raw shards to the cleaned corpus."""

    guess_encoding: bool = False  # of files that are neither UTF-8 nor declare a codec
    # Whose syntax is meant: "running", this Python's, or an older version from "3.8" on.
    grammar: str = "running"
    # Both give the same verdicts: ruff's is faster, and leaves what it can't vouch for to ast.
    parser: Parser = "ast"
    # Also whether `compile` accepts what `ast` does: no `return` at module level, no argument
    # twice. It costs as much again.
    measure_compiles: bool = False
    # Which stages a run measures: "all", so that any other recipe can be asked about later without
    # reading a file again; or "needed", what this recipe's rules and its dedup read and no more.
    measure: Literal["all", "needed"] = "all"
    # Also runs of words that occur again and again, for `max_top_2gram_rate` and its like. It costs
    # about two thirds of what the structure stage does.
    measure_repetition: bool = False
    # A tokenizer.json to count tokens with, relative to the working directory; off: no counting.
    tokenizer: Path | None = None
    rules: RulesRecipe = field(default_factory=RulesRecipe)
    contamination: ContaminationRecipe = field(default_factory=ContaminationRecipe)
    dedup: DedupRecipe = field(default_factory=DedupRecipe)
    secrets: SecretsRecipe = field(default_factory=SecretsRecipe)
    split: SplitRecipe = field(default_factory=SplitRecipe)
    write: WriteRecipe = field(default_factory=WriteRecipe)
    limits: LimitsRecipe = field(default_factory=LimitsRecipe)

    def __post_init__(self) -> None:
        if not _GRAMMAR.fullmatch(self.grammar):
            raise ValueError(f'grammar must be "running" or "3.8" and up, not {self.grammar!r}')
        if self.rules.min_chars_per_token is not None and self.tokenizer is None:
            raise ValueError("rules.min_chars_per_token needs clean.tokenizer, which is off")
        if self.rules.require_compiles and not self.measure_compiles:
            raise ValueError("rules.require_compiles needs clean.measure_compiles, which is off")
        if self.rules.reads_repetition and not self.measure_repetition:
            raise ValueError("rules on repeated words need clean.measure_repetition, which is off")
        if self.rules.max_secrets is not None and not self.secrets.count:
            raise ValueError("rules.max_secrets needs clean.secrets.count, which is off")
        named = self.contamination.problems is not None
        if self.rules.max_contamination_tokens is not None and not named:
            problem = "needs clean.contamination.problems, which is off"
            raise ValueError(f"rules.max_contamination_tokens {problem}")


def signal_parameters(recipe: CleanRecipe) -> SignalParameters:
    """What the signal stages are told, and by that, which of them the recipe asks for."""
    return SignalParameters(
        guess_encoding=recipe.guess_encoding,
        shingle_tokens=recipe.dedup.shingle_tokens,
        permutations=recipe.dedup.permutations,
        grammar=recipe.grammar,
        parser=recipe.parser,
        measure_compiles=recipe.measure_compiles,
        repetition=recipe.measure_repetition,
        tokenizer=recipe.tokenizer,
        secrets=recipe.secrets.count,
        contamination=recipe.contamination,
    )
