import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clean.dedup.near import (
    NOTHING_KNOWN,
    Contents,
    Election,
    Known,
    band_shape,
    compare,
    components,
    elect,
    estimate_floor,
    number_buckets,
)
from clean.signals.fingerprint import band_keys, signature

PERMUTATIONS = 64
SET = st.frozensets(st.integers(0, 30), max_size=24)
SETS = st.lists(SET, max_size=12)


def hashes(values: frozenset[int]) -> np.ndarray:
    """A set of small numbers as the 64-bit hashes that MinHash expects."""
    mixed = [(value + 1) * 0x9E3779B97F4A7C15 % 2**64 for value in sorted(values)]
    return np.sort(np.array(mixed, np.uint64))


def contents_of(sets: list[frozenset[int]], *, shingles: bool = True) -> Contents:
    arrays = [hashes(values) for values in sets]
    signatures = np.zeros((len(sets), PERMUTATIONS), np.uint32)
    for row, array in enumerate(arrays):
        sketch = signature(array, PERMUTATIONS)
        if sketch is not None:
            signatures[row] = sketch
    starts = np.cumsum([0, *map(len, arrays)]).astype(np.int64)
    values = np.concatenate([np.empty(0, np.uint64), *arrays])
    return Contents(signatures, values if shingles else values[:0], starts)


