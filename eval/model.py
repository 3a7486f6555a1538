"""Load a causal language model and its tokenizer from a folder, offline, or say what is wrong."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from corpus.errors import CheckpointError, EvalError
from corpus.files import file_digest
from corpus.recipe import digest

_ANSWER_FILES = ("*.json", "*.safetensors", "*.bin", "*.txt", "*.model")
_NOT_ANSWER_FILES = {"manifest.json", "generation_config.json"}
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model")
_DEFAULT_CONTEXT = 1024


@dataclass(frozen=True, slots=True)
class Model:
    """A model ready to sample from."""

    path: Path
    network: Any  # a transformers PreTrainedModel
    tokenizer: Any
    digest: str  # of all files that its answers depend on
    parameters: int
    context: int  # positions
    device: str
    forward_options: frozenset[str]  # of the arguments that not every architecture takes

    @property
    def bos_id(self) -> int | None:
        """What begins a document: BOS, or EOS where there is none, as PyCodeGPT's script has it."""
        tokenizer = self.tokenizer
        bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
        return eos if bos is None else bos


def load_model(path: Path, *, device: str = "auto", dtype: str = "float32") -> Model:
    """Load from a folder as transformers writes it. Raises CheckpointError naming the folder."""
    _check_folder(path)
    device = pick_device(device)
    with _quiet():
        tokenizer = _load_tokenizer(path)
        network = _load_network(path, getattr(torch, dtype))
    _check_weights(path, network)
    vocabulary = network.get_input_embeddings().num_embeddings
    if len(tokenizer) > vocabulary:
        problem = f"the tokenizer has {len(tokenizer)} tokens, the model only {vocabulary}"
        raise CheckpointError(path, f"{problem}: they don't belong together")
    options = inspect.signature(network.forward).parameters.keys()
    return Model(
        path=path,
        network=network.to(device).eval(),
        tokenizer=tokenizer,
        digest=model_digest(path),
        parameters=network.num_parameters(),
        context=_context(network.config),
        device=device,
        forward_options=frozenset(options) & {"position_ids", "logits_to_keep"},
    )


def model_digest(path: Path) -> str:
    """SHA-256 over the names and bytes of the files that a model's answers depend on."""
    files = {file for pattern in _ANSWER_FILES for file in path.glob(pattern)}
    named = sorted((f.name, file_digest(f)) for f in files if f.name not in _NOT_ANSWER_FILES)
    return hashlib.sha256(digest(named).encode()).hexdigest()


def pick_device(device: str) -> str:
    """`auto` is a GPU if there is one. Raises EvalError for a GPU that is not there."""
    available = torch.cuda.is_available()
    if device == "auto":
        return "cuda" if available else "cpu"
    if device == "cuda" and not available:
        raise EvalError("eval.device: there is no GPU here; say 'cpu' or 'auto'")
    return device


def _check_folder(path: Path) -> None:
    if not path.is_dir():
        raise CheckpointError(path, "no such model folder; train one first, or name one")
    if not (path / "config.json").is_file():
        raise CheckpointError(path, "no model: there is no config.json in this folder")
    if not any((path / name).is_file() for name in _TOKENIZER_FILES):
        problem = f"no tokenizer in this folder (none of {', '.join(_TOKENIZER_FILES)})"
        raise CheckpointError(path, f"{problem}; put the one that the model was trained with there")


def _load_tokenizer(path: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # any library's complaint about a damaged file
        problem = f"its tokenizer can't be loaded: {_first_line(error)}"
        raise CheckpointError(path, problem) from error


def _load_network(path: Path, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM

    network: Any
    notes: Any
    try:
        network, notes = AutoModelForCausalLM.from_pretrained(  # type: ignore[misc]
            path,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # any library's complaint about a damaged file
        problem = f"can't be loaded as a causal language model: {_first_line(error)}"
        raise CheckpointError(path, problem) from error
    # transformers only warns of these, and goes on with random numbers.
    wrong = [*notes["missing_keys"], *(key for key, *_ in notes["mismatched_keys"])]
    if wrong:
        problem = f"weights are missing or of another shape: {min(wrong)} ({len(wrong)} in all)"
        raise CheckpointError(path, problem)
    return network


def _check_weights(path: Path, network: Any) -> None:
    for name, weight in network.named_parameters():
        if not torch.isfinite(weight).all():
            raise CheckpointError(path, f"{name} holds NaN or infinite values; its training failed")


def _context(config: Any) -> int:
    for name in ("max_position_embeddings", "n_positions", "max_seq_len"):
        if isinstance(value := getattr(config, name, None), int):
            return value
    return _DEFAULT_CONTEXT


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no warnings of transformers: what matters is raised here."""
    from transformers.utils import logging as transformers_logging

    before = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.CRITICAL)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)
        if bars:
            transformers_logging.enable_progress_bar()
