"""Decode a batch of rows with a key-value cache: each distinct prompt is computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from eval.model import Model
from eval.nucleus import Chooser, Sampling

_STOP_INTERVAL = 8  # steps between looks for a stop string: text has to be decoded for it

Finished = Callable[[Sequence[int]], bool]


@dataclass(frozen=True, slots=True)
class Row:
    """One sample to make: its prompt's tokens and the numbers that decide it."""

    prompt: tuple[int, ...]
    uniforms: np.ndarray  # one for each new token


@torch.inference_mode()
def decode(
    model: Model, rows: Sequence[Row], sampling: Sampling, max_new: int, finished: Finished
) -> list[list[int]]:
    """New tokens of each row, without EOS; `finished` looks for a stop in them.

    A row may run a few tokens past its stop: what counts is cut from its text.
    """
    batch = _Batch(model, rows)
    chooser = Chooser(sampling)
    numbers = torch.from_numpy(np.stack([row.uniforms for row in rows])).to(model.device)  # (B, T)
    made: list[list[int]] = [[] for _ in rows]
    alive = list(range(len(rows)))  # in the order of the batch's rows
    eos = model.tokenizer.eos_token_id
    for step in range(max_new):
        tokens = chooser.choose(batch.logits, numbers[alive, step])
        keep = []
        for place, (row, token) in enumerate(zip(alive, tokens.tolist(), strict=True)):
            if token == eos:
                continue
            made[row].append(token)
            if (step + 1) % _STOP_INTERVAL or not finished(made[row]):
                keep.append(place)
        if not keep or step + 1 == max_new:
            break
        alive = [alive[place] for place in keep]
        batch.advance(tokens, keep)
    return made


class _Batch:
    """The rows that are still being decoded, their cache, and the logits of their next token."""

    def __init__(self, model: Model, rows: Sequence[Row]) -> None:
        self._model = model
        self._mask: torch.Tensor | None  # (B, T), None where nothing is padded
        self._lengths: torch.Tensor  # (B,) tokens so far, padding apart
        distinct = list(dict.fromkeys(row.prompt for row in rows))
        places = torch.tensor([distinct.index(row.prompt) for row in rows], device=model.device)
        self._prefill(distinct)
        self._select(places)

    def advance(self, tokens: torch.Tensor, keep: list[int]) -> None:
        """Feed the chosen tokens (B,) of the rows `keep`, and compute their next logits."""
        if len(keep) < tokens.shape[0]:
            places = torch.tensor(keep, device=self._model.device)
            tokens = tokens[places]
            self._select(places)
        if self._mask is not None:
            self._mask = torch.cat([self._mask, self._mask.new_ones(len(keep), 1)], dim=1)
        self._forward(tokens[:, None], self._lengths[:, None])
        self._lengths = self._lengths + 1

    def _prefill(self, prompts: list[tuple[int, ...]]) -> None:
        from transformers import DynamicCache

        device = self._model.device
        lengths = [len(prompt) for prompt in prompts]
        width = max(lengths)
        ids = torch.zeros(len(prompts), width, dtype=torch.long)
        mask = torch.zeros(len(prompts), width, dtype=torch.long)
        for row, prompt in enumerate(prompts):  # padded on the left
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        self._cache: Any = DynamicCache(config=self._model.network.config)
        self._mask = mask.to(device) if min(lengths) < width else None
        self._lengths = torch.tensor(lengths, device=device)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        self._forward(ids.to(device), positions.to(device))

    def _forward(self, ids: torch.Tensor, positions: torch.Tensor) -> None:
        """Compute ids (B, T) at `positions`; keep the logits (B, V) after the last of them."""
        options = {"position_ids": positions, "logits_to_keep": 1}
        output = self._model.network(
            input_ids=ids,
            attention_mask=self._mask,
            past_key_values=self._cache,
            use_cache=True,
            **{name: options[name] for name in self._model.forward_options},
        )
        self._cache = output.past_key_values
        self.logits = output.logits[:, -1]

    def _select(self, places: torch.Tensor) -> None:
        """Keep or repeat rows of the batch."""
        self._cache.batch_select_indices(places)
        self.logits = self.logits[places]
        self._lengths = self._lengths[places]
        if self._mask is not None:
            self._mask = self._mask[places]
