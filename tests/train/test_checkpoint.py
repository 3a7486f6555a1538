import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from corpus.errors import CheckpointError, DiskFullError
from corpus.events import Notice
from train.checkpoint import (
    MODEL,
    OPTIMIZER,
    STATE,
    State,
    check_identity,
    latest_checkpoint,
    list_checkpoints,
    load_weights,
    open_checkpoint,
    prune_checkpoints,
    remove_half_written,
    restore,
    save_checkpoint,
)
from train.model import GPTNeo, Shape, build_model
from train.optimizer import build_optimizer
from train.recipe import OptimizerRecipe

SHAPE = Shape(vocab_size=50, context=8, layers=2, width=16, heads=2, window=4)
STATE_10 = State(
    step=10,
    tokens=640,
    skipped=1,
    seconds=2.5,
    loss=3.25,
    identity={"model.width": 16, "tokenizer": "abc"},
)


def trained(seed: int = 1, steps: int = 2) -> tuple[GPTNeo, torch.optim.AdamW]:
    model = build_model(SHAPE, seed, torch.device("cpu"))
    optimizer = build_optimizer(model, OptimizerRecipe())
    for step in range(steps):
        one_step(model, optimizer, step)
    return model, optimizer


def one_step(model: GPTNeo, optimizer: torch.optim.AdamW, step: int) -> Tensor:
    generator = torch.Generator().manual_seed(step)
    tokens = torch.randint(SHAPE.vocab_size, (4, 8), generator=generator)
    loss = model.loss_sum(tokens, tokens) / tokens.numel()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach()


def save(folder: Path, step: int = 10) -> Path:
    return save_checkpoint(folder, *trained(), replace(STATE_10, step=step)).path


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    model, optimizer = trained()
    saved = save_checkpoint(tmp_path, model, optimizer, STATE_10)
    assert saved.path == tmp_path / "step-00000010"
    torch.manual_seed(99)
    other, other_optimizer = trained(seed=2, steps=0)
    random_before = torch.get_rng_state()
    found = latest_checkpoint(tmp_path)
    assert found == saved
    restore(found, other, other_optimizer)
    assert not torch.equal(random_before, torch.get_rng_state())
    for step in (5, 6):
        assert torch.equal(one_step(model, optimizer, step), one_step(other, other_optimizer, step))
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, other.state_dict()[name]), name


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = save(tmp_path / "a"), save(tmp_path / "b")
    for name in (MODEL, OPTIMIZER):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_no_checkpoint_at_all_is_none(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path / "missing") is None
    assert latest_checkpoint(tmp_path) is None


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip_bit(path: Path) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)


@pytest.mark.parametrize("damage", [truncate, flip_bit, Path.unlink])
@pytest.mark.parametrize("name", [MODEL, OPTIMIZER, STATE])
def test_a_damaged_one_is_named_and_the_one_before_taken(tmp_path, name, damage) -> None:
    good, bad = save(tmp_path, 10), save(tmp_path, 20)
    damage(bad / name)
    notices: list[Notice] = []
    found = latest_checkpoint(tmp_path, notices.append)
    assert found is not None
    assert found.path == good
    assert [notice.warning for notice in notices] == [True]
    assert str(bad) in notices[0].text
    assert name in notices[0].text


def test_state_of_another_format_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path)
    fields = json.loads((path / STATE).read_text())
    (path / STATE).write_text(json.dumps({**fields, "format": 99}))
    with pytest.raises(CheckpointError, match="format 99; this version reads 1"):
        open_checkpoint(path)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"digest": 1}', "\x00"])
def test_any_state_file_is_an_answer_or_a_checkpoint_error(tmp_path: Path, text: str) -> None:
    path = save(tmp_path)
    (path / STATE).write_text(text)
    with pytest.raises(CheckpointError, match=STATE):
        open_checkpoint(path)


def test_all_damaged_is_for_the_user_to_decide(tmp_path: Path) -> None:
    truncate(save(tmp_path) / MODEL)
    with pytest.raises(CheckpointError, match="remove the folder to start training anew"):
        latest_checkpoint(tmp_path)


def test_another_identity_names_both_values(tmp_path: Path) -> None:
    save(tmp_path)
    found = latest_checkpoint(tmp_path)
    assert found is not None
    check_identity(found, {"model.width": 16, "tokenizer": "abc"})
    with pytest.raises(CheckpointError, match=r"model\.width is 16 there and 32 now") as caught:
        check_identity(found, {"model.width": 32, "tokenizer": "abc"})
    assert "tokenizer is" not in str(caught.value)
    with pytest.raises(CheckpointError, match="seed is None there and 1 now"):
        check_identity(found, {"model.width": 16, "tokenizer": "abc", "seed": 1})


def test_weights_of_another_shape_name_the_weight(tmp_path: Path) -> None:
    path = save(tmp_path)
    wider = build_model(replace(SHAPE, vocab_size=60), 1, torch.device("cpu"))
    with pytest.raises(CheckpointError, match=r"wte\.weight is \(50, 16\) in the file, \(60, 16\)"):
        load_weights(path / MODEL, wider)
    deeper = build_model(replace(SHAPE, layers=3), 1, torch.device("cpu"))
    with pytest.raises(CheckpointError, match=r"h\.2\.\S+ is missing in the file"):
        load_weights(path / MODEL, deeper)


def test_the_last_ones_are_kept(tmp_path: Path) -> None:
    for step in (5, 10, 100, 20):
        save(tmp_path, step)
    prune_checkpoints(tmp_path, keep=2, step=100)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-00000020", "step-00000100"]
    prune_checkpoints(tmp_path, keep=5, step=100)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_later_one_does_not_push_out_the_good(tmp_path: Path) -> None:
    for step in (10, 15, 20):
        save(tmp_path, step)
    prune_checkpoints(tmp_path, keep=1, step=15)  # 20 was damaged, training went on from 10
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-00000015"]


def test_saving_a_step_again_replaces_it(tmp_path: Path) -> None:
    path = save(tmp_path)
    truncate(path / MODEL)
    assert save(tmp_path) == path
    assert open_checkpoint(path).state == STATE_10
    assert list(tmp_path.iterdir()) == [path]


def test_half_written_ones_are_not_checkpoints(tmp_path: Path) -> None:
    path = save(tmp_path)
    shutil.copytree(path, tmp_path / "step-00000020.123.aside")
    assert list_checkpoints(tmp_path) == [path]
    (tmp_path / "metrics.jsonl.123.aside").touch()
    assert remove_half_written(tmp_path) == 2
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", [MODEL, OPTIMIZER, STATE])
def test_a_full_disk_leaves_the_last_checkpoint_alone(tmp_path, monkeypatch, name) -> None:
    path = save(tmp_path)

    def full(target: Path, *args: object, **kwargs: object) -> int:
        if target.name == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(target, *args, **kwargs)

    method = "write_text" if name == STATE else "write_bytes"
    original = getattr(Path, method)
    monkeypatch.setattr(Path, method, full)
    with pytest.raises(DiskFullError, match="step-00000020"):
        save(tmp_path, 20)
    assert list(tmp_path.iterdir()) == [path]
    assert open_checkpoint(path).state == STATE_10
