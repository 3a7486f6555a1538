import numpy as np
import pytest
import torch

from corpus.errors import CheckpointError, ProblemsError
from corpus.events import Notice, Progress
from eval import sample as sample_module
from eval.decode import Row, decode
from eval.nucleus import Sampling, uniforms
from eval.problems import Problem
from eval.protocol import PROTOCOLS, Protocol
from eval.sample import Prompt, SamplePlan, fit_prompt, plan_batches, sample
from eval.samples import read_samples

GREEDY = Sampling(temperature=0.0, top_p=None, top_k=None)
WARM = Sampling(temperature=1.0, top_p=0.95, top_k=None)


def plan(**changes):
    values = {
        "protocol": PROTOCOLS["standard"],
        "sampling": WARM,
        "samples": 4,
        "max_new_tokens": 12,
        "batch_size": 3,
        "seed": 1,
    }
    return SamplePlan(**{**values, **changes})


def row(prompt, index=0, count=20):
    return Row(tuple(prompt), uniforms(1, "t", index, count))


def never(tokens):
    return False


def test_greedy_decoding_is_what_transformers_generates(model):
    prompts = [[5, 6, 7, 8, 9, 10, 11], [40, 41], [100, 101, 102, 103]]
    ours = decode(model, [row(prompt) for prompt in prompts], GREEDY, 20, never)
    for prompt, made in zip(prompts, ours, strict=True):
        ids = torch.tensor([prompt])
        whole = model.network.generate(ids, do_sample=False, max_new_tokens=20, pad_token_id=0)
        expected = whole[0, len(prompt) :].tolist()
        assert made == [token for token in expected if token != 0]
        assert made


def test_a_sample_is_the_same_in_any_batch(model):
    prompts = [[5, 6, 7, 8, 9, 10, 11], [40, 41], [40, 41], [100, 101, 102, 103]]
    rows = [row(prompt, index) for index, prompt in enumerate(prompts)]
    together = decode(model, rows, WARM, 20, never)
    assert together == [decode(model, [one], WARM, 20, never)[0] for one in rows]
    assert together[1] != together[2]  # one prompt, two samples


def test_sampled_tokens_follow_the_models_probabilities(model):
    prompt, draws = (5, 6, 7), 400
    rows = [Row(prompt, np.array([(i + 0.5) / draws])) for i in range(draws)]
    made = decode(model, rows, Sampling(temperature=1.0, top_p=None, top_k=None), 1, never)
    counts = np.bincount([tokens[0] if tokens else 0 for tokens in made], minlength=300)
    with torch.inference_mode():
        logits = model.network(torch.tensor([prompt])).logits[0, -1]
    expected = torch.softmax(logits, -1).numpy()
    assert counts[: len(expected)] / draws == pytest.approx(expected, abs=2 / draws)


def test_rows_end_at_eos_and_at_a_stop(model):
    rows = [row([5, 6, 7], index, 40) for index in range(20)]
    free = decode(model, rows, WARM, 40, never)
    stopped = decode(model, rows, WARM, 40, lambda tokens: True)
    assert all(0 not in tokens for tokens in free)
    assert any(len(tokens) < 40 for tokens in free)  # some met EOS
    assert [tokens[:8] for tokens in free] == stopped


def test_stops_are_cut_from_the_text(model, problems, tmp_path):
    stop = Protocol(name="letters", stops=("a", "e"))
    path = tmp_path / "s.jsonl"
    sample(model, problems, plan(), path)
    free = {(s.task_id, s.sample): s for s in read_samples(path, [p.task_id for p in problems])}
    cut_path = tmp_path / "cut.jsonl"
    sample(model, problems, plan(protocol=stop), cut_path)
    cut = read_samples(cut_path, [p.task_id for p in problems])
    assert not any(set("ae") & set(s.completion) for s in cut)
    for one in cut:
        assert free[one.task_id, one.sample].completion.startswith(one.completion)
    assert any(one.completion != free[one.task_id, one.sample].completion for one in cut)


@pytest.mark.parametrize("protocol, first", [("standard", 2), ("pycodegpt", 0)])
def test_pycodegpts_protocol_begins_with_bos(model, protocol, first, monkeypatch, tmp_path):
    seen = []

    def spy(model, rows, *rest):
        seen.extend(row.prompt for row in rows)
        return decode(model, rows, *rest)

    monkeypatch.setattr(sample_module, "decode", spy)
    text = "  ab\n"
    problem = Problem(task_id="t", prompt=text, entry_point="f", test="")
    settings = plan(protocol=PROTOCOLS[protocol], samples=1)
    sample(model, [problem], settings, tmp_path / "s.jsonl")
    tokens = model.tokenizer(text if protocol == "standard" else text.strip())["input_ids"]
    expected = tokens if protocol == "standard" else [model.bos_id, *tokens]
    assert seen == [tuple(expected)]


