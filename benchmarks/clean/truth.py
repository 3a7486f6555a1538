"""Which documents are truly near: an exact join on sets of shingles, by their definition.

Nothing of `clean` is used: shingles are joined tokens in Python sets, and the join compares every
pair that can reach the threshold. Two sets of similarity s share an element among the rarest
|x| - ceil(s|x|) + 1 of each (prefix filter; Chaudhuri, Ganti and Kaushik, 2006).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import pyarrow.parquet as pq

from benchmarks.clean.texts import MIN_JACCARD, SHINGLE_TOKENS, TOKEN
from corpus.files import atomic_path

_TOKEN = re.compile(TOKEN)


@dataclass(frozen=True, slots=True)
class Truth:
    """Every pair of documents at or above the threshold, as row numbers, first < second."""

    sizes: np.ndarray  # shingles a document, (documents,)
    first: np.ndarray
    second: np.ndarray
    jaccard: np.ndarray


def shingles(text: str) -> set[int]:
    """The hashes of the joined shingles of a text without comments."""
    tokens = _TOKEN.findall(text)
    if not tokens:
        return set()
    last = max(1, len(tokens) - SHINGLE_TOKENS + 1)
    return {hash(" ".join(tokens[i : i + SHINGLE_TOKENS])) for i in range(last)}


def read_texts(folder: Path) -> Iterator[str]:
    """What `write_texts` wrote, in row order."""
    for path in sorted(folder.glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(1024, columns=["text"]):
            yield from batch.column(0).to_pylist()


def truth_of(texts: Path, cache: Path, min_jaccard: float = MIN_JACCARD) -> Truth:
    """The truth about the documents of `texts`, computed once and kept in `cache`."""
    if not cache.exists():
        found = join(list(map(_array, read_texts(texts))), min_jaccard)
        with atomic_path(cache) as aside, aside.open("wb") as file:
            np.savez(
                file, sizes=found.sizes, first=found.first, second=found.second,
                jaccard=found.jaccard,
            )  # fmt: skip
    with np.load(cache) as kept:
        return Truth(kept["sizes"], kept["first"], kept["second"], kept["jaccard"])


def _array(text: str) -> np.ndarray:
    return np.fromiter(shingles(text), np.int64)


def join(sets: Iterable[np.ndarray], min_jaccard: float) -> Truth:
    """All pairs of `sets` (arrays of distinct hashes) whose Jaccard is at least `min_jaccard`."""
    sets = list(sets)
    sizes = np.array([len(one) for one in sets], np.int64)
    ranks = _ranks(sets)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    # A product like 0.7 x 10 may come out a hair too high, and a prefix too short loses pairs.
    needed = np.ceil(min_jaccard * sizes - 1e-9).astype(np.int64)
    prefixes = np.where(sizes > 0, sizes - needed + 1, 0)
    # Which documents have a rank in their prefix, ascending.
    holder = np.repeat(np.arange(len(sets)), prefixes)
    parts = [ranks[a : a + k] for a, k in zip(starts, prefixes, strict=False)]
    held = np.concatenate([*parts, np.empty(0, np.int64)])
    order = np.lexsort((holder, held))
    held, holder = held[order], holder[order]
    bounds = np.searchsorted(held, np.arange(ranks.max(initial=-1) + 2))
    first, second, jaccard = _pairs(ranks, starts, prefixes, bounds, holder, min_jaccard)
    return Truth(sizes, first, second, jaccard)


def _ranks(sets: list[np.ndarray]) -> np.ndarray:
    """Each set's elements as ranks, the rarest element of all first; sets one after the other."""
    flat = np.concatenate([*sets, np.empty(0, np.int64)])
    known, counts = np.unique(flat, return_counts=True)
    rank = np.empty(len(known), np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(known))
    ranks = rank[np.searchsorted(known, flat)]
    start = 0
    for one in sets:
        ranks[start : start + len(one)].sort()
        start += len(one)
    return ranks


@numba.njit(cache=True)
def _pairs(ranks, starts, prefixes, bounds, holder, min_jaccard):  # type: ignore[no-untyped-def]
    """For each document, whoever before it shares a rare element: intersect, and keep the near."""
    seen = np.full(len(prefixes), -1, np.int64)
    first, second, jaccard = [0][:0], [0][:0], [0.0][:0]
    for x in range(len(prefixes)):
        size = starts[x + 1] - starts[x]
        for k in range(prefixes[x]):
            rank = ranks[starts[x] + k]
            for at in range(bounds[rank], bounds[rank + 1]):
                y = holder[at]
                if y >= x:
                    break
                other = starts[y + 1] - starts[y]
                if seen[y] == x or min(size, other) < min_jaccard * max(size, other) - 1e-9:
                    continue
                seen[y] = x
                i, j, common = starts[x], starts[y], 0
                while i < starts[x + 1] and j < starts[y + 1]:
                    a, b = ranks[i], ranks[j]
                    common += a == b
                    i += a <= b
                    j += b <= a
                similarity = common / (size + other - common)
                if similarity >= min_jaccard:
                    first.append(y)
                    second.append(x)
                    jaccard.append(similarity)
    return np.array(first), np.array(second), np.array(jaccard)
