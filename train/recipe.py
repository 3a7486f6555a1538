"""What a recipe can tell this stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

# 256 byte symbols, the two special tokens, and at least some merges.
MIN_VOCAB_SIZE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerRecipe:
    """A byte-level BPE tokenizer. PyCodeGPT's vocabulary is 32K, trained on its corpus."""

    vocab_size: int = 32_000  # special tokens included
    split: Literal["line", "indent"] = "line"  # which runs a token may join; see train.tokenizer
    min_count: int = 2  # a pair seen less often in the sample is not merged
    max_sample_bytes: int = 256_000_000  # of training text, drawn by the recipe's seed

    def __post_init__(self) -> None:
        if self.vocab_size < MIN_VOCAB_SIZE:
            raise ValueError(f"vocab_size must be at least {MIN_VOCAB_SIZE}, not {self.vocab_size}")
        if self.min_count < 1:
            raise ValueError(f"min_count must be at least 1, not {self.min_count}")
        if self.max_sample_bytes < 1:
            raise ValueError(f"max_sample_bytes must be at least 1, not {self.max_sample_bytes}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRecipe:
    """How documents become token files. No value here changes a byte of them."""

    batch_bytes: int = 4_000_000  # of text encoded at once, on all cores; bounds the memory

    def __post_init__(self) -> None:
        if self.batch_bytes < 1:
            raise ValueError(f"batch_bytes must be at least 1, not {self.batch_bytes}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRecipe:
    """See the fields; every default is complete."""

    tokenizer: TokenizerRecipe = field(default_factory=TokenizerRecipe)
    pack: PackRecipe = field(default_factory=PackRecipe)
