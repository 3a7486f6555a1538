"""Held-out loss: nats a token, and bits per byte, which compare across tokenizers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from train.data import HeldOutBatch
from train.device import compute_precision
from train.model import IGNORED
from train.step import Nats


@dataclass(frozen=True, slots=True)
class HeldOutScore:
    """Loss over `tokens` scored tokens that stand for `bytes` bytes of text."""

    loss: float  # nats a token
    bits_per_byte: float
    tokens: int
    bytes: int
    windows: int


@torch.no_grad()
def score_windows(
    nats: Nats, batches: Iterable[HeldOutBatch], device: torch.device
) -> HeldOutScore:
    """Score batches of windows.

    Sums are kept in float64, so that the batch size shows in rounding only.
    """
    total, scored, size, windows = 0.0, 0, 0, 0
    for tokens, targets, text_bytes in batches:
        with compute_precision(device):
            total += float(nats(tokens.to(device), targets.to(device)))
        scored += int((targets != IGNORED).sum())
        size += int(text_bytes.sum())
        windows += len(tokens)
    return HeldOutScore(
        loss=total / scored if scored else math.nan,
        bits_per_byte=total / math.log(2) / size if size else math.nan,
        tokens=scored,
        bytes=size,
        windows=windows,
    )
