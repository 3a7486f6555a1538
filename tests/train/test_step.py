import pytest
import torch

from corpus.errors import TrainError
from train.data import HeldOutBatch
from train.evaluation import score_windows
from train.model import IGNORED, GPTNeo, Shape, build_model
from train.optimizer import build_optimizer
from train.recipe import OptimizerRecipe
from train.step import train_step

SHAPE = Shape(vocab_size=40, context=12, layers=2, width=16, heads=2, window=4)
CPU = torch.device("cpu")


def rows() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(SHAPE.vocab_size, (6, SHAPE.context + 1), generator=generator)


def fresh() -> tuple[GPTNeo, torch.optim.AdamW]:
    model = build_model(SHAPE, 1, CPU)
    return model, build_optimizer(model, OptimizerRecipe())


def uneven() -> tuple[torch.Tensor, torch.Tensor]:
    """A batch with targets left out unevenly, so that averaging averages would show."""
    targets = rows()[:, 1:].clone()
    targets[0, 2:] = IGNORED
    targets[3:5] = IGNORED
    return rows()[:, :-1], targets


@pytest.mark.parametrize("micro_batch", [1, 2, 3, 5, 100])
def test_micro_batches_change_nothing(micro_batch: int) -> None:
    outcomes = []
    for size in (6, micro_batch):
        model, optimizer = fresh()
        result = train_step(model, optimizer, uneven(), nats=model.loss_sum, micro_batch=size)
        outcomes.append((result, [optimizer.state[w]["exp_avg"] for w in model.parameters()]))
    (whole, expected), (split, moments) = outcomes
    assert whole.tokens == split.tokens == 2 + 3 * 12
    assert split.loss == pytest.approx(whole.loss, rel=1e-6)
    assert split.grad_norm == pytest.approx(whole.grad_norm, rel=1e-5)
    for found, wanted in zip(moments, expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-8)


def test_the_loss_of_a_step_is_the_mean_over_scored_tokens() -> None:
    model, optimizer = fresh()
    tokens, targets = uneven()
    mean = torch.nn.functional.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
    result = train_step(model, optimizer, (tokens, targets), nats=model.loss_sum, micro_batch=2)
    assert result.loss == pytest.approx(mean.item(), rel=1e-5)


def test_a_batch_without_a_target_is_refused() -> None:
    model, optimizer = fresh()
    tokens = rows()[:, :-1]
    batch = (tokens, torch.full_like(tokens, IGNORED))
    with pytest.raises(TrainError, match="no target"):
        train_step(model, optimizer, batch, nats=model.loss_sum, micro_batch=2)


@pytest.mark.parametrize("spoilt", [float("nan"), float("inf")])
def test_a_step_that_is_not_finite_moves_nothing(spoilt: float) -> None:
    model, optimizer = fresh()
    before = {name: w.clone() for name, w in model.state_dict().items()}
    factors = iter([1.0, spoilt, 1.0, 1.0])

    def nats(tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return model.loss_sum(tokens, targets) * next(factors)

    assert train_step(model, optimizer, uneven(), nats=nats, micro_batch=3).skipped
    assert all(torch.equal(w, before[name]) for name, w in model.state_dict().items())
    assert all(w.grad is None for w in model.parameters())
    assert not optimizer.state
    assert not train_step(model, optimizer, uneven(), nats=nats, micro_batch=3).skipped
    assert any(not torch.equal(w, before[name]) for name, w in model.state_dict().items())


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] . DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_too_little_memory_says_which_knob(error: Exception) -> None:
    model, optimizer = fresh()

    def nats(tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        raise error

    with pytest.raises(TrainError, match=r"4 windows at once .*micro_batch_windows \(half is 2\)"):
        train_step(model, optimizer, uneven(), nats=nats, micro_batch=4)


def test_other_errors_pass() -> None:
    model, optimizer = fresh()

    def nats(tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        train_step(model, optimizer, uneven(), nats=nats, micro_batch=4)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_bits_per_byte_is_exact(size: int) -> None:
    """A model that gives every target 1/4 needs 2 bits a token, whatever the batches."""

    def nats(tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (targets != IGNORED).sum() * torch.tensor(4.0, dtype=torch.float64).log()

    targets = torch.zeros(3, 5, dtype=torch.int64)
    targets[2, 1:] = IGNORED
    sizes = torch.tensor([10, 7, 5])
    batches = [
        HeldOutBatch(targets[i : i + size], targets[i : i + size], sizes[i : i + size])
        for i in range(0, 3, size)
    ]
    score = score_windows(nats, batches, CPU)
    assert (score.tokens, score.bytes, score.windows) == (11, 22, 3)
    assert score.bits_per_byte == pytest.approx(11 * 2 / 22)
    assert score.loss == pytest.approx(1.3862943611)
