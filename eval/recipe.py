"""What a recipe can tell this stage: which problems, how to sample, and what a program may cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Isolation = Literal["namespaces+seccomp", "landlock+seccomp", "seccomp"]  # from the strongest


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramLimits:
    """What one program may cost before it is ended."""

    # The slowest canonical solution needs 0.3 s. CPU time, so that a busy machine flips no verdict.
    cpu_s: float = 3.0
    wall_s: float = 60.0  # only for what sleeps: wide, because it does depend on the machine
    memory_bytes: int = 1 << 30
    disk_bytes: int = 16 << 20

    def __post_init__(self) -> None:
        for name in ("cpu_s", "wall_s", "disk_bytes"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: must be above 0, not {getattr(self, name)}")
        if self.memory_bytes < 128 << 20:
            raise ValueError(f"memory_bytes: a Python needs 134217728, not {self.memory_bytes}")
        if self.wall_s < self.cpu_s:
            raise ValueError(f"wall_s: must not be below cpu_s ({self.cpu_s}), not {self.wall_s}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalRecipe:
    """Defaults are PyCodeGPT's evaluation, except for the protocol (see eval/protocol.py)."""

    suite: Literal["humaneval"] = "humaneval"
    problems: Path | None = None  # a .jsonl or .jsonl.gz of HumanEval's shape, instead of the suite
    protocol: Literal["standard", "pycodegpt"] = "standard"
    samples: int = 100  # n, for each problem and temperature
    ks: tuple[int, ...] = (1, 10, 100)
    temperatures: tuple[float, ...] = (
        0.2,
    )  # with several, the best for each k counts; 0 is greedy
    top_p: float | None = 0.95
    top_k: int | None = None
    max_new_tokens: int = 100
    batch_size: int = 32
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["float32", "bfloat16"] = "float32"
    workers: int | None = None  # programs at once; "off": one for each core
    limits: ProgramLimits = field(default_factory=ProgramLimits)
    # The weakest confinement that programs may run under; what was used stands in the results.
    min_isolation: Isolation = "seccomp"

    def __post_init__(self) -> None:
        for name in ("samples", "max_new_tokens", "batch_size", "top_k", "workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: must be at least 1, not {value}")
        if not self.ks or min(self.ks) < 1:
            raise ValueError(f"ks: must be a list of numbers from 1 up, not {list(self.ks)}")
        if not self.temperatures or min(self.temperatures) < 0:
            raise ValueError(f"temperatures: must be numbers from 0 up, not {self.temperatures}")
        if len(set(self.temperatures)) < len(self.temperatures):
            raise ValueError(f"temperatures: each once, not {self.temperatures}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p: must be above 0 and at most 1, not {self.top_p}")
