"""Token files as training reads them: memory-mapped, checked, and cut into windows.

A window is `context` + 1 tokens, of which the first `context` are read and the last `context` are
to be predicted; windows lie `context` apart, so every token but a file's first is predicted once.
Which windows a step reads is a pure function of (seed, step): nothing has to be stored to go on
exactly where a run stopped, and how a step is split over ranks and micro-batches changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from corpus.errors import ManifestError, TokensError
from corpus.manifest import read_manifest
from train.model import IGNORED
from train.pack import STAGE, TOKEN_BYTES_FILE, bin_path, offsets_path

_ROUNDS = 6


@dataclass(frozen=True, slots=True)
class TokenFile:
    """One split's tokens. Document i is `ids[offsets[i] : offsets[i + 1]]`."""

    path: Path
    ids: np.ndarray  # (tokens,) memory-mapped, unsigned
    offsets: np.ndarray  # (documents + 1,) int64
    token_bytes: np.ndarray  # (vocabulary,) UTF-8 bytes that each id stands for; special ids 0
    tokenizer_digest: str

    @property
    def tokens(self) -> int:
        """How many tokens the file holds."""
        return len(self.ids)

    @property
    def documents(self) -> int:
        """How many documents the file holds."""
        return len(self.offsets) - 1

    def read(self, start: int, length: int) -> np.ndarray:
        """Ids [start, start + length) as int64. Raises TokensError for one outside the vocabulary.

        Checked here, since an embedding looked up out of range fails without naming a file.
        """
        ids = self.ids[start : start + length].astype(np.int64)
        if len(ids) and ids.max() >= len(self.token_bytes):
            problem = f"damaged: id {ids.max()} near token {start} is outside the vocabulary"
            raise TokensError(self.path, f"{problem} of {len(self.token_bytes)}; pack again")
        return ids


def open_tokens(folder: Path, split: str, tokenizer_digest: str | None = None) -> TokenFile:
    """Open a split that `pack_corpus` wrote, without reading its tokens.

    Raises TokensError naming the file if it is missing, truncated or damaged, or was made with a
    tokenizer of another digest.
    """
    path = bin_path(folder, split)
    try:
        manifest = read_manifest(folder, STAGE)
        made_with, facts = manifest.facts["tokenizer"], manifest.facts["splits"][split]
        count, dtype = int(facts["tokens"]), np.dtype(manifest.facts["dtype"])
    except ManifestError as error:
        raise TokensError(error.path, error.problem) from error
    except (KeyError, TypeError, ValueError) as error:
        raise TokensError(path, "the folder's manifest doesn't speak of it; pack again") from error
    if tokenizer_digest not in (None, made_with):
        problem = f"made with tokenizer {made_with[:12]}, not with {str(tokenizer_digest)[:12]}"
        raise TokensError(path, f"{problem}; pack again")
    ids = _map_ids(path, count, dtype)
    offsets = _load(offsets_path(folder, split), np.dtype(np.int64))
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != count or (np.diff(offsets) < 1).any():
        raise TokensError(
            offsets_path(folder, split), f"damaged, or not of {path.name}; pack again"
        )
    token_bytes = _load(folder / TOKEN_BYTES_FILE, np.dtype(np.int32))
    return TokenFile(path, ids, offsets, token_bytes, made_with)


def _map_ids(path: Path, count: int, dtype: np.dtype) -> np.ndarray:
    try:
        size = path.stat().st_size
        if size != count * dtype.itemsize:
            problem = f"truncated or damaged: {size} bytes where {count} tokens need"
            raise TokensError(path, f"{problem} {count * dtype.itemsize}; pack again")
        # An empty file can't be mapped.
        return np.memmap(path, dtype=dtype, mode="r") if count else np.empty(0, dtype)
    except OSError as error:
        raise TokensError(path, f"{error.strerror or error}; pack again") from error


def _load(path: Path, dtype: np.dtype) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise TokensError(path, f"{error.strerror or error}; pack again") from error
    except (ValueError, EOFError) as error:
        raise TokensError(path, f"truncated or damaged ({error}); pack again") from error
    if array.ndim != 1 or array.dtype != dtype:
        raise TokensError(path, f"holds {array.dtype} {array.shape}, not a row of {dtype}")
    return array


