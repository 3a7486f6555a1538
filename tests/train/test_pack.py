import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import (
    DiskFullError,
    FileError,
    ShardError,
    StaleInputError,
    TokensError,
    TrainError,
)
from corpus.events import Event, Notice, Progress
from corpus.layout import SPLITS, RunFolder
from corpus.manifest import Manifest, read_manifest
from corpus.shards import list_shards, read_rows
from train import pack
from train.pack import batches, pack_corpus, token_type
from train.partial import Partial
from train.recipe import PackRecipe, TokenizerRecipe
from train.tokenizer import load_tokenizer, tokenizer_digest, train_tokenizer

MakeRun = Callable[..., RunFolder]
ROOT = Path(__file__).parents[2]
SMALL = PackRecipe(batch_bytes=2_000)  # many batches


@pytest.fixture
def run(make_run: MakeRun) -> RunFolder:
    return with_tokenizer(make_run())


def with_tokenizer(run: RunFolder, vocab_size: int = 400) -> RunFolder:
    train_tokenizer(run.clean, run.tokenizer, TokenizerRecipe(vocab_size=vocab_size), seed=1)
    return run


def packed(run: RunFolder, recipe: PackRecipe = SMALL, **options) -> Manifest:
    return pack_corpus(run.clean, run.tokenizer, run.tokens, recipe, **options)


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the manifest, which holds the time that the work took."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "manifest.json"}


def texts_of(run: RunFolder, split: str) -> list[str]:
    return [
        text
        for shard in list_shards(run.clean / split)
        for text in read_rows(shard, columns=["text"])["text"].to_pylist()
    ]


@pytest.mark.parametrize("split", SPLITS)
def test_every_document_can_be_read_back(tiny_run: RunFolder, split: str) -> None:
    tokenizer = load_tokenizer(tiny_run.tokenizer)
    ids = np.fromfile(tiny_run.tokens / f"{split}.bin", "<u2")
    offsets = np.load(tiny_run.tokens / f"{split}.offsets.npy")
    documents = [ids[a:b] for a, b in itertools.pairwise(offsets)]
    boundary = tokenizer.token_to_id("<|endoftext|>")
    assert offsets.dtype == np.int64 and offsets[-1] == len(ids)
    assert all(ids[0] == boundary and boundary not in ids[1:] for ids in documents)
    assert [tokenizer.decode(ids[1:]) for ids in documents] == texts_of(tiny_run, split)


def test_the_manifest_counts_what_is_there(tiny_run: RunFolder) -> None:
    manifest = read_manifest(tiny_run.tokens, "pack")
    assert manifest.facts["tokenizer"] == tokenizer_digest(tiny_run.tokenizer)
    assert (manifest.facts["vocab_size"], manifest.facts["dtype"]) == (400, "<u2")
    token_bytes = np.load(tiny_run.tokens / "token_bytes.npy")
    for split in SPLITS:
        counts, texts = manifest.facts["splits"][split], texts_of(tiny_run, split)
        ids = np.fromfile(tiny_run.tokens / f"{split}.bin", "<u2")
        assert counts["documents"] == len(texts)
        assert counts["tokens"] == len(ids)
        assert counts["bytes"] == sum(len(t.encode()) for t in texts) == token_bytes[ids].sum()


def test_a_file_where_the_folder_should_be_is_named(run: RunFolder) -> None:
    run.tokens.write_text("mine")
    with pytest.raises(FileError, match="tokens: Not a directory"):
        packed(run)
    assert run.tokens.read_text() == "mine"


def test_only_finished_files_are_left(tiny_run: RunFolder) -> None:
    arrays = {f"{split}.{kind}" for split in SPLITS for kind in ("bin", "offsets.npy")}
    assert set(contents(tiny_run.tokens)) == {*arrays, "token_bytes.npy"}


@pytest.mark.parametrize("batch_bytes", [1, 700, 10**9])
def test_batches_change_nothing(run: RunFolder, tiny_run: RunFolder, batch_bytes: int) -> None:
    packed(run, PackRecipe(batch_bytes=batch_bytes))
    assert contents(run.tokens) == contents(tiny_run.tokens)


