"""pass@k by the unbiased estimator of Chen et al. 2021 (arXiv:2107.03374, section 2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_RESAMPLES = 2_000
_TAIL = 0.025  # on each side of the 95% interval


@dataclass(frozen=True, slots=True)
class PassAtK:
    """A mean over problems with its interval, all between 0 and 1."""

    k: int
    value: float
    low: float
    high: float


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that one of k samples, drawn from n of which c pass, passes.

    1 - C(n-c, k) / C(n, k), as a product that neither overflows nor cancels.
    """
    if not 0 <= c <= n or not 1 <= k <= n:
        raise ValueError(f"pass@k needs 0 <= c <= n and 1 <= k <= n, not n={n}, c={c}, k={k}")
    if n - c < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))


def estimate(counts: Sequence[tuple[int, int]], k: int, *, seed: int) -> PassAtK | None:
    """The mean over problems, each (n, c), with a 95% bootstrap interval over problems.

    None if any problem has fewer than k samples: a mean over the others would be of another set.
    """
    if not counts or min(n for n, _ in counts) < k:
        return None
    values = np.array([pass_at_k(n, c, k) for n, c in counts])
    if values.min() == values.max() and values[0] in (0.0, 1.0):
        low, high = _all_alike(values[0], len(values))
    else:
        low, high = _bootstrap(values, np.random.default_rng([seed, k]))
    return PassAtK(k, float(values.mean()), low, high)


def why_not(counts: Sequence[tuple[int, int]], k: int) -> str:
    """Why pass@k is not reported."""
    n = min((n for n, _ in counts), default=0)
    return f"pass@{k} needs {k} samples of each problem; there are {n}"


def _bootstrap(values: np.ndarray, generator: np.random.Generator) -> tuple[float, float]:
    picks = generator.integers(len(values), size=(_RESAMPLES, len(values)))
    means = values[picks].mean(axis=1)
    low, high = np.quantile(means, [_TAIL, 1 - _TAIL])
    return float(low), float(high)


def _all_alike(value: float, problems: int) -> tuple[float, float]:
    """Clopper-Pearson's bounds: resampling equal values would claim to know 0% or 100% exactly."""
    bound = _TAIL ** (1 / problems)
    return (0.0, 1 - bound) if value == 0 else (bound, 1.0)
