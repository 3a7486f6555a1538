from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.passk import estimate, pass_at_k, why_not


@given(st.integers(1, 8), st.data())
def test_pass_at_k_is_the_share_of_draws_that_hold_a_passing_sample(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    draws = list(combinations(range(n), k))
    brute = sum(min(draw) < c for draw in draws) / len(draws)
    assert pass_at_k(n, c, k) == pytest.approx(brute)


def test_pass_at_k_neither_overflows_nor_cancels_for_many_samples():
    assert pass_at_k(100_000, 1, 1) == pytest.approx(1e-5, rel=1e-6)
    assert pass_at_k(2_000, 3, 1_000) == pytest.approx(0.875, abs=1e-3)


@pytest.mark.parametrize("n, c, k", [(5, 6, 1), (5, -1, 1), (5, 1, 6), (5, 1, 0)])
def test_pass_at_k_refuses_what_has_no_meaning(n, c, k):
    with pytest.raises(ValueError, match="pass@k needs"):
        pass_at_k(n, c, k)


@given(st.lists(st.tuples(st.just(10), st.integers(0, 10)), min_size=1, max_size=30))
def test_the_interval_holds_the_mean_and_depends_on_the_seed_alone(counts):
    found = estimate(counts, 5, seed=3)
    assert found == estimate(counts, 5, seed=3)
    assert found is not None
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1


def test_a_profile_like_pycodegpts_has_a_wide_interval():
    counts = [(100, 100)] * 8 + [(100, 20)] * 27 + [(100, 0)] * 129
    found = estimate(counts, 1, seed=1)
    assert found is not None
    assert found.value == pytest.approx(0.0817, abs=1e-3)
    assert 0.04 < found.low < 0.06
    assert 0.10 < found.high < 0.13


def test_no_success_at_all_is_not_known_to_be_zero():
    none, all_ = estimate([(1, 0)] * 164, 1, seed=1), estimate([(1, 1)] * 164, 1, seed=1)
    assert none is not None and all_ is not None
    assert (none.low, none.high) == (0.0, pytest.approx(0.0222, abs=1e-4))
    assert (all_.low, all_.high) == (pytest.approx(0.9778, abs=1e-4), 1.0)


def test_k_above_the_samples_of_any_problem_is_not_reported_and_says_why():
    counts = [(10, 1), (4, 0)]
    assert estimate(counts, 5, seed=1) is None
    assert why_not(counts, 5) == "pass@5 needs 5 samples of each problem; there are 4"
    assert estimate([], 1, seed=1) is None