def buckets_of(contents: Contents, bands: int) -> np.ndarray:
    buckets = np.empty((len(contents), bands), np.int32)
    number_buckets(band_keys(contents.signatures, bands, PERMUTATIONS // bands), buckets)
    return buckets


def election_of(
    sets: list[frozenset[int]],
    min_jaccard: float,
    bands: int,
    *,
    shingles: bool = True,
    known: Known = NOTHING_KNOWN,
    groups: np.ndarray | None = None,
) -> Election:
    contents = contents_of(sets, shingles=shingles)
    groups = np.zeros(len(sets), np.int32) if groups is None else groups
    return elect(buckets_of(contents, bands), contents, groups, min_jaccard, known)


def similarity(a: frozenset[int], b: frozenset[int]) -> float:
    return len(a & b) / len(a | b) if a | b else 0.0


@given(sets=SETS, min_jaccard=st.sampled_from([0.5, 0.7, 1.0]))
def test_a_document_goes_only_for_a_kept_one_that_is_truly_near(sets, min_jaccard):
    dropped = election_of(sets, min_jaccard, bands=32).dropped
    gone = set(dropped.other.tolist())
    for kept, other, jaccard in zip(dropped.kept, dropped.other, dropped.jaccard, strict=True):
        assert kept < other, "the survivor must be the better one"
        assert kept not in gone, "the survivor must survive"
        assert jaccard >= min_jaccard
        assert jaccard == pytest.approx(similarity(sets[kept], sets[other]))
    assert len(gone) == len(dropped)


@given(sets=SETS, min_jaccard=st.sampled_from([0.5, 0.7]))
def test_no_kept_document_that_was_proposed_is_near_a_better_one(sets, min_jaccard):
    """An election by the definition, in Python: whoever stays, stays for want of a better one."""
    contents = contents_of(sets)
    buckets = buckets_of(contents, 32)
    floor = estimate_floor(min_jaccard, PERMUTATIONS)
    kept: list[int] = []
    for other in range(len(sets)):
        near = [
            better
            for better in kept
            if ((buckets[better] == buckets[other]) & (buckets[other] >= 0)).any()
            and (contents.signatures[better] == contents.signatures[other]).mean() >= floor
            and similarity(sets[better], sets[other]) >= min_jaccard
        ]
        if not near:
            kept.append(other)
    gone = set(election_of(sets, min_jaccard, bands=32).dropped.other.tolist())
    assert set(kept) == set(range(len(sets))) - gone


@given(sets=st.lists(st.frozensets(st.integers(0, 30), min_size=1, max_size=24), max_size=10))
def test_equal_sets_leave_one(sets):
    """Whatever else happens, of each set exactly the first stays, at a threshold of 1."""
    dropped = election_of(sets * 2, 1.0, bands=8).dropped
    kept = set(range(2 * len(sets))) - set(dropped.other.tolist())
    assert kept == {sets.index(values) for values in sets}


def test_similarity_through_a_third_document_does_not_count():
    base = frozenset(range(20))
    chain = [base, base - {0, 1, 2} | {20, 21, 22}, base - {0, 1, 2, 3, 4, 5} | set(range(20, 26))]
    # 0-1 and 1-2 are near (17/23), 0-2 are not (14/26): 1 goes for 0, and 2 stays.
    dropped = election_of([frozenset(values) for values in chain], 0.7, bands=64).dropped
    assert (dropped.kept.tolist(), dropped.other.tolist()) == ([0], [1])


def test_documents_without_shingles_are_not_alike():
    assert len(election_of([frozenset(), frozenset(), frozenset()], 0.5, bands=8).dropped) == 0


def test_more_pairs_than_there_was_room_for():
    # Each shares a band with all the others, and none is near: every pair is compared.
    sets = [frozenset({*range(40), *range(100 * n, 100 * n + 20)}) for n in range(1, 30)]
    assert len(election_of(sets, 0.6, bands=64).pairs) > 4 * len(sets) + 64


FULL_SETS = st.lists(st.frozensets(st.integers(0, 30), min_size=1, max_size=24), max_size=8)


@given(first=FULL_SETS, second=FULL_SETS, min_jaccard=st.sampled_from([0.5, 0.7]))
def test_what_is_known_replaces_the_shingles(first, second, min_jaccard):
    sets = first + second
    groups = np.array([0] * len(first) + [bool(first)] * len(second), np.int32)
    # Keep the groups apart, as the components of an index are.
    sets = [frozenset(value + 100 for value in values) for values in first] + second
    whole = election_of(sets, min_jaccard, 32, groups=groups)
    pairs = np.stack([whole.pairs.other, whole.pairs.kept], axis=1).astype(np.int64)
    known = Known(pairs, whole.pairs.jaccard)
    again = election_of(sets, min_jaccard, 32, shingles=False, known=known, groups=groups)
    assert not again.stuck.any()
    assert again.pairs.other.tolist() == whole.pairs.other.tolist()
    assert again.pairs.jaccard.tolist() == whole.pairs.jaccard.tolist()
    assert again.goes.tolist() == whole.goes.tolist()


def test_a_group_with_an_unknown_pair_is_stuck_and_the_others_are_not():
    one, two = frozenset(range(20)), frozenset(range(100, 120))
    sets = [one, one, two, two]
    groups = np.array([0, 0, 1, 1], np.int32)
    known = Known(np.array([[2, 3]]), np.array([1.0]))
    election = election_of(sets, 0.7, 8, shingles=False, known=known, groups=groups)
    assert election.stuck.tolist() == [True, False]
    assert election.dropped.other.tolist() == [3]


@given(first=SET, second=SET)
def test_compared_pairs_have_their_exact_similarity(first, second):
    contents = contents_of([first, second])
    estimates, jaccards = compare(contents, np.array([0, 1]), np.array([1, 1]))
    assert jaccards[0] == similarity(first, second)
    assert estimates[1] == 1
    assert jaccards[1] == (1 if second else 0)


@given(
    keys=st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), max_size=8),
)
def test_buckets_are_what_shares_a_key_in_a_band(keys):
    table = np.array(keys, np.uint64).reshape(len(keys), 3)
    buckets = np.empty(table.shape, np.int32)
    number_buckets(table, buckets)
    members: dict[int, set[tuple[int, int]]] = {}
    for place, bucket in np.ndenumerate(buckets):
        members.setdefault(int(bucket), set()).add((place[1], int(table[place])))
    for place, key in np.ndenumerate(table):
        assert (buckets[place] >= 0) == ((table[:, place[1]] == key).sum() > 1)
    shared = {bucket: found for bucket, found in members.items() if bucket >= 0}
    assert all(len(found) == 1 for found in shared.values())
    assert sorted(shared) == list(range(len(shared)))


@given(
    edges=st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)).filter(lambda e: e[0] < e[1])),
    cut=st.integers(0, 20),
)
@settings(max_examples=200)
def test_components_are_what_edges_connect(edges, cut):
    groups: dict[int, set[int]] = {n: {n} for n in range(16)}
    for hub, member in edges:
        merged = groups[hub] | groups[member]
        groups.update(dict.fromkeys(merged, merged))
    pieces = [edges[:cut], edges[cut:]]
    arrays = [np.array(piece, np.int64).reshape(-1, 2) for piece in pieces]
    labels = components(16, [(a[:, 0].copy(), a[:, 1].copy()) for a in arrays])
    assert labels.tolist() == [min(groups[n]) for n in range(16)]


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