def test_a_killed_run_resumes_to_the_same_bytes_and_samples_nothing_twice(
    model, problems, tmp_path, monkeypatch
):
    whole, path = tmp_path / "whole.jsonl", tmp_path / "s.jsonl"
    assert sample(model, problems, plan(), whole) == 0
    content = whole.read_bytes()
    sampled = []

    def spy(model, rows, *rest):
        sampled.append(len(rows))
        return decode(model, rows, *rest)

    monkeypatch.setattr(sample_module, "decode", spy)
    ends = [0, *np.cumsum([len(line) + 1 for line in content.splitlines()]).tolist()]
    for cut, left in ((ends[3], 9), (ends[4], 9), (ends[7] - 5, 6), (ends[12], 0)):
        path.write_bytes(content[:cut])
        sampled.clear()
        assert sample(model, problems, plan(), path) == 12 - left
        assert (path.read_bytes(), sum(sampled)) == (content, left)


def test_other_samples_in_the_file_are_not_mixed(model, problems, tmp_path):
    path = tmp_path / "s.jsonl"
    sample(model, problems, plan(), path)
    with pytest.raises(ProblemsError, match="other samples"):
        sample(model, problems, plan(samples=2), path)


def test_progress_is_monotone_and_counts_what_was_there(model, problems, tmp_path):
    events = []
    sample(model, problems, plan(), tmp_path / "s.jsonl", events.append)
    done = [event.done for event in events if isinstance(event, Progress)]
    assert done == [0, 3, 6, 9, 12]
    assert {event.total for event in events if isinstance(event, Progress)} == {12}


def test_a_prompt_longer_than_the_context_loses_its_beginning_with_a_notice(model, tmp_path):
    long = Problem(task_id="long", prompt="x = 1\n" * 100, entry_point="f", test="")
    short = Problem(task_id="short", prompt="x = 1\n", entry_point="f", test="")
    events = []
    path = tmp_path / "s.jsonl"
    sample(model, [short, long], plan(samples=1, max_new_tokens=40), path, events.append)
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert notices == [
        "prompts longer than the model's context: 1, such as long; their beginnings are cut off"
    ]
    by_task = {s.task_id: s for s in read_samples(path, ["long", "short"])}
    assert by_task["long"].tokens <= 32


def test_the_context_limits_new_tokens():
    assert fit_prompt(range(10), 64, 100) == (tuple(range(10)), False)
    assert fit_prompt(range(63), 64, 100) == (tuple(range(63)), False)
    kept, truncated = fit_prompt(range(64), 64, 20)
    assert (kept, truncated) == (tuple(range(20, 64)), True)
    assert len(fit_prompt(range(500), 64, 100)[0]) == 32


def test_a_crowded_prompt_shares_its_batch_with_no_other():
    lengths = {"a": 10, "b": 60, "c": 10, "d": 10}
    prompts = [Prompt(name, (1,) * n, 1, False) for name, n in lengths.items()]
    settings = plan(samples=2, batch_size=3, max_new_tokens=20)
    batches = plan_batches(prompts, settings, 64)
    assert batches == [
        [("a", 0), ("a", 1)],
        [("b", 0), ("b", 1)],
        [("c", 0), ("c", 1), ("d", 0)],
        [("d", 1)],
    ]


def test_a_prompt_without_any_token_is_an_error(model, tmp_path):
    empty = Problem(task_id="none", prompt="", entry_point="f", test="")
    with pytest.raises(CheckpointError, match="no token of the prompt of none"):
        sample(model, [empty], plan(), tmp_path / "s.jsonl")


def test_a_small_model_on_the_cpu_uses_one_thread_and_gives_the_others_back(
    model, problems, tmp_path, monkeypatch
):
    seen = []

    def spy(*arguments):
        seen.append(torch.get_num_threads())
        return decode(*arguments)

    monkeypatch.setattr(sample_module, "decode", spy)
    torch.set_num_threads(2)
    try:
        sample(model, problems[:1], plan(samples=1), tmp_path / "s.jsonl")
        assert (seen, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(1)
