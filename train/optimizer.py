"""AdamW by PyCodeGPT's recipe, and the learning rate of each step.

Published: betas 0.9 and 0.95, eps 1e-8, weight decay 0.1, 5e-4 after 1,000 warm-up steps, cosine
(Zan et al., arXiv:2206.06888, section 4).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from train.recipe import OptimizerRecipe, ScheduleRecipe


def build_optimizer(model: nn.Module, recipe: OptimizerRecipe) -> torch.optim.AdamW:
    """AdamW over two groups: matrices (embeddings included) decay; biases and norms don't."""
    weights = list(model.parameters())
    groups = [
        {"params": [w for w in weights if w.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups,
        lr=recipe.learning_rate,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.eps,
        fused=True,
    )


def learning_rate(step: int, steps: int, highest: float, schedule: ScheduleRecipe) -> float:
    """The rate of step `step` (the first is 0) of `steps`.

    The first step already moves: it has 1/warmup_steps of the highest rate. The cosine ends, after
    the last step, at final_fraction of it.
    """
    if step < schedule.warmup_steps:
        return highest * (step + 1) / schedule.warmup_steps
    progress = (step - schedule.warmup_steps) / max(1, steps - schedule.warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return highest * (schedule.final_fraction + (1 - schedule.final_fraction) * cosine)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group the same rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def clip_gradients(weights: Iterable[Tensor], max_norm: float | None) -> Tensor:
    """Scale the gradients to a global norm of at most `max_norm`; their norm before that."""
    gradients = [w.grad for w in weights if w.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if max_norm is not None:
        nn.utils.clip_grads_with_norm_(list(weights), max_norm, norm)
    return norm
