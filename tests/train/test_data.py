import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import TokensError
from corpus.layout import SPLITS, RunFolder
from corpus.manifest import read_manifest
from train.data import (
    IGNORED,
    HeldOutWindows,
    TokenFile,
    TrainingWindows,
    open_tokens,
    shuffled,
)
from train.tokenizer import tokenizer_digest

COUNTS = st.integers(1, 300)


def token_file(tokens: int, vocab_size: int = 1000) -> TokenFile:
    """A file in memory whose ids are 0, 1, 2, ..."""
    return TokenFile(
        path=Path("tokens/train.bin"),
        ids=(np.arange(tokens) % vocab_size).astype("<u2"),
        offsets=np.array([0, tokens]),
        token_bytes=np.arange(vocab_size, dtype=np.int32) % 7,
        tokenizer_digest="t",
    )


@st.composite
def training_windows(draw: st.DrawFn) -> TrainingWindows:
    context = draw(st.integers(1, 5))
    count = draw(st.integers(1, 40))
    tokens = count * context + 1 + draw(st.integers(0, context - 1))
    return TrainingWindows(
        token_file(tokens),
        context=context,
        batch_windows=draw(st.integers(1, count)),
        seed=draw(st.integers(0, 3)),
    )


@given(COUNTS, st.text(max_size=3))
def test_shuffling_is_a_permutation(count: int, key: str) -> None:
    places = np.arange(count)
    assert sorted(shuffled(places, count, key)) == places.tolist()


@given(st.integers(1, 2**45), st.data())
def test_shuffling_needs_no_table(count: int, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=8, unique=True))
    together = shuffled(np.array(places), count, "key")
    assert len(set(together)) == len(places) and ((together >= 0) & (together < count)).all()
    alone = [int(shuffled(np.array([place]), count, "key")[0]) for place in places]
    assert alone == together.tolist()


