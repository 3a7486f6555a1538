import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from train.model import Shape, build_model
from train.optimizer import build_optimizer, clip_gradients, learning_rate, set_learning_rate
from train.recipe import OptimizerRecipe, ScheduleRecipe

SHAPE = Shape(vocab_size=50, context=8, layers=2, width=16, heads=2, window=4)


@given(
    steps=st.integers(1, 500),
    warmup=st.integers(0, 600),
    floor=st.floats(0, 1),
    data=st.data(),
)
def test_the_rate_stays_between_its_ends(steps, warmup, floor, data) -> None:
    schedule = ScheduleRecipe(warmup_steps=warmup, final_fraction=floor)
    step = data.draw(st.integers(0, steps - 1))
    rate = learning_rate(step, steps, 3.0, schedule)
    assert 0 < rate <= 3.0 or (rate == 0 and floor == 0)
    following = learning_rate(step + 1, steps, 3.0, schedule)
    if step + 1 < warmup:
        assert following > rate
    elif step >= warmup:
        assert following <= rate
        assert rate >= floor * 3.0 - 1e-12


def test_pycodegpts_schedule() -> None:
    schedule = ScheduleRecipe()
    rates = [learning_rate(step, 200_000, 5e-4, schedule) for step in (0, 499, 999, 1000)]
    assert rates == pytest.approx([5e-7, 2.5e-4, 5e-4, 5e-4])
    assert learning_rate(100_500, 200_000, 5e-4, schedule) == pytest.approx(2.5e-4)
    assert learning_rate(200_000, 200_000, 5e-4, schedule) == pytest.approx(0.0)


def test_the_cosine_ends_at_the_floor() -> None:
    schedule = ScheduleRecipe(warmup_steps=0, final_fraction=0.1)
    assert learning_rate(0, 10, 1.0, schedule) == 1.0
    assert learning_rate(10, 10, 1.0, schedule) == pytest.approx(0.1)


def test_only_matrices_decay() -> None:
    model = build_model(SHAPE, 1, torch.device("cpu"))
    optimizer = build_optimizer(model, OptimizerRecipe())
    decay = {id(w): g["weight_decay"] for g in optimizer.param_groups for w in g["params"]}
    for name, weight in model.named_parameters():
        matrix = name.endswith("weight") and ".ln_" not in name
        assert decay[id(weight)] == (0.1 if matrix else 0.0), name
    assert len(decay) == len(list(model.parameters()))


def test_a_step_is_adamw_by_its_formula() -> None:
    """Loshchilov & Hutter, arXiv:1711.05101, algorithm 2, for the first step of one matrix."""
    weight = torch.nn.Parameter(torch.tensor([[1.0, -2.0]], dtype=torch.float64))
    module = torch.nn.ParameterList([weight])
    optimizer = build_optimizer(module, OptimizerRecipe(eps=1e-3))
    set_learning_rate(optimizer, 0.01)
    gradient = torch.tensor([[0.5, -0.25]], dtype=torch.float64)
    weight.grad = gradient.clone()
    before = weight.detach().clone()
    optimizer.step()
    # The bias corrections leave m = g and v = g^2 after the first step.
    expected = before * (1 - 0.01 * 0.1) - 0.01 * gradient / (gradient.abs() + 1e-3)
    torch.testing.assert_close(weight.detach(), expected)


@pytest.mark.parametrize(("limit", "scale"), [(1.0, 0.2), (5.0, 1.0), (10.0, 1.0), (None, 1.0)])
def test_gradients_are_clipped_by_their_global_norm(limit, scale) -> None:
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    weights[0].grad, weights[1].grad = torch.tensor([3.0]), torch.tensor([4.0])
    assert clip_gradients(weights, limit).item() == pytest.approx(5.0)
    assert weights[0].grad.item() == pytest.approx(3.0 * scale, rel=1e-4)
    assert weights[1].grad.item() == pytest.approx(4.0 * scale, rel=1e-4)
