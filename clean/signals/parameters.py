"""What the signal stages can be told. Their values stand in the stamps of the sidecars."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from clean.signals.contamination_recipe import ContaminationRecipe

MAX_PERMUTATIONS = 4096
Parser = Literal["ast", "ruff"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalParameters:
    """No threshold stands here: thresholds belong to the verdicts, which read no content."""

    guess_encoding: bool = False  # of files that are neither UTF-8 nor declare a codec
    shingle_tokens: int = 5  # The Stack and StarCoder2 take 5-grams
    permutations: int = 256
    grammar: str = "running"  # or a version, such as "3.8"
    parser: Parser = "ast"
    measure_compiles: bool = False  # costs about as much as parsing
    repetition: bool = False  # whether repeated runs of words are measured
    tokenizer: Path | None = None  # a tokenizer.json; None: no tokens are counted
    secrets: bool = False  # whether they are counted
    contamination: ContaminationRecipe = field(default_factory=ContaminationRecipe)

    def __post_init__(self) -> None:
        """Refuse what can't be measured."""
        if self.shingle_tokens < 1:
            raise ValueError(f"shingle_tokens must be at least 1, not {self.shingle_tokens}")
        if not 1 <= self.permutations <= MAX_PERMUTATIONS:
            problem = f"between 1 and {MAX_PERMUTATIONS}, not {self.permutations}"
            raise ValueError(f"permutations must be {problem}")
