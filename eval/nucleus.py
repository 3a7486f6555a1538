"""Choose tokens by temperature, top-k and top-p with one uniform number a token.

The number comes from a counter-based generator keyed by (seed, task, sample), so that what a
sample becomes does not depend on its neighbours in a batch, and any one can be made again.
Nucleus sampling: Holtzman et al. 2020 (arXiv:1904.09751).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch

_WIDTHS = (128, 2048)  # how many likely tokens to look at before sorting the whole vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How to choose. None switches a rule off; a temperature of 0 takes the likeliest token."""

    temperature: float
    top_p: float | None
    top_k: int | None


def uniforms(seed: int, task_id: str, sample: int, count: int) -> np.ndarray:
    """The numbers in [0, 1) that decide a sample's tokens, the same on every machine."""
    key = hashlib.sha256(f"{seed}\0{task_id}\0{sample}".encode()).digest()[:16]
    bits = np.random.Philox(key=np.frombuffer(key, dtype="<u8"))
    return np.random.Generator(bits).random(count)


class Chooser:
    """Chooses next tokens, and remembers how many likely ones it had to look at to do so."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._widths = list(_WIDTHS)

    def choose(self, logits: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
        """Next tokens, (B,) int64, from logits (B, V) and uniform numbers (B,)."""
        sampling = self._sampling
        if sampling.temperature == 0:
            return logits.argmax(-1)
        probabilities = torch.softmax(logits.float() / sampling.temperature, -1)
        if sampling.top_k is None and sampling.top_p in (None, 1.0):
            cumulative = probabilities.cumsum(-1)
            return _pick(cumulative, cumulative[:, -1], uniform)
        ranked, tokens = self._ranked(probabilities)
        cumulative = ranked.cumsum(-1)
        kept = self._kept(ranked, cumulative)
        mass = (ranked * kept).sum(-1)
        places = _pick(cumulative, mass, uniform).minimum(kept.sum(-1) - 1)
        return tokens.gather(-1, places[:, None]).squeeze(-1)

    def _ranked(self, probabilities: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Enough of the likeliest tokens, in falling order: (B, W) probabilities and token ids."""
        vocabulary = probabilities.shape[-1]
        if self._sampling.top_k is not None:
            return probabilities.topk(min(self._sampling.top_k, vocabulary))
        assert self._sampling.top_p is not None
        while self._widths and (width := self._widths[0]) < vocabulary:
            ranked, tokens = probabilities.topk(width)
            if bool((ranked.sum(-1) >= self._sampling.top_p).all()):
                return ranked, tokens
            self._widths.pop(0)  # a flat model stays flat
        return probabilities.sort(descending=True)

    def _kept(self, ranked: torch.Tensor, cumulative: torch.Tensor) -> torch.Tensor:
        """Which of the ranked tokens may be chosen, (B, W); always a beginning of each row."""
        top_p = self._sampling.top_p
        if top_p is None:
            return torch.ones_like(ranked, dtype=torch.bool)
        # Top-p is of what top-k left. The token that crosses the line belongs to the nucleus.
        whole = cumulative[:, -1:] if self._sampling.top_k is not None else 1.0
        return cumulative - ranked < top_p * whole


def _pick(cumulative: torch.Tensor, mass: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """Where u x mass falls in the cumulative sums (B, W)."""
    target = (uniform.to(mass.dtype) * mass)[:, None]
    places = torch.searchsorted(cumulative, target, right=True).squeeze(-1)
    return places.clamp(max=cumulative.shape[-1] - 1)
