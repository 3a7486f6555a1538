import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from corpus.errors import CheckpointError, StaleInputError, TokensError, TrainError
from corpus.events import Event, Notice, Progress
from corpus.layout import RunFolder
from corpus.manifest import read_manifest
from train import run as stage
from train.checkpoint import MODEL, list_checkpoints
from train.data import HeldOutWindows, open_tokens
from train.device import pick_device
from train.metrics import FILE_NAME, lines_until
from train.model import build_model, parameter_count
from train.optimizer import build_optimizer
from train.recipe import (
    LoopRecipe,
    ModelRecipe,
    OptimizerRecipe,
    ScheduleRecipe,
    TokenizerRecipe,
    TrainRecipe,
)
from train.step import train_step

RECIPE = TrainRecipe(
    tokenizer=TokenizerRecipe(vocab_size=400),
    model=ModelRecipe(layers=2, width=24, heads=3, context=16, window=4),
    optimizer=OptimizerRecipe(learning_rate=5e-3),
    schedule=ScheduleRecipe(warmup_steps=2),
    loop=LoopRecipe(
        steps=6,
        batch_windows=4,
        micro_batch_windows=3,
        eval_every_steps=3,
        eval_windows=5,
        save_every_steps=2,
        device="cpu",
        sample_prompts=("def row", "import"),
        sample_tokens=5,
    ),
)
PROGRAM = """\
def row(value):
    if value > {number}:
        return {number} * value
    return [value for value in range({number})]
"""
MakeRun = Callable[..., RunFolder]


def with_loop(recipe: TrainRecipe = RECIPE, **changes) -> TrainRecipe:
    return dataclasses.replace(recipe, loop=dataclasses.replace(recipe.loop, **changes))


def run(folder: RunFolder, recipe: TrainRecipe = RECIPE, seed: int = 1):
    events: list[Event] = []
    manifest = stage.run_training(recipe, seed=seed, folder=folder, report=events.append)
    return manifest, events


def warnings(events: list[Event]) -> list[str]:
    return [e.text for e in events if isinstance(e, Notice) and e.warning]


def snapshot(folder: RunFolder) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in folder.root.rglob("*") if p.is_file()}


def test_from_corpus_to_a_model_that_transformers_loads(make_run: MakeRun) -> None:
    folder = make_run()
    manifest, events = run(folder)
    assert read_manifest(folder.model, "train") == manifest
    facts = manifest.facts
    assert facts["steps"] == 6
    assert facts["tokens_seen"] == 6 * 4 * 16
    assert facts["curve"][-1]["step"] == 6
    assert facts["device"].endswith(f"{torch.get_num_threads()} threads")
    model = AutoModelForCausalLM.from_pretrained(folder.model)
    assert facts["parameters"] == sum(w.numel() for w in model.parameters())
    assert len(AutoTokenizer.from_pretrained(folder.model)) == 400
    assert facts["shape"]["vocab_size"] == 400
    scored = {e.task: e for e in events if isinstance(e, Progress)}
    for split in ("validation", "test"):
        score, progress = facts["held_out"][split], scored[f"score {split}"]
        assert progress.done == progress.total == score["windows"]


def test_the_held_out_score_is_the_models_own(make_run: MakeRun) -> None:
    """Recomputed by transformers' model, one window at a time, over the whole split."""
    folder = make_run()
    manifest, _ = run(folder, with_loop(final_eval_windows=None))
    model = AutoModelForCausalLM.from_pretrained(folder.model, attn_implementation="eager")
    for split in ("validation", "test"):
        tokens = open_tokens(folder.tokens, split)
        nats = scored = 0.0
        with torch.no_grad():
            for batch in HeldOutWindows(tokens, context=16).batches(1):
                logits = model(batch.tokens).logits[0]
                loss = torch.nn.functional.cross_entropy(logits, batch.targets[0], reduction="sum")
                nats += float(loss)
                scored += int((batch.targets >= 0).sum())
        score = manifest.facts["held_out"][split]
        text = sum(len(row.encode()) for row in _texts(folder, split))
        assert score["tokens"] == scored == tokens.tokens - 1
        assert score["bytes"] == text
        assert score["loss"] == pytest.approx(nats / scored, rel=1e-4)
        bits = nats / torch.log(torch.tensor(2.0)).item()
        assert score["bits_per_byte"] == pytest.approx(bits / text, rel=1e-4)


