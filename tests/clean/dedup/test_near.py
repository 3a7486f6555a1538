from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clean.dedup.near import band_shape, components, elect, estimate_floor, jaccard
from clean.signals.fingerprint import band_keys, signature

PERMUTATIONS = 64
SETS = st.lists(st.frozensets(st.integers(0, 30), max_size=24), max_size=12)


def hashes(values: frozenset[int]) -> np.ndarray:
    """A set of small numbers as the 64-bit hashes that MinHash expects."""
    mixed = [(value + 1) * 0x9E3779B97F4A7C15 % 2**64 for value in sorted(values)]
    return np.sort(np.array(mixed, np.uint64))


def election_of(sets: list[frozenset[int]], min_jaccard: float, bands: int):
    shingles = [hashes(values) for values in sets]
    sketches = [signature(one, PERMUTATIONS) for one in shingles]
    signatures = np.zeros((len(sets), PERMUTATIONS), np.uint32)
    for row, sketch in enumerate(sketches):
        if sketch is not None:
            signatures[row] = sketch
    keys = band_keys(signatures, bands, PERMUTATIONS // bands)
    return elect(keys, signatures, shingles, min_jaccard)


@given(sets=SETS, min_jaccard=st.sampled_from([0.5, 0.7, 1.0]))
def test_a_document_goes_only_for_a_kept_one_that_is_truly_near(sets, min_jaccard):
    election = election_of(sets, min_jaccard, bands=32)
    dropped = {pair.other for pair in election.dropped}
    for pair in election.dropped:
        kept, other = sets[pair.kept], sets[pair.other]
        similarity = len(kept & other) / len(kept | other)
        assert pair.kept < pair.other, "the survivor must be the better one"
        assert pair.kept not in dropped, "the survivor must survive"
        assert similarity >= min_jaccard
        assert pair.similarity == pytest.approx(similarity)
    assert len(dropped) == len(election.dropped)


@given(sets=st.lists(st.frozensets(st.integers(0, 30), min_size=1, max_size=24), max_size=10))
def test_equal_sets_leave_one(sets):
    """Whatever else happens, of each set exactly the first stays, at a threshold of 1."""
    election = election_of(sets * 2, 1.0, bands=8)
    kept = set(range(2 * len(sets))) - {pair.other for pair in election.dropped}
    assert kept == {sets.index(values) for values in sets}


def test_similarity_through_a_third_document_does_not_count():
    base = frozenset(range(20))
    chain = [base, base - {0, 1, 2} | {20, 21, 22}, base - {0, 1, 2, 3, 4, 5} | set(range(20, 26))]
    # 0-1 and 1-2 are near (17/23), 0-2 are not (14/26): 1 goes for 0, and 2 stays.
    election = election_of([frozenset(values) for values in chain], 0.7, bands=64)
    assert [(pair.kept, pair.other) for pair in election.dropped] == [(0, 1)]


def test_documents_without_shingles_are_not_alike():
    election = election_of([frozenset(), frozenset(), frozenset()], 0.5, bands=8)
    assert election.dropped == ()


@given(
    edges=st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)).filter(lambda e: e[0] < e[1]))
)
@settings(max_examples=200)
def test_components_are_what_edges_connect(edges):
    groups: dict[int, set[int]] = {}
    for hub, member in edges:
        merged = {hub, member} | groups.get(hub, set()) | groups.get(member, set())
        groups.update(dict.fromkeys(merged, merged))
    hubs = np.array([hub for hub, _ in edges], np.int64)
    members = np.array([member for _, member in edges], np.int64)
    ranks, starts = components(hubs, members)
    found = [ranks[a:b].tolist() for a, b in pairwise(starts)]
    assert found == sorted(sorted(group) for group in {frozenset(g) for g in groups.values()})


@pytest.mark.parametrize("min_jaccard", [0.5, 0.7, 0.85])
@pytest.mark.parametrize("permutations", [2, 64, 256])
def test_the_derived_bands_reach_the_recall_with_the_longest_rows(min_jaccard, permutations):
    def recall(bands: int, rows: int) -> float:
        return 1 - (1 - min_jaccard**rows) ** bands

    bands, rows = band_shape(min_jaccard, permutations, 0.95)
    assert bands * rows <= permutations
    if rows > 1:
        assert recall(bands, rows) >= 0.95
    if rows < permutations:
        assert recall(permutations // (rows + 1), rows + 1) < 0.95


def test_no_pair_at_the_threshold_is_given_up_for_its_estimate():
    rng = np.random.default_rng(1)
    equal = rng.random((20_000, 256)) < 0.7
    assert (equal.mean(axis=1) >= estimate_floor(0.7, 256)).mean() > 0.9999


def test_jaccard_of_arrays():
    assert jaccard(np.array([1, 2, 3]), np.array([2, 3, 4])) == 0.5
    assert jaccard(np.array([1]), np.array([])) == 0.0
