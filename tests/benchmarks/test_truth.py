"""The truth that everybody is judged by: against a plain quadratic join."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.clean.quality import judge, keep_first
from benchmarks.clean.texts import MIN_JACCARD
from benchmarks.clean.truth import Truth, join, shingles

_SETS = st.lists(st.frozensets(st.integers(0, 12), max_size=8), max_size=12)


@settings(deadline=None, max_examples=100)
@given(_SETS, st.sampled_from([0.3, 0.5, 0.7, 1.0]))
def test_the_join_finds_what_comparing_all_finds(sets: list[frozenset[int]], least: float) -> None:
    found = join([np.array(sorted(one), np.int64) for one in sets], least)
    keys = zip(found.first.tolist(), found.second.tolist(), strict=True)
    pairs = dict(zip(keys, found.jaccard, strict=True))
    expected = {}
    for y, other in enumerate(sets):
        for x, one in enumerate(sets[:y]):
            if one and other and (similarity := len(one & other) / len(one | other)) >= least:
                expected[x, y] = similarity
    assert set(pairs) == set(expected)
    assert all(abs(pairs[key] - expected[key]) < 1e-12 for key in pairs)


def test_a_short_text_is_one_shingle_and_an_empty_one_is_none() -> None:
    assert len(shingles("x = 1")) == 1
    assert not shingles(" \n")


def _truth(*pairs: tuple[int, int], documents: int) -> Truth:
    first, second = np.array(pairs).reshape(-1, 2).T
    return Truth(np.full(documents, 50), first, second, np.full(len(pairs), MIN_JACCARD))


def test_removals_are_judged_by_what_stays() -> None:
    # 0-1-2 is a chain: 2 is near 1, and 1 near 0. 3 has nobody.
    truth = _truth((0, 1), (1, 2), documents=4)
    chained = judge(np.array([True, False, False, False]), truth)
    assert (chained.removed, chained.no_partner, chained.no_kept_partner) == (3, 1, 2)
    assert chained.missed == 0
    lazy = judge(np.array([True, True, True, True]), truth)
    assert (lazy.removed, lazy.missed) == (0, 1)


def test_keeping_the_first_is_faultless() -> None:
    truth = _truth((0, 1), (1, 2), (2, 3), documents=4)
    kept = keep_first(truth)
    assert kept.tolist() == [True, False, True, False]
    quality = judge(kept, truth)
    assert (quality.precision, quality.recall) == (1.0, 1.0)