@given(st.lists(st.lists(st.text(max_size=9), max_size=5), max_size=5), st.integers(1, 20))
def test_batches_keep_order_and_bound(groups: list[list[str]], max_bytes: int) -> None:
    made = list(batches(groups, max_bytes))
    assert [t for batch, _ in made for t in batch] == [t for group in groups for t in group]
    for batch, size in made:
        assert size == sum(len(text.encode()) for text in batch)
        assert batch and (size <= max_bytes or len(batch) == 1)


def test_what_is_current_is_not_packed_again(run: RunFolder) -> None:
    first = packed(run)
    inode = (run.tokens / "train.bin").stat().st_ino
    events: list[Event] = []
    assert packed(run, report=events.append) == first
    assert (run.tokens / "train.bin").stat().st_ino == inode
    assert [type(event) for event in events] == [Notice]
    assert events[0].text.startswith("tokens: up to date, train 8,")


def test_another_tokenizer_packs_again(run: RunFolder) -> None:
    before = packed(run)
    after = packed(with_tokenizer(run, vocab_size=500))
    assert after.facts["tokenizer"] != before.facts["tokenizer"]
    assert after.facts["splits"]["train"]["tokens"] < before.facts["splits"]["train"]["tokens"]


@pytest.mark.parametrize("name", ["train.bin", "validation.offsets.npy", "token_bytes.npy"])
def test_a_lost_or_cut_file_is_made_again(run: RunFolder, tiny_run: RunFolder, name: str) -> None:
    packed(run)
    os.truncate(run.tokens / name, 10)
    packed(run)
    assert contents(run.tokens) == contents(tiny_run.tokens)


def test_progress_rises_to_its_total(run: RunFolder) -> None:
    events: list[Event] = []
    packed(run, report=events.append)
    for split, total in zip(SPLITS, (60, 8, 5), strict=True):
        told = [e for e in events if isinstance(e, Progress) and e.task == f"pack {split}"]
        assert [e.done for e in told] == sorted({e.done for e in told})
        assert {e.total for e in told} == {total} and told[-1].done == total


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("events_before", [1, 3, 9, 20, 23, 27, 30])
def test_a_run_is_taken_up_where_it_stopped(
    run: RunFolder, tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch, events_before: int
) -> None:
    monkeypatch.setattr(pack, "JOURNAL_BYTES", 4_000)
    seen: list[Progress] = []

    def stop(event: Event) -> None:
        if isinstance(event, Progress):
            seen.append(event)
        if len(seen) == events_before:
            raise StoppedError

    with pytest.raises(StoppedError):
        packed(run, report=stop)
    assert not (run.tokens / "manifest.json").exists()
    rest: list[Event] = []
    packed(run, report=rest.append)
    assert contents(run.tokens) == contents(tiny_run.tokens)
    # At most a journal's interval and one batch of a split are encoded twice.
    assert isinstance(rest[0], Progress)
    if rest[0].task == seen[-1].task:
        assert seen[-1].done - rest[0].done <= 12
    assert rest[0].task != "pack train" or seen[-1].task == "pack train"


KILLED = """
import os, signal, sys
from pathlib import Path
from corpus.layout import RunFolder
from train import pack
from train.recipe import PackRecipe
run, left = RunFolder(Path(sys.argv[1])), int(sys.argv[2])
pack.JOURNAL_BYTES = 4_000
def report(event):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
pack.pack_corpus(run.clean, run.tokenizer, run.tokens, PackRecipe(batch_bytes=2_000), report=report)
"""


def test_kill_9_again_and_again_changes_no_byte(run: RunFolder, tiny_run: RunFolder) -> None:
    # The journal lets every run get further than the one before it, though each is killed.
    for events_before in (4, 8, 14, 3, 2):
        command = [sys.executable, "-c", KILLED, str(run.root), str(events_before)]
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    packed(run)
    assert contents(run.tokens) == contents(tiny_run.tokens)


def test_a_damaged_journal_costs_time_and_nothing_else(
    run: RunFolder, tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack, "JOURNAL_BYTES", 4_000)

    def stop(event: Event) -> None:
        if isinstance(event, Progress) and event.done > 30:
            raise StoppedError

    with pytest.raises(StoppedError):
        packed(run, report=stop)
    (run.tokens / "train.journal.json").write_text("{")
    packed(run)
    assert contents(run.tokens) == contents(tiny_run.tokens)


