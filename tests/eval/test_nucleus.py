import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.nucleus import Chooser, Sampling, uniforms


def choose(logits, numbers, *, temperature=1.0, top_p=None, top_k=None):
    chooser = Chooser(Sampling(temperature=temperature, top_p=top_p, top_k=top_k))
    rows = torch.as_tensor(np.asarray(logits, dtype=np.float32))
    return chooser.choose(rows, torch.as_tensor(np.asarray(numbers))).tolist()


def reference_nucleus(row, temperature, top_p, top_k):
    """The tokens that may be chosen, by the definition."""
    p = np.exp(np.asarray(row) / temperature)
    order = np.argsort(-p)[: top_k or None]
    kept = p[order] / p[order].sum()
    before = np.cumsum(kept) - kept
    return set(order[before < (top_p or 2.0)].tolist())


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    vocabulary=st.sampled_from([3, 50, 200, 3000]),
    temperature=st.sampled_from([0.3, 1.0]),
    top_p=st.sampled_from([None, 0.1, 0.5, 0.9]),
    top_k=st.sampled_from([None, 1, 2, 20]),
)
def test_only_tokens_of_the_nucleus_are_chosen(seed, vocabulary, temperature, top_p, top_k):
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(8, vocabulary)) * 3
    numbers = generator.random(8)
    numbers[:2] = 0.0, 1 - 1e-16
    options = {"temperature": temperature, "top_p": top_p, "top_k": top_k}
    for row, token in zip(logits, choose(logits, numbers, **options), strict=True):
        assert token in reference_nucleus(row, **options)


@pytest.mark.parametrize(
    "top_p, top_k", [(None, None), (1.0, None), (0.8, None), (None, 3), (0.8, 3)]
)
def test_frequencies_are_the_renormalised_probabilities(top_p, top_k):
    row = np.log([0.4, 0.3, 0.15, 0.1, 0.05])
    draws = 20_000
    numbers = (np.arange(draws) + 0.5) / draws
    found = np.bincount(choose(np.tile(row, (draws, 1)), numbers, top_p=top_p, top_k=top_k))
    kept = sorted(reference_nucleus(row, 1.0, top_p, top_k))
    expected = np.exp(row)[kept] / np.exp(row)[kept].sum()
    assert found / draws == pytest.approx(expected, abs=1e-3)


def test_zero_temperature_takes_the_likeliest():
    assert choose([[0, 2, 1], [5, 2, 1]], [0.99, 0.99], temperature=0) == [1, 0]


def test_a_low_temperature_sharpens():
    numbers = (np.arange(1000) + 0.5) / 1000
    tokens = choose(np.tile([1.0, 0.0], (1000, 1)), numbers, temperature=0.2)
    assert np.mean(np.array(tokens) == 0) == pytest.approx(1 / (1 + np.exp(-5)), abs=2e-3)


def test_what_a_row_becomes_does_not_depend_on_its_neighbours():
    generator = np.random.default_rng(1)
    logits, numbers = generator.normal(size=(16, 5000)), generator.random(16)
    logits[3] *= 20  # a peaked row among flat ones
    together = choose(logits, numbers, top_p=0.95)
    alone = [
        choose(logits[i : i + 1], numbers[i : i + 1], top_p=0.95)[0] for i in range(len(numbers))
    ]
    assert together == alone


def test_uniforms_are_fixed_by_seed_task_and_sample():
    first = uniforms(1, "HumanEval/0", 0, 4)
    # The numbers are part of what "the same seed" promises: they must never change.
    assert first.tolist() == pytest.approx(FIRST, abs=1e-15)
    assert uniforms(1, "HumanEval/0", 0, 9)[:4].tolist() == first.tolist()
    others = [uniforms(2, "HumanEval/0", 0, 4), uniforms(1, "HumanEval/1", 0, 4)]
    others.append(uniforms(1, "HumanEval/0", 1, 4))
    assert all(other[0] != first[0] for other in others)


FIRST = [0.0776713718875538, 0.01542481080235747, 0.9257910322604378, 0.51887791011041]
