"""Small models with random weights, and problems, for the tests of this room."""

import json
from pathlib import Path

import pytest

from eval.problems import Problem


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Threads of a small model only wait for each other where other tests run."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """A folder with a random GPT-Neo (context 64) and a byte-level tokenizer, as exported."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPTNeoConfig, GPTNeoForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-model")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<eos>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(["def f(x):\n    return x + 1\n" * 20], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", bos_token="<eos>")
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = GPTNeoConfig(
        vocab_size=len(fast),
        hidden_size=32,
        num_layers=2,
        num_heads=2,
        attention_types=[[["global", "local"], 1]],
        max_position_embeddings=64,
        window_size=16,
        bos_token_id=0,
        eos_token_id=0,
        initializer_range=0.2,
    )
    GPTNeoForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def model(tiny_model):
    from eval.model import load_model

    return load_model(tiny_model, device="cpu")


@pytest.fixture
def problems() -> list[Problem]:
    return [
        Problem(
            task_id=f"Add/{n}",
            prompt=f"def add_{n}(x):\n",
            entry_point=f"add_{n}",
            test=f"def check(candidate):\n    assert candidate(1) == {1 + n}\n",
            canonical_solution=f"    return x + {n}\n",
        )
        for n in range(3)
    ]


@pytest.fixture
def problems_file(problems, tmp_path) -> Path:
    path = tmp_path / "problems.jsonl"
    lines = [
        json.dumps({name: getattr(problem, name) for name in Problem.__slots__})
        for problem in problems
    ]
    path.write_text("\n".join(lines) + "\n")
    return path