def partial(folder: Path, stamp: str = "work", dtype: str = "<u2") -> Partial:
    return Partial(folder / "s.bin", folder / "s.offsets.npy", np.dtype(dtype), stamp)


def test_a_journal_that_promises_more_than_there_is_is_not_believed(tmp_path: Path) -> None:
    with partial(tmp_path) as half:
        half.append([np.arange(5), np.arange(3)], text_bytes=9)
        half.save()
    assert partial(tmp_path).counts.tokens == 8
    os.truncate(tmp_path / "s.bin.partial", 15)
    assert partial(tmp_path).counts.tokens == 0


def test_other_work_begins_anew(tmp_path: Path) -> None:
    with partial(tmp_path) as first:
        first.append([np.arange(5)], text_bytes=9)
        first.finish()
    assert partial(tmp_path).complete
    other = partial(tmp_path, stamp="other")
    assert not other.complete and other.counts.tokens == 0
    assert not list(tmp_path.iterdir())


def test_wide_ids_take_four_bytes(tmp_path: Path) -> None:
    assert [token_type(size).str for size in (65_536, 65_537)] == ["<u2", "<u4"]
    with partial(tmp_path, dtype="<u4") as wide:
        wide.append([np.array([70_000, 1], np.uint32)], text_bytes=3)
        wide.finish()
    assert np.fromfile(tmp_path / "s.bin", "<u4").tolist() == [70_000, 1]
    assert np.load(tmp_path / "s.offsets.npy").tolist() == [0, 2]


def test_a_full_disk_is_named_and_survived(
    run: RunFolder, tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("train.partial.fsync", full)
        with pytest.raises(DiskFullError, match=r"train\.bin: no space left"):
            packed(run)
    packed(run)
    assert contents(run.tokens) == contents(tiny_run.tokens)


def test_empty_held_out_splits_are_packed_empty(make_run: MakeRun) -> None:
    run = with_tokenizer(make_run(validation=[], test=[[]]))
    counts = packed(run).facts["splits"]
    assert counts["validation"] == counts["test"] == {"documents": 0, "tokens": 0, "bytes": 0}
    assert np.load(run.tokens / "test.offsets.npy").tolist() == [0]
    assert packed(run).facts["splits"] == counts


def test_an_empty_document_is_its_boundary_alone(make_run: MakeRun) -> None:
    run = with_tokenizer(make_run(test=[["", "x\n"]]))
    packed(run)
    assert np.load(run.tokens / "test.offsets.npy").tolist()[:2] == [0, 1]


def test_nothing_to_train_on_is_an_error(make_run: MakeRun, tiny_run: RunFolder) -> None:
    run = make_run(train=[])
    with pytest.raises(TrainError, match="clean/train: no documents to train on"):
        pack_corpus(run.clean, tiny_run.tokenizer, run.tokens, SMALL)


def test_stages_before_it_must_have_run(tmp_path: Path, tiny_run: RunFolder) -> None:
    with pytest.raises(TokensError, match="train one first"):
        pack_corpus(tiny_run.clean, tmp_path, tmp_path / "tokens", SMALL)
    with pytest.raises(StaleInputError, match="run the clean stage first"):
        pack_corpus(tmp_path, tiny_run.tokenizer, tmp_path / "tokens", SMALL)


def test_a_shard_damaged_within_is_named_and_leaves_no_token_file(run: RunFolder) -> None:
    path = run.clean / "train" / "shard-00001.parquet"
    data = bytearray(path.read_bytes())
    data[40:400] = os.urandom(360)  # the footer still reads well
    path.write_bytes(data)
    with pytest.raises(ShardError, match=r"shard-00001\.parquet"):
        packed(run)
    assert not run.tokens.exists() or not list(run.tokens.glob("*.bin"))


def test_a_recipe_is_checked() -> None:
    with pytest.raises(ValueError, match="batch_bytes must be at least 1"):
        PackRecipe(batch_bytes=0)