class TrainingWindows:
    """A split's windows, every one once an epoch, in an order of its own each epoch.

    Step s reads places [s * batch_windows, (s + 1) * batch_windows) of the endless sequence of
    epochs, so that a step may end one epoch and begin the next. What is left over at the end of
    the file, fewer than `context` tokens, is not read. Raises TokensError if the file holds fewer
    windows than one step reads.
    """

    def __init__(self, tokens: TokenFile, *, context: int, batch_windows: int, seed: int) -> None:
        self.tokens, self.context, self.batch_windows = tokens, context, batch_windows
        self.count = max(0, tokens.tokens - 1) // context
        self._seed = seed
        if self.count < batch_windows:
            have = f"its {tokens.tokens} tokens make {self.count} windows of {context}+1"
            raise TokensError(
                tokens.path,
                f"too few tokens: {have}, and one step reads {batch_windows};"
                " use more text, or lower context or batch_windows",
            )

    def epoch(self, step: int) -> int:
        """The epoch, from 0, in which a step begins."""
        return step * self.batch_windows // self.count

    def windows(self, step: int) -> np.ndarray:
        """The numbers (batch_windows,) of the windows that a step reads, on all ranks together."""
        places = np.arange(step * self.batch_windows, (step + 1) * self.batch_windows)
        epochs, places = np.divmod(places, self.count)
        # A step can touch two epochs at most: it reads no more windows than there are.
        halves = [
            shuffled(places[epochs == epoch], self.count, f"{self._seed}:{epoch}")
            for epoch in np.unique(epochs)
        ]
        return np.concatenate(halves)

    def batch(self, step: int, *, rank: int = 0, world: int = 1) -> tuple[Tensor, Tensor]:
        """A rank's share of a step: tokens and targets, each (B, T) int64."""
        return self._read(self._share(step, rank, world))

    def micro_batches(
        self, step: int, *, micro_batch_windows: int, rank: int = 0, world: int = 1
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The same rows as `batch` in the same order, at most `micro_batch_windows` at a time."""
        share = self._share(step, rank, world)
        for start in range(0, len(share), micro_batch_windows):
            yield self._read(share[start : start + micro_batch_windows])

    def _share(self, step: int, rank: int, world: int) -> np.ndarray:
        first, last = (self.batch_windows * r // world for r in (rank, rank + 1))
        return self.windows(step)[first:last]

    def _read(self, windows: np.ndarray) -> tuple[Tensor, Tensor]:
        length = self.context + 1
        rows = [self.tokens.read(int(w) * self.context, length) for w in windows]
        table = torch.from_numpy(np.stack(rows) if rows else np.empty((0, length), np.int64))
        return table[:, :-1].contiguous(), table[:, 1:].contiguous()


class HeldOutBatch(NamedTuple):
    """Windows to score. Bits per byte are the summed nats / ln 2 / the summed `text_bytes`."""

    tokens: Tensor  # (B, T) int64
    targets: Tensor  # (B, T) int64; IGNORED past the end of the file
    text_bytes: Tensor  # (B,) int64: UTF-8 bytes that the window's scored targets stand for


class HeldOutWindows:
    """A held-out split's windows in the order of the file, or `max_windows` evenly spread ones.

    The last window is filled up with targets that are not scored, so that all windows together
    score every token but the first exactly once. Raises TokensError if there is none to score.
    """

    def __init__(self, tokens: TokenFile, *, context: int, max_windows: int | None = None) -> None:
        self.tokens, self.context = tokens, context
        count = -(-max(0, tokens.tokens - 1) // context)
        if not count:
            problem = f"{tokens.tokens} tokens: nothing to score"
            raise TokensError(tokens.path, f"{problem}; give this split a larger share of the text")
        wanted = count if max_windows is None else min(count, max_windows)
        self.numbers = np.arange(wanted) * count // wanted

    def batches(self, size: int) -> Iterator[HeldOutBatch]:
        """The windows, at most `size` at a time, always in the same order."""
        for start in range(0, len(self.numbers), size):
            yield self._read(self.numbers[start : start + size])

    def _read(self, numbers: np.ndarray) -> HeldOutBatch:
        tokens = np.zeros((len(numbers), self.context), np.int64)
        targets = np.full((len(numbers), self.context), IGNORED, np.int64)
        text_bytes = np.zeros(len(numbers), np.int64)
        for row, number in enumerate(numbers):
            ids = self.tokens.read(int(number) * self.context, self.context + 1)
            tokens[row, : len(ids) - 1], targets[row, : len(ids) - 1] = ids[:-1], ids[1:]
            text_bytes[row] = self.tokens.token_bytes[ids[1:]].sum(dtype=np.int64)
        return HeldOutBatch(*map(torch.from_numpy, (tokens, targets, text_bytes)))


def shuffled(places: np.ndarray, count: int, key: str) -> np.ndarray:
    """Where a permutation of range(count) chosen by `key` takes each of `places`.

    A Feistel network over the next power of four, walked until it lands inside the range (Black
    and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). No table of `count` entries is
    made, and the result depends on no library's random stream.
    """
    half = np.uint64(max(1, ((count - 1).bit_length() + 1) // 2))
    keys = np.frombuffer(hashlib.blake2b(key.encode(), digest_size=8 * _ROUNDS).digest(), "<u8")
    images = _feistel(places.astype(np.uint64), half, keys)
    while (outside := images >= count).any():
        images[outside] = _feistel(images[outside], half, keys)
    return images.astype(np.int64)


def _feistel(values: np.ndarray, half: np.uint64, keys: np.ndarray) -> np.ndarray:
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = values >> half, values & mask
    for key in keys:
        left, right = right, left ^ (_mix(right ^ key) & mask)
    return (left << half) | right


def _mix(values: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64: every bit of a value reaches every bit of the result."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
