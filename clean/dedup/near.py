"""Which documents are near duplicates: pure functions on arrays, no I/O.

MinHash with banding proposes (Broder 1997; Leskovec et al., Mining of Massive Datasets, chapter
3), the true Jaccard similarity of the shingles decides. A document is dropped only for one that
is kept and truly near: similarity through a chain of others never counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clean.compiled import near as kernels

Ints = npt.NDArray[np.int64]

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


def components(count: int, edges: Iterable[tuple[Ints, Ints]]) -> npt.NDArray[np.int32]:
    """The smallest node that each of `count` nodes is connected to, (count,).

    `edges` come in pieces (hubs, members) of any size and in any order.
    """
    parents = np.arange(count, dtype=np.int32)
    for hubs, members in edges:
        kernels.unite(hubs, members, parents)
    kernels.flatten(parents)
    return parents


@dataclass(frozen=True, slots=True)
class Contents:
    """What comparing needs of n contents; all or none of them come with their shingles."""

    signatures: npt.NDArray[np.uint32]  # (n, permutations)
    shingles: npt.NDArray[np.uint64]  # of each content, ascending, one after the other; or none
    starts: Ints  # (n + 1,), where each content's shingles begin, and the end

    def __len__(self) -> int:
        return len(self.signatures)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of documents that were compared; positions in what was compared."""

    kept: npt.NDArray[np.int32]
    other: npt.NDArray[np.int32]
    estimate: npt.NDArray[np.float64]  # from the signatures
    jaccard: npt.NDArray[np.float64]  # from the shingles

    def __len__(self) -> int:
        return len(self.kept)

    def where(self, mask: npt.NDArray[np.bool_]) -> Pairs:
        """Those pairs alone."""
        return Pairs(self.kept[mask], self.other[mask], self.estimate[mask], self.jaccard[mask])


@dataclass(frozen=True, slots=True)
class Known:
    """Similarities of pairs that were compared before: positions (n, 2), and (n,)."""

    pairs: Ints
    jaccard: npt.NDArray[np.float64]


NOTHING_KNOWN = Known(np.empty((0, 2), np.int64), np.empty(0))


@dataclass(frozen=True, slots=True)
class Election:
    """What was compared, who goes for whom, and which groups could not be decided."""

    pairs: Pairs
    goes: npt.NDArray[np.bool_]  # of each pair: whether `other` goes for `kept`
    stuck: npt.NDArray[np.bool_]  # of each group: it needs the shingles; its pairs are left out

    @property
    def dropped(self) -> Pairs:
        """Each document that goes, with the one that it goes for."""
        return self.pairs.where(self.goes)


def elect(
    buckets: npt.NDArray[np.int32],
    contents: Contents,
    groups: npt.NDArray[np.int32],
    min_jaccard: float,
    known: Known = NOTHING_KNOWN,
    *,
    array: Callable[..., np.ndarray] = np.empty,
) -> Election:
    """Choose the survivors of documents that come group by group, in each the best first.

    `buckets` is (documents, bands), see `bucket_numbers`; `groups` are numbered from 0 in order.
    Each document is compared with the kept ones that share a bucket with it, best first, and goes
    for the first that is truly near; if there is none it is kept. `array` gives the large tables.
    """
    codes, rates = _codes(known)
    floor = estimate_floor(min_jaccard, contents.signatures.shape[1])
    links = array(buckets.shape, np.int32)
    heads = array(int(buckets.max(initial=-1)) + 1, np.int32)
    room = 4 * len(contents) + 64
    while True:
        stuck = np.zeros(int(groups[-1]) + 1 if len(groups) else 0, np.bool_)
        heads[:] = kernels.STAYS
        pairs, rows = np.empty((room, 2), np.int32), [np.empty(room) for _ in range(2)]
        goes = np.empty(room, np.bool_)
        count = kernels.elect(
            buckets, contents.signatures, contents.shingles, contents.starts, groups, codes,
            rates, min_jaccard, floor, heads, links, stuck, pairs, *rows, goes,
        )  # fmt: skip
        if count != kernels.FULL:
            break
        room *= 4
    found = Pairs(pairs[:count, 0], pairs[:count, 1], *(values[:count] for values in rows))
    decided = ~stuck[groups[found.other]]
    return Election(found.where(decided), goes[:count][decided], stuck)


def _codes(known: Known) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Pairs, better one first, as ascending numbers; and their similarities."""
    low, high = known.pairs.min(axis=1, initial=1 << 31), known.pairs.max(axis=1, initial=0)
    codes = (low << 32) | high
    order = np.argsort(codes, kind="stable")
    return codes[order], known.jaccard[order]


def number_buckets(keys: npt.NDArray[np.uint64], out: npt.NDArray[np.int32]) -> None:
    """Number the buckets that hold several documents, over all bands; `out` is -1 elsewhere.

    `keys` and `out` are (documents, bands).
    """
    following = 0
    for band in range(keys.shape[1]):
        order = np.argsort(keys[:, band], kind="stable")
        ordered = keys[order, band]
        same = ordered[1:] == ordered[:-1]
        shared = np.zeros(len(order), np.bool_)
        shared[1:] |= same
        shared[:-1] |= same
        begins = shared.copy()
        begins[1:] &= ~same
        numbers = following + np.cumsum(begins) - 1
        out[order, band] = np.where(shared, numbers, -1)
        following = int(numbers[-1]) + 1 if len(numbers) else following


def compare(contents: Contents, ones: Ints, others: Ints) -> tuple[np.ndarray, np.ndarray]:
    """(estimate, Jaccard similarity) of each pair of positions."""
    estimates, jaccards = np.empty(len(ones)), np.empty(len(ones))
    kernels.compare(
        contents.signatures, contents.shingles, contents.starts, ones, others, estimates, jaccards
    )
    return estimates, jaccards
