"""Components, similarities and the election among near duplicates; `clean.dedup` says what for."""

from __future__ import annotations

import numpy as np
from numba import types

from clean.compiled.fingerprints import common_count
from clean.compiled.kernel import BYTES, HASHES, HASHES_OUT, helper, kernel

_NUMBERS = types.Array(types.int32, 1, "C", readonly=True)
_NUMBERS_OUT = types.Array(types.int32, 1, "C")
_NUMBER_ROWS = types.Array(types.int32, 2, "C", readonly=True)
_NUMBER_ROWS_OUT = types.Array(types.int32, 2, "C")
_WORD_ROWS = types.Array(types.uint32, 2, "C", readonly=True)
_COUNTS = types.Array(types.int64, 1, "C", readonly=True)
_RATES = types.Array(types.float64, 1, "C", readonly=True)
_RATES_OUT = types.Array(types.float64, 1, "C")
_FLAGS_OUT = types.Array(types.boolean, 1, "C")

_ONE, _TWO, _THREE, _FOUR, _FIVE, _SIX = map(np.uint64, (1, 2, 3, 4, 5, 6))
_8, _16, _24, _32, _40 = map(np.uint64, (8, 16, 24, 32, 40))

STAYS = -1  # a document that goes for no other
FULL = -1  # what `elect` answers when its pairs have no room


@helper
def _root(parents, node):  # type: ignore[no-untyped-def]
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


@kernel(_COUNTS, _COUNTS, _NUMBERS_OUT)
def unite(hubs, members, parents):  # type: ignore[no-untyped-def]
    """Join the trees of each edge's ends; the smallest node is the root of its tree."""
    for edge in range(len(hubs)):
        a, b = _root(parents, hubs[edge]), _root(parents, members[edge])
        if a < b:
            parents[b] = a
        else:
            parents[a] = b


@kernel(_NUMBERS_OUT)
def flatten(parents):  # type: ignore[no-untyped-def]
    """Point every node to the root of its tree."""
    for node in range(len(parents)):  # a parent is smaller: it was pointed right before
        parents[node] = parents[parents[node]]


@kernel(BYTES, _COUNTS, _COUNTS, _COUNTS, HASHES_OUT)
def unpack(data, begins, counts, places, out):  # type: ignore[no-untyped-def]
    """Numbers of 48 bits, low byte first: the runs at `begins` of `data` to `places` of `out`."""
    for run in range(len(begins)):
        begin, place = np.uint64(begins[run]), np.uint64(places[run])
        for at in range(np.uint64(counts[run])):  # unsigned: no index counts from the end
            byte = begin + _SIX * at
            value = np.uint64(data[byte]) | (np.uint64(data[byte + _ONE]) << _8)
            value |= np.uint64(data[byte + _TWO]) << _16 | np.uint64(data[byte + _THREE]) << _24
            value |= np.uint64(data[byte + _FOUR]) << _32 | np.uint64(data[byte + _FIVE]) << _40
            out[place + at] = value


@helper
def _agreement(signatures, a, b):  # type: ignore[no-untyped-def]
    """The share of values in which two signatures agree."""
    agree = 0
    for place in range(signatures.shape[1]):
        agree += signatures[a, place] == signatures[b, place]
    return agree / signatures.shape[1]


@helper
def _jaccard(shingles, starts, a, b):  # type: ignore[no-untyped-def]
    one, two = shingles[starts[a] : starts[a + 1]], shingles[starts[b] : starts[b + 1]]
    common = common_count(one, two)
    return common / max(1, len(one) + len(two) - common)


@kernel(_WORD_ROWS, HASHES, _COUNTS, _COUNTS, _COUNTS, _RATES_OUT, _RATES_OUT)
def compare(  # type: ignore[no-untyped-def]
    signatures, shingles, starts, ones, others, estimates, jaccards
):
    """Estimate and exact similarity of each pair (ones[i], others[i]) of documents."""
    for pair in range(len(ones)):
        estimates[pair] = _agreement(signatures, ones[pair], others[pair])
        jaccards[pair] = _jaccard(shingles, starts, ones[pair], others[pair])


@helper
def _may_be_near(starts, a, b, min_jaccard):  # type: ignore[no-untyped-def]
    """Whether the sizes alone allow the similarity: it is at most smaller / larger."""
    one, two = starts[a + 1] - starts[a], starts[b + 1] - starts[b]
    return min(one, two) >= min_jaccard * max(one, two)


@helper
def _similarity(a, b, shingles, starts, codes, rates):  # type: ignore[no-untyped-def]
    """What is known of the pair, or else computed; -1 if there is nothing to compute it from."""
    code = (np.int64(a) << 32) | np.int64(b)
    at = np.searchsorted(codes, code)
    if at < len(codes) and codes[at] == code:
        return rates[at]
    return _jaccard(shingles, starts, a, b) if len(shingles) else -1.0


@helper
def _gather(buckets, heads, links, seen, found, other):  # type: ignore[no-untyped-def]
    """The kept documents that share a bucket with `other` into `found`; how many."""
    count = 0
    for band in range(buckets.shape[1]):
        kept = heads[buckets[other, band]] if buckets[other, band] >= 0 else STAYS
        while kept != STAYS:
            if seen[kept] != other:
                seen[kept] = other
                found[count] = kept
                count += 1
            kept = links[kept, band]
    return count


@helper
def _keep(buckets, heads, links, document):  # type: ignore[no-untyped-def]
    """Put a kept document in front of each of its buckets."""
    for band in range(buckets.shape[1]):
        bucket = buckets[document, band]
        if bucket >= 0:
            links[document, band] = heads[bucket]
            heads[bucket] = document


@kernel(
    _NUMBER_ROWS, _WORD_ROWS, HASHES, _COUNTS, _NUMBERS, _COUNTS, _RATES, types.float64,
    types.float64, _NUMBERS_OUT, _NUMBER_ROWS_OUT, _FLAGS_OUT, _NUMBER_ROWS_OUT, _RATES_OUT,
    _RATES_OUT, _FLAGS_OUT,
)  # fmt: skip
def elect(  # type: ignore[no-untyped-def]
    buckets, signatures, shingles, starts, groups, codes, rates, min_jaccard,
    floor, heads, links, stuck, pairs, estimates, jaccards, near,
):  # fmt: skip
    """Elect among documents that come in groups, in each the best first; how many pairs.

    Each document is compared with the kept ones that share a bucket with it, best first, until
    one is near, for which it goes. `pairs` takes (kept, other), and `near` whether other goes.
    A group with a pair that is neither among the known `codes` nor can be computed is `stuck`,
    and its pairs are worth nothing. Answers FULL if there are more pairs than room for them.
    """
    seen = np.full(len(buckets), STAYS, np.int32)
    found = np.empty(len(buckets), np.int32)
    count = 0
    for other in range(len(buckets)):
        if stuck[groups[other]]:
            continue
        proposed = np.sort(found[: _gather(buckets, heads, links, seen, found, other)])
        if count + len(proposed) > len(pairs):
            return FULL
        goes = False
        for kept in proposed:
            if not _may_be_near(starts, kept, other, min_jaccard):
                continue
            estimate = _agreement(signatures, kept, other)
            if estimate < floor:
                continue
            similarity = _similarity(kept, other, shingles, starts, codes, rates)
            if similarity < 0:
                stuck[groups[other]] = True
                break
            goes = similarity >= min_jaccard
            pairs[count, 0], pairs[count, 1] = kept, other
            estimates[count], jaccards[count], near[count] = estimate, similarity, goes
            count += 1
            if goes:
                break
        if not goes:
            _keep(buckets, heads, links, other)
    return count
