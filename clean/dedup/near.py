"""Which documents are near duplicates: pure functions on arrays, no I/O.

MinHash with banding proposes (Broder 1997; Leskovec et al., Mining of Massive Datasets, chapter
3), the true Jaccard similarity of the shingles decides. A document is dropped only for one that
is kept and truly near: similarity through a chain of others never counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# The estimate from 256 permutations errs by 0.029 at 0.7 (one standard deviation): a pair whose
# estimate is four of them too low is not worth its exact similarity.
_SIGMAS = 4.0


def band_shape(min_jaccard: float, permutations: int, min_recall: float) -> tuple[int, int]:
    """(bands, rows a band): the longest rows that still propose `min_recall` of the pairs.

    A pair of similarity s shares a band with probability 1 - (1 - s^rows)^bands.
    """
    for rows in range(permutations, 1, -1):
        bands = permutations // rows
        if 1 - (1 - min_jaccard**rows) ** bands >= min_recall:
            return bands, rows
    return permutations, 1


def estimate_floor(min_jaccard: float, permutations: int) -> float:
    """The lowest estimate that a pair at `min_jaccard` may be expected to have."""
    sigma = (min_jaccard * (1 - min_jaccard) / permutations) ** 0.5
    return min_jaccard - _SIGMAS * sigma


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """The Jaccard similarity of two sets given as arrays without repeats; 0 for empty ones."""
    if not len(a) or not len(b):
        return 0.0
    common = len(np.intersect1d(a, b, assume_unique=True))
    return common / (len(a) + len(b) - common)


def components(hubs: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Connect the edges (hub, member), both ranks.

    Returns the ranks that have an edge, grouped by component and ascending within it, and where
    each component starts in them (with the end as last entry).
    """
    ranks, places = np.unique(np.concatenate([hubs, members]), return_inverse=True)
    count = len(ranks)
    if not count:
        return ranks, np.zeros(1, np.int64)
    ends = places.reshape(2, -1)
    graph = coo_array((np.ones(len(hubs), np.bool_), (ends[0], ends[1])), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    # scipy numbers components by their first node, but does not promise to.
    first = np.full(labels.max() + 1, count, np.int64)
    np.minimum.at(first, labels, np.arange(count))
    order = np.lexsort((ranks, first[labels]))
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    return ranks[order], np.append(starts, count)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two documents whose similarity was computed; positions within their component."""

    kept: int
    other: int
    estimate: float
    similarity: float


@dataclass(frozen=True, slots=True)
class Election:
    """The outcome of one component: what was compared, and who goes for whom."""

    pairs: tuple[Pair, ...]
    dropped: tuple[Pair, ...]


def elect(
    keys: np.ndarray, signatures: np.ndarray, shingles: Sequence[np.ndarray], min_jaccard: float
) -> Election:
    """Choose the survivors of a component whose documents come in survivor order.

    `keys` is (documents, bands), `signatures` (documents, permutations). Each document is
    compared with the kept ones that share a band with it, best first, and goes for the first
    that is truly near; if there is none it is kept.
    """
    floor = estimate_floor(min_jaccard, signatures.shape[1])
    kept_by_band: list[dict[int, list[int]]] = [{} for _ in range(keys.shape[1])]
    pairs: list[Pair] = []
    dropped: list[Pair] = []
    for other in range(len(keys)):
        own_keys = keys[other].tolist()
        near = None
        for kept, estimate in _proposals(other, own_keys, kept_by_band, signatures, floor):
            pair = Pair(kept, other, estimate, jaccard(shingles[kept], shingles[other]))
            pairs.append(pair)
            if pair.similarity >= min_jaccard:
                near = pair
                break
        if near is not None:
            dropped.append(near)
            continue
        for bucket, key in zip(kept_by_band, own_keys, strict=True):
            bucket.setdefault(key, []).append(other)
    return Election(tuple(pairs), tuple(dropped))


def _proposals(
    other: int,
    own_keys: list[int],
    kept_by_band: list[dict[int, list[int]]],
    signatures: np.ndarray,
    floor: float,
) -> list[tuple[int, float]]:
    """The kept documents that share a band with `other` and may be near it, best first."""
    shared: set[int] = set()
    for bucket, key in zip(kept_by_band, own_keys, strict=True):
        shared.update(bucket.get(key, ()))
    if not shared:
        return []
    candidates = sorted(shared)
    estimates = (signatures[candidates] == signatures[other]).mean(axis=1)
    pairs = zip(candidates, estimates.tolist(), strict=True)
    return [(kept, estimate) for kept, estimate in pairs if estimate >= floor]
