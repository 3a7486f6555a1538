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
class ModelRecipe:
    """GPT-Neo's sizes. The defaults are PyCodeGPT-110M's; the vocabulary is the tokenizer's."""

    layers: int = 12
    width: int = 768
    heads: int = 12
    context: int = 1024  # tokens a window
    window: int = 256  # tokens that a local layer sees, itself included
    embedding_std: float = 0.02  # of the token embedding's first values; small models want more

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "context", "window"):
            _at_least(self, name, 1)
        _at_least(self, "embedding_std", 0)
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads: {self.width} / {self.heads}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerRecipe:
    """AdamW; PyCodeGPT's values. Only matrices decay, embeddings included."""

    learning_rate: float = 5e-4  # at its highest
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    weight_decay: float = 0.1
    max_grad_norm: float | None = 1.0  # off: gradients are not clipped

    def __post_init__(self) -> None:
        for name in ("learning_rate", "eps", "weight_decay"):
            _at_least(self, name, 0)
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), not {getattr(self, name)}")
        if self.max_grad_norm is not None and not self.max_grad_norm > 0:
            raise ValueError(f'max_grad_norm must be above 0 or "off", not {self.max_grad_norm}')


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRecipe:
    """Linear warm-up, then a cosine down to a fraction of the highest learning rate."""

    warmup_steps: int = 1_000
    final_fraction: float = 0.0

    def __post_init__(self) -> None:
        _at_least(self, "warmup_steps", 0)
        if not 0 <= self.final_fraction <= 1:
            raise ValueError(f"final_fraction must be in [0, 1], not {self.final_fraction}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopRecipe:
    """How long to train, on what, and how often to look up. Windows are of model.context tokens."""

    steps: int = 200_000
    batch_windows: int = 480  # an optimizer step's windows: 491,520 tokens at context 1,024
    micro_batch_windows: int = 32  # held in memory at once; changes nothing but rounding
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compile: bool = True  # with torch.compile, on a GPU only
    eval_every_steps: int | None = 1_000
    eval_windows: int = 256  # of the validation split, always the same ones
    final_eval_windows: int | None = 10_000  # of each held-out split, when exporting; off: all
    save_every_steps: int | None = 1_000  # off: at the end, and when interrupted
    keep_checkpoints: int = 3
    tensorboard: bool = False
    sample_prompts: tuple[str, ...] = ()  # completed at every evaluation, into metrics.jsonl
    sample_tokens: int = 48
    sample_temperature: float = 0.8

    def __post_init__(self) -> None:
        for name in ("steps", "batch_windows", "micro_batch_windows", "eval_windows"):
            _at_least(self, name, 1)
        for name in ("keep_checkpoints", "sample_tokens"):
            _at_least(self, name, 1)
        for name in ("eval_every_steps", "final_eval_windows", "save_every_steps"):
            if getattr(self, name) is not None:
                _at_least(self, name, 1)
        _at_least(self, "sample_temperature", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRecipe:
    """See the fields; every default is complete, and PyCodeGPT-110M's where it published one."""

    tokenizer: TokenizerRecipe = field(default_factory=TokenizerRecipe)
    pack: PackRecipe = field(default_factory=PackRecipe)
    model: ModelRecipe = field(default_factory=ModelRecipe)
    optimizer: OptimizerRecipe = field(default_factory=OptimizerRecipe)
    schedule: ScheduleRecipe = field(default_factory=ScheduleRecipe)
    loop: LoopRecipe = field(default_factory=LoopRecipe)


def _at_least(recipe: object, name: str, least: int) -> None:
    value = getattr(recipe, name)
    # Written this way round so that nan is refused as well.
    if not value >= least:
        raise ValueError(f"{name} must be at least {least}, not {value}")
