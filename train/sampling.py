"""A few completions to look at while training. Scoring has its own, fast sampler in `eval`."""

from __future__ import annotations

import torch
from torch import Tensor

from train.device import compute_precision
from train.model import GPTNeo


@torch.no_grad()
def complete(
    model: GPTNeo, prompt: list[int], *, new_tokens: int, temperature: float, seed: int
) -> list[int]:
    """Continue a prompt of at least one token; the new tokens only. Temperature 0 is greedy."""
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    tokens = list(prompt)
    for _ in range(new_tokens):
        window = torch.tensor([tokens[-model.shape.context :]], device=device)  # (1, T)
        with compute_precision(device):
            logits = model(window)[0, -1]  # (V)
        tokens.append(_draw(logits.float().cpu(), temperature, generator))
    return tokens[len(prompt) :]


def _draw(logits: Tensor, temperature: float, generator: torch.Generator) -> int:
    if temperature == 0:
        return int(logits.argmax())
    odds = torch.softmax(logits / temperature, dim=-1)
    return int(torch.multinomial(odds, 1, generator=generator))