def _texts(folder: RunFolder, split: str) -> list[str]:
    import pyarrow.parquet as pq

    return pq.read_table(folder.clean / split, columns=["text"])["text"].to_pylist()


def test_what_is_current_is_skipped(make_run: MakeRun) -> None:
    folder = make_run()
    first, _ = run(folder)
    before = snapshot(folder)
    again, events = run(folder)
    assert again == first
    assert snapshot(folder) == before
    assert [e.text for e in events if isinstance(e, Notice)][-1] == "model: up to date, 6 steps"


def test_a_lost_model_file_is_exported_again_without_training(make_run: MakeRun) -> None:
    folder = make_run()
    run(folder)
    weights = (folder.model / MODEL).read_bytes()
    (folder.model / MODEL).unlink()
    _, events = run(folder)
    assert (folder.model / MODEL).read_bytes() == weights
    assert "train" not in {e.task for e in events if isinstance(e, Progress)}


def test_a_model_folder_is_enough_to_skip_training(make_run: MakeRun) -> None:
    folder = make_run()
    first, _ = run(folder)
    assert stage.restart(folder)
    again, _ = run(folder)
    assert again == first
    assert not folder.checkpoints.exists()
    assert not stage.restart(folder)


def test_another_number_of_final_windows_scores_again(make_run: MakeRun) -> None:
    folder = make_run()
    run(folder)
    manifest, events = run(folder, with_loop(final_eval_windows=2))
    assert manifest.facts["held_out"]["test"]["windows"] == 2
    assert "train" not in {e.task for e in events if isinstance(e, Progress)}


def test_interrupted_by_ctrl_c_and_resumed(make_run: MakeRun, tmp_path: Path) -> None:
    whole, cut = make_run("whole"), make_run("cut")
    run(whole)

    def interrupt(event: Event) -> None:
        if isinstance(event, Progress) and event.task == "train" and event.done == 3:
            import signal

            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        stage.run_training(RECIPE, seed=1, folder=cut, report=interrupt)
    assert not folder_has_model(cut)
    run(cut)
    for name in (MODEL, "config.json", "tokenizer.json"):
        assert (cut.model / name).read_bytes() == (whole.model / name).read_bytes()
    names = [FILE_NAME]
    assert [(cut.checkpoints / n).read_bytes() for n in names] == [
        (whole.checkpoints / n).read_bytes() for n in names
    ]


def folder_has_model(folder: RunFolder) -> bool:
    return (folder.model / "manifest.json").exists()


def test_samples_are_taken_at_evaluations(make_run: MakeRun) -> None:
    folder = make_run()
    manifest, _ = run(folder)
    records = lines_until(folder.checkpoints / FILE_NAME, 6)
    samples = [(r["step"], r["prompt"], r["completion"]) for r in records if r["kind"] == "sample"]
    assert [s[:2] for s in samples] == [
        (3, "def row"),
        (3, "import"),
        (6, "def row"),
        (6, "import"),
    ]
    assert all(isinstance(s[2], str) for s in samples)
    assert len(manifest.facts["samples"]) == 2


