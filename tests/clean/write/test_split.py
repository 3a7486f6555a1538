import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clean.recipe import SplitRecipe
from clean.write.split import (
    TEST,
    TRAIN,
    VALIDATION,
    bucket_of,
    cuts_for,
    order_keys,
    shares,
    split_of,
)

IDS = st.lists(st.integers(0, 2**62), max_size=30, unique=True)


def splits(ids: list[int], recipe: SplitRecipe, seed: int) -> list[int]:
    array = np.array(ids, np.int64)
    return split_of(array, cuts_for(array, recipe, seed), seed).tolist()


def test_shares_are_met_and_seeds_differ():
    recipe = SplitRecipe(validation_share=0.1, test_share=0.2)
    ids = np.arange(20_000)
    split = split_of(ids, shares(recipe), seed=1)
    found = np.bincount(split, minlength=3) / len(ids)
    assert np.abs(found - [0.7, 0.1, 0.2]).max() < 0.01
    assert (split != split_of(ids, shares(recipe), seed=2)).any()


@given(ids=IDS, more=IDS, seed=st.integers(0, 9))
def test_a_repository_stays_where_it_is_when_others_come(ids, more, seed):
    cuts = shares(SplitRecipe(validation_share=0.2, test_share=0.2))
    alone = split_of(np.array(ids, np.int64), cuts, seed)
    together = split_of(np.array(ids + more, np.int64), cuts, seed)
    assert alone.tolist() == together[: len(ids)].tolist()


@given(ids=IDS, seed=st.integers(0, 9), validation=st.booleans(), test=st.booleans())
def test_no_wanted_split_is_empty_while_there_are_repositories(ids, seed, validation, test):
    recipe = SplitRecipe(validation_share=0.01 * validation, test_share=0.01 * test)
    found = set(splits(ids, recipe, seed))
    wanted = {TRAIN} | ({VALIDATION} if validation else set()) | ({TEST} if test else set())
    assert found <= wanted
    assert len(found) >= min(len(ids), len(wanted))


def test_cuts_that_leave_no_split_empty_are_the_recipes_own():
    recipe = SplitRecipe(validation_share=0.1, test_share=0.1)
    assert cuts_for(np.arange(1000), recipe, seed=3) == shares(recipe)


def test_the_order_is_a_shuffle_of_its_own_for_each_seed_and_shard():
    rows = np.arange(10_000)
    keys = order_keys("shard-00000.parquet", rows, 1)
    assert len(set(keys.tolist())) == len(rows)
    for other in (
        order_keys("shard-00001.parquet", rows, 1),
        order_keys("shard-00000.parquet", rows, 2),
    ):
        assert abs(np.corrcoef(np.argsort(keys), np.argsort(other))[0, 1]) < 0.05
    assert abs(np.corrcoef(np.argsort(keys), rows)[0, 1]) < 0.05


@given(keys=st.lists(st.integers(0, 2**64 - 1), min_size=1), buckets=st.integers(1, 5000))
def test_buckets_cut_the_order_into_ranges(keys, buckets):
    ordered = np.array(sorted(keys), np.uint64)
    found = bucket_of(ordered, buckets)
    assert (np.diff(found) >= 0).all()
    assert found[0] >= 0
    assert found[-1] < buckets
    assert bucket_of(np.array([2**64 - 1], np.uint64), buckets)[0] == buckets - 1
