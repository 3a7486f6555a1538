import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.budget import OWN_BYTES, budget_of, machine_bytes, share_memory
from clean.recipe import LimitsRecipe
from corpus.errors import UsageError

GB = 10**9


def test_fewer_workers_rather_than_smaller_ones():
    shares = share_memory(4 * GB, workers=8, worker_bytes=GB)
    assert (shares.workers, shares.worker_bytes, shares.short) == (3, GB, False)
    assert share_memory(100 * GB, workers=8, worker_bytes=GB).workers == 8


def test_one_worker_may_get_less_and_that_is_said():
    shares = share_memory(GB, workers=8, worker_bytes=GB)
    assert (shares.workers, shares.short) == (1, True)
    assert shares.worker_bytes < GB


def test_too_little_names_the_least_that_works():
    with pytest.raises(
        UsageError, match=r"budget of 300MB .* least that works is (\d+)MB"
    ) as error:
        share_memory(300 * 10**6, workers=2, worker_bytes=GB)
    least = int(str(error.value).rpartition("works is ")[2].partition("MB")[0]) * 10**6
    assert share_memory(least, workers=2, worker_bytes=GB).workers == 1


def test_deciding_needs_less_than_measuring():
    budget = 600 * 10**6
    with pytest.raises(UsageError):
        share_memory(budget, workers=2, worker_bytes=GB)
    assert not share_memory(budget, workers=2, worker_bytes=GB, measures=False).short


def test_a_shard_must_fit_while_it_is_shuffled():
    with pytest.raises(UsageError, match=r"smaller clean\.write\.shard_bytes need less"):
        share_memory(4 * GB, workers=2, worker_bytes=GB, shard_bytes=GB)
    share_memory(5 * GB, workers=2, worker_bytes=GB, shard_bytes=GB)
    share_memory(GB, workers=2, worker_bytes=GB, shard_bytes=GB, measures=False)


@given(st.integers(1, 100 * GB), st.integers(1, 64), st.integers(256 << 20, 4 * GB))
def test_the_parts_never_exceed_the_whole(budget, workers, worker_bytes):
    try:
        shares = share_memory(budget, workers=workers, worker_bytes=worker_bytes)
    except UsageError:
        return
    assert 1 <= shares.workers <= workers
    assert OWN_BYTES + shares.workers * shares.worker_bytes <= budget
    assert OWN_BYTES + shares.database_bytes <= budget


def test_without_a_budget_the_machine_gives_it():
    assert budget_of(LimitsRecipe(max_memory_bytes=5)) == 5
    assert 0 < budget_of(LimitsRecipe()) < machine_bytes()