def test_more_steps_than_tokens_is_told(make_run: MakeRun) -> None:
    folder = make_run(train=[[PROGRAM.format(number=n) for n in range(40)]])
    _, events = run(folder, with_loop(batch_windows=20))
    *_, told = warnings(events)  # the tokenizer has its own
    tokens = open_tokens(folder.tokens, "train").tokens
    epochs = 6 * 20 / ((tokens - 1) // 16)
    assert epochs > 1
    assert told == f"6 steps read the {tokens:,} training tokens {epochs:.1f} times over"


def test_too_few_tokens_for_one_step_is_an_error(make_run: MakeRun) -> None:
    folder = make_run()
    with pytest.raises(TokensError, match=r"train\.bin: too few tokens"):
        run(folder, with_loop(batch_windows=10_000))
    assert not folder.checkpoints.exists()


def test_no_held_out_text_is_told_and_training_goes_on(make_run: MakeRun) -> None:
    folder = make_run(validation=[[]], test=[[]])
    manifest, events = run(folder)
    assert [text.split(":")[0] for text in sorted(warnings(events))] == ["test", "validation"]
    assert manifest.facts["held_out"] == {}
    assert manifest.facts["curve"][-1]["bits_per_byte"] is None
    assert manifest.facts["curve"][-1]["train_loss"] > 0


def test_a_truncated_token_file_is_named(make_run: MakeRun) -> None:
    folder = make_run()
    run(folder)
    path = folder.tokens / "train.bin"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(TokensError, match=r"train\.bin: truncated or damaged"):
        stage.open_inputs(RECIPE, seed=1, folder=folder)


def test_tokens_of_another_tokenizer_are_refused(make_run: MakeRun) -> None:
    folder = make_run()
    run(folder)
    path = folder.tokenizer / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    with pytest.raises(TokensError, match=r"train\.bin: made with tokenizer"):
        stage.open_inputs(RECIPE, seed=1, folder=folder)


def test_before_packing_there_is_nothing_to_open(tmp_path: Path) -> None:
    with pytest.raises(StaleInputError, match="run `pycodegpt train pack` first"):
        stage.open_inputs(RECIPE, seed=1, folder=RunFolder(tmp_path))


def test_a_checkpoint_of_another_vocabulary_is_refused(make_run: MakeRun) -> None:
    folder = make_run()
    run(folder)
    before = {p: t for p, t in snapshot(folder).items() if folder.checkpoints in p.parents}
    smaller = dataclasses.replace(RECIPE, tokenizer=TokenizerRecipe(vocab_size=350))
    with pytest.raises(CheckpointError, match=r"model\.vocab_size is 400 there and 350 now"):
        run(folder, smaller)
    assert {p: p.stat().st_mtime_ns for p in before} == before
    stage.restart(folder)
    manifest, _ = run(folder, smaller)
    assert manifest.facts["shape"]["vocab_size"] == 350


def test_export_takes_the_last_checkpoint_even_before_the_end(make_run: MakeRun) -> None:
    folder = make_run()
    run(folder)
    inputs = stage.open_inputs(RECIPE, seed=1, folder=folder)
    last = list_checkpoints(folder.checkpoints)[-1]
    (last / MODEL).unlink()
    events: list[Event] = []
    manifest = stage.export_latest(inputs, folder, events.append)
    assert manifest.facts["steps"] == 4
    assert any("still in training, step 4 of 6" in text for text in warnings(events))
    manifest, _ = run(folder)  # not taken for the finished model
    assert manifest.facts["steps"] == 6


def test_export_without_a_checkpoint_says_what_to_run(make_run: MakeRun) -> None:
    folder = make_run()
    run(folder)
    stage.restart(folder)
    inputs = stage.open_inputs(RECIPE, seed=1, folder=folder)
    with pytest.raises(StaleInputError, match="run `pycodegpt train loop`"):
        stage.export_latest(inputs, folder)


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a GPU that is not there")
def test_a_gpu_that_is_not_there_is_one_line() -> None:
    with pytest.raises(TrainError, match="'cuda', but this torch sees no GPU"):
        pick_device("cuda")
    assert pick_device("auto") == torch.device("cpu")


@pytest.mark.slow
def test_the_110m_model_starts(tiny_run: RunFolder) -> None:
    """The published model and optimizer, one small step."""
    recipe = TrainRecipe(loop=LoopRecipe(batch_windows=1))
    tiny = dataclasses.replace(recipe, model=ModelRecipe(context=256))
    inputs = stage.open_inputs(tiny, seed=1, folder=tiny_run)
    shape = dataclasses.replace(inputs.plan.shape, vocab_size=32_000, context=1024)
    model = build_model(shape, 1, torch.device("cpu"))
    assert parameter_count(model) == pytest.approx(110e6, rel=0.01)
    optimizer = build_optimizer(model, recipe.optimizer)
    batch = inputs.batches.batch(0)
    first = train_step(model, optimizer, batch, nats=model.loss_sum, micro_batch=1)
    assert first.loss == pytest.approx(10.4, abs=0.5)  # ln 32,000
    second = train_step(model, optimizer, batch, nats=model.loss_sum, micro_batch=1)
    assert second.loss < first.loss
