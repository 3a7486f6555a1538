from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GPTNeoConfig, GPTNeoForCausalLM

from train.export import model_config
from train.model import (
    IGNORED,
    GPTNeo,
    Shape,
    build_model,
    parameter_count,
    window_mask,
)

TINY = Shape(vocab_size=97, context=48, layers=3, width=32, heads=4, window=8)
CPU = torch.device("cpu")


def reference(shape: Shape) -> GPTNeoForCausalLM:
    config = GPTNeoConfig(**model_config(shape, {"bos_token_id": 0, "eos_token_id": 0}))
    config._attn_implementation = "eager"
    return GPTNeoForCausalLM(config).eval()


def random_tokens(shape: Shape, rows: int = 3, length: int | None = None) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    size = (rows, length or shape.context)
    return torch.randint(shape.vocab_size, size, generator=generator)


def sharpen(model: torch.nn.Module) -> None:
    """Large random weights, so that a wrong mask or scale can't hide behind tiny logits."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0.0, 0.3, generator=generator)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("length", [5, 48])
def test_logits_equal_transformers_with_our_weights(layers: int, length: int) -> None:
    shape = Shape(vocab_size=97, context=48, layers=layers, width=32, heads=4, window=8)
    ours, theirs = build_model(shape, 1, CPU), reference(shape)
    sharpen(ours)
    outcome = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert outcome.missing_keys == ["lm_head.weight"]  # the tied head
    assert not outcome.unexpected_keys
    tokens = random_tokens(shape, length=length)
    torch.testing.assert_close(ours(tokens), theirs(tokens).logits, rtol=2e-4, atol=2e-4)


def test_logits_equal_transformers_with_their_weights() -> None:
    theirs, ours = reference(TINY), GPTNeo(TINY)
    sharpen(theirs)
    theirs.tie_weights()
    state = {name: w for name, w in theirs.state_dict().items() if name != "lm_head.weight"}
    ours.load_state_dict(state)
    tokens = random_tokens(TINY)
    torch.testing.assert_close(ours(tokens), theirs(tokens).logits, rtol=2e-4, atol=2e-4)


def test_local_layers_see_less_than_global_ones() -> None:
    narrow = build_model(TINY, 1, CPU)
    wide = build_model(replace(TINY, window=TINY.context), 1, CPU)
    sharpen(narrow)
    wide.load_state_dict(narrow.state_dict())
    tokens = random_tokens(TINY)
    near, far = narrow(tokens), wide(tokens)
    torch.testing.assert_close(near[:, : TINY.window], far[:, : TINY.window])
    assert (near[:, -1] - far[:, -1]).abs().max() > 0.01


@given(
    length=st.integers(1, 40),
    window=st.integers(1, 50),
)
def test_window_mask_is_the_definition(length: int, window: int) -> None:
    mask = window_mask(length, window)
    for i in range(length):
        assert [j for j in range(length) if mask[i, j]] == [
            j for j in range(length) if 0 <= i - j < window
        ]


def test_no_position_sees_a_later_one() -> None:
    model = build_model(TINY, 1, CPU)
    sharpen(model)
    tokens = random_tokens(TINY)
    changed = tokens.clone()
    changed[:, 20:] = (changed[:, 20:] + 1) % TINY.vocab_size
    torch.testing.assert_close(model(tokens)[:, :20], model(changed)[:, :20])


def test_initial_weights_are_gpt_neos_and_follow_the_seed() -> None:
    shape = Shape(vocab_size=512, context=64, layers=2, width=128, heads=4, window=8)
    model, again, other = (build_model(shape, seed, CPU) for seed in (1, 1, 2))
    state = model.state_dict()
    assert all(torch.equal(state[name], w) for name, w in again.state_dict().items())
    embedding = state["transformer.wte.weight"]
    assert not torch.equal(embedding, other.state_dict()["transformer.wte.weight"])
    for name, weight in state.items():
        if weight.ndim == 2:
            assert weight.std().item() == pytest.approx(0.02, rel=0.1), name
            assert abs(weight.mean().item()) < 0.002, name
        else:
            assert weight.unique().tolist() == [0.0 if name.endswith("bias") else 1.0], name


def test_the_token_embedding_alone_may_start_larger() -> None:
    plain, larger = build_model(TINY, 1, CPU), build_model(TINY, 1, CPU, embedding_std=0.06)
    for (name, w), v in zip(plain.named_parameters(), larger.parameters(), strict=True):
        torch.testing.assert_close(v, 3 * w if "wte" in name else w)


def test_loss_sum_is_cross_entropy_over_scored_targets() -> None:
    model = build_model(TINY, 1, CPU)
    sharpen(model)
    tokens = random_tokens(TINY)
    targets = tokens.roll(-1, dims=1)
    targets[:, -5:] = IGNORED
    logits = model(tokens).flatten(0, 1).double()
    nats = torch.nn.functional.cross_entropy(logits, targets.flatten(), reduction="sum")
    assert model.loss_sum(tokens, targets).item() == pytest.approx(nats.item(), rel=1e-5)


def test_scoring_in_chunks_changes_nothing(monkeypatch) -> None:
    model = build_model(TINY, 1, CPU)
    tokens = random_tokens(TINY)
    whole = model.loss_sum(tokens, tokens).item()
    monkeypatch.setattr("train.model._EVAL_ROWS", 7)
    with torch.no_grad():
        assert model.loss_sum(tokens, tokens).item() == pytest.approx(whole, rel=1e-6)


@settings(max_examples=10)
@given(layers=st.integers(1, 4), heads=st.integers(1, 3), vocab=st.integers(2, 50))
def test_weight_names_are_transformers_own(layers: int, heads: int, vocab: int) -> None:
    shape = Shape(
        vocab_size=vocab, context=9, layers=layers, width=6 * heads, heads=heads, window=4
    )
    theirs = {name: tuple(w.shape) for name, w in reference(shape).state_dict().items()}
    del theirs["lm_head.weight"]
    with torch.device("meta"):
        ours = GPTNeo(shape).state_dict()
    assert {name: tuple(w.shape) for name, w in ours.items()} == theirs


def test_pycodegpt_has_110_million_parameters() -> None:
    shape = Shape(vocab_size=32_000, context=1024, layers=12, width=768, heads=12, window=256)
    with torch.device("meta"):
        assert parameter_count(GPTNeo(shape)) == pytest.approx(110.4e6, rel=0.001)