def test_shuffling_spreads_evenly() -> None:
    # Where place 0 goes under 3,000 keys: each tenth of the range gets its share.
    images = [int(shuffled(np.array([0]), 1_000, str(key))[0]) for key in range(3_000)]
    shares = np.bincount(np.array(images) // 100, minlength=10)
    assert shares.min() > 220 and shares.max() < 380


def test_neighbours_do_not_stay_neighbours() -> None:
    order = shuffled(np.arange(10_000), 10_000, "key")
    assert np.mean(np.abs(np.diff(order)) < 10) < 0.01
    assert abs(np.corrcoef(order, np.arange(10_000))[0, 1]) < 0.05


def test_the_order_is_the_same_in_every_version() -> None:
    # A changed order would break the exact resume of every run that a checkpoint was saved of.
    order = [19, 17, 3, 8, 6, 10, 9, 4, 16, 0, 14, 18, 7, 12, 5, 15, 13, 11, 2, 1]
    assert shuffled(np.arange(20), 20, "1:0").tolist() == order


@given(training_windows())
def test_every_window_once_an_epoch(windows: TrainingWindows) -> None:
    steps = -(-3 * windows.count // windows.batch_windows)
    sequence = np.concatenate([windows.windows(step) for step in range(steps)])
    for epoch in range(3):
        numbers = sequence[epoch * windows.count : (epoch + 1) * windows.count]
        assert sorted(numbers) == list(range(windows.count))


def test_each_epoch_and_each_seed_has_an_order_of_its_own() -> None:
    def order(seed: int, step: int) -> list[int]:
        windows = TrainingWindows(token_file(201), context=4, batch_windows=50, seed=seed)
        assert windows.epoch(step) == step
        return windows.windows(step).tolist()

    orders = [order(seed, step) for seed in (1, 2) for step in (0, 1, 2)]
    assert len({tuple(o) for o in orders}) == 6
    assert sorted(orders[0]) == list(range(50)) != orders[0]


@given(training_windows(), st.integers(0, 10**9))
def test_any_step_can_be_read_alone(windows: TrainingWindows, step: int) -> None:
    fresh = TrainingWindows(
        windows.tokens,
        context=windows.context,
        batch_windows=windows.batch_windows,
        seed=windows._seed,
    )
    for earlier in range(3):
        windows.batch(earlier)
    for mine, theirs in zip(windows.batch(step), fresh.batch(step), strict=True):
        assert torch.equal(mine, theirs)


@given(training_windows(), st.integers(0, 50), st.integers(1, 5), st.integers(1, 7))
def test_ranks_and_micro_batches_only_group(
    windows: TrainingWindows, step: int, world: int, micro_batch_windows: int
) -> None:
    pieces = [
        piece
        for rank in range(world)
        for piece in windows.micro_batches(
            step, micro_batch_windows=micro_batch_windows, rank=rank, world=world
        )
    ]
    whole = windows.batch(step)
    for kind in (0, 1):
        assert torch.equal(torch.cat([piece[kind] for piece in pieces]), whole[kind])
    assert max(len(piece[0]) for piece in pieces) <= micro_batch_windows


@given(training_windows(), st.integers(0, 50))
def test_targets_are_the_tokens_that_follow(windows: TrainingWindows, step: int) -> None:
    tokens, targets = windows.batch(step)
    assert tokens.shape == targets.shape == (windows.batch_windows, windows.context)
    assert tokens.dtype == targets.dtype == torch.int64
    assert tokens[:, 0].tolist() == (windows.windows(step) * windows.context).tolist()
    assert torch.equal(targets, tokens + 1)


@pytest.mark.parametrize(("tokens", "have"), [(0, 0), (1, 0), (8, 0), (24, 2)])
def test_too_few_tokens_are_counted_out(tokens: int, have: int) -> None:
    problem = rf"train\.bin: .*its {tokens} tokens make {have} windows of 8\+1.* reads 3;"
    with pytest.raises(TokensError, match=problem):
        TrainingWindows(token_file(tokens), context=8, batch_windows=3, seed=1)
    assert TrainingWindows(token_file(25), context=8, batch_windows=3, seed=1).count == 3


@given(st.integers(2, 200), st.integers(1, 9), st.integers(1, 5))
def test_held_out_windows_score_every_token_but_the_first(
    tokens: int, context: int, size: int
) -> None:
    file = token_file(tokens)
    batches = list(HeldOutWindows(file, context=context).batches(size))
    targets = torch.cat([batch.targets for batch in batches])
    read = torch.cat([batch.tokens for batch in batches])
    scored = targets != IGNORED
    assert targets[scored].tolist() == list(range(1, tokens))
    assert read[scored].tolist() == list(range(tokens - 1))
    text_bytes = torch.cat([batch.text_bytes for batch in batches])
    for row, row_scored, row_bytes in zip(targets, scored, text_bytes, strict=True):
        assert file.token_bytes[row[row_scored]].sum() == row_bytes
    assert max(len(batch.tokens) for batch in batches) <= size


def test_a_share_of_the_held_out_windows_is_spread_over_the_file() -> None:
    windows = HeldOutWindows(token_file(101), context=10, max_windows=5)
    assert windows.numbers.tolist() == [0, 2, 4, 6, 8]
    assert len(HeldOutWindows(token_file(101), context=10, max_windows=99).numbers) == 10


@pytest.mark.parametrize("tokens", [0, 1])
def test_nothing_to_score_is_an_error(tokens: int) -> None:
    with pytest.raises(TokensError, match=f"{tokens} tokens: nothing to score"):
        HeldOutWindows(token_file(tokens), context=4)


@pytest.mark.parametrize("split", SPLITS)
def test_a_packed_split_is_opened_as_its_manifest_says(tiny_run: RunFolder, split: str) -> None:
    file = open_tokens(tiny_run.tokens, split, tokenizer_digest(tiny_run.tokenizer))
    counts = read_manifest(tiny_run.tokens).facts["splits"][split]
    assert (file.tokens, file.documents) == (counts["tokens"], counts["documents"])
    batches = HeldOutWindows(file, context=32).batches(4)
    assert sum(int(batch.text_bytes.sum()) for batch in batches) == counts["bytes"]


@pytest.fixture
def tokens(tiny_run: RunFolder, tmp_path: Path) -> Path:
    """Token files that may be damaged."""
    return shutil.copytree(tiny_run.tokens, tmp_path / "tokens")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0\0")


def shift(path: Path) -> None:
    np.save(path, np.load(path) + 1)


def swap(path: Path) -> None:
    np.save(path, np.load(path)[[0, 2, 1, *range(3, len(np.load(path)))]])


def widen(path: Path) -> None:
    np.save(path, np.load(path).astype(np.float64))


@pytest.mark.parametrize(
    ("name", "damage", "problem"),
    [
        ("train.bin", Path.unlink, "No such file or directory; pack again"),
        ("train.bin", cut, "truncated or damaged: .* bytes where .* tokens need"),
        ("train.bin", lengthen, "truncated or damaged"),
        ("train.offsets.npy", Path.unlink, "No such file or directory; pack again"),
        ("train.offsets.npy", cut, "truncated or damaged"),
        ("train.offsets.npy", shift, "damaged, or not of train.bin"),
        ("train.offsets.npy", swap, "damaged, or not of train.bin"),
        ("train.offsets.npy", widen, "not a row of int64"),
        ("token_bytes.npy", Path.unlink, "No such file or directory; pack again"),
        ("token_bytes.npy", cut, "truncated or damaged"),
        ("manifest.json", Path.unlink, "the pack stage has not finished there"),
        ("manifest.json", cut, "damaged"),
    ],
)
def test_what_is_wrong_is_named(
    tokens: Path, name: str, damage: Callable[[Path], None], problem: str
) -> None:
    damage(tokens / name)
    with pytest.raises(TokensError, match=problem) as caught:
        open_tokens(tokens, "train")
    assert caught.value.path == tokens / name


def test_an_unknown_split_is_named(tokens: Path) -> None:
    with pytest.raises(TokensError, match=r"dev\.bin: the folder's manifest doesn't speak of it"):
        open_tokens(tokens, "dev")


def test_another_tokenizer_is_refused(tokens: Path) -> None:
    with pytest.raises(TokensError, match=r"train\.bin: made with tokenizer .*, not with feedface"):
        open_tokens(tokens, "train", "feedface")


def test_an_id_outside_the_vocabulary_is_named_when_it_is_read(tokens: Path) -> None:
    data = bytearray((tokens / "train.bin").read_bytes())
    data[200:202] = (60_000).to_bytes(2, "little")
    (tokens / "train.bin").write_bytes(data)
    windows = TrainingWindows(open_tokens(tokens, "train"), context=50, batch_windows=1, seed=1)
    with pytest.raises(TokensError, match=r"train\.bin: .*id 60000 near token 100 is outside"):
        for step in range(windows.count):
            windows.batch(step)
