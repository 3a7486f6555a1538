"""A checkpoint as a folder that `AutoModelForCausalLM` and `AutoTokenizer` load offline."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corpus.files import atomic_path, named_errors, remove_leftovers, write_json
from corpus.manifest import FILE_NAME as MANIFEST
from train.checkpoint import MODEL
from train.model import INIT_STD, LAYER_NORM_EPS, Shape
from train.tokenizer import END_OF_TEXT, PAD, load_tokenizer

CONFIG, GENERATION = "config.json", "generation_config.json"


def export_model(weights: Path, shape: Shape, tokenizer: Path, folder: Path) -> list[Path]:
    """Write configuration, weights and tokenizer into `folder`; the files written.

    The folder's manifest goes first: whoever finds one finds a finished model.
    Raises TokensError if the tokenizer folder is not one, DiskFullError or FileError.
    """
    special = special_tokens(tokenizer)
    with named_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        remove_leftovers(folder)
    write_json(folder / CONFIG, model_config(shape, special))
    write_json(folder / GENERATION, {"_from_model_config": True, **special})
    copied = [(weights, folder / MODEL)]
    copied += [(path, folder / path.name) for path in tokenizer_files(tokenizer)]
    for source, target in copied:
        with atomic_path(target) as aside:
            shutil.copyfile(source, aside)
    return [folder / CONFIG, folder / GENERATION, *(target for _, target in copied)]


def model_config(shape: Shape, special: Mapping[str, int]) -> dict[str, Any]:
    """`config.json` for transformers' `GPTNeoConfig`."""
    pairs, odd = divmod(shape.layers, 2)
    kinds: list[list[Any]] = [[["global", "local"], pairs]] if pairs else []
    return {
        "architectures": ["GPTNeoForCausalLM"],
        "model_type": "gpt_neo",
        "vocab_size": shape.vocab_size,
        "max_position_embeddings": shape.context,
        "hidden_size": shape.width,
        "num_layers": shape.layers,
        "num_heads": shape.heads,
        "intermediate_size": 4 * shape.width,
        "attention_types": kinds + ([[["global"], 1]] if odd else []),
        "window_size": shape.window,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": LAYER_NORM_EPS,
        "initializer_range": INIT_STD,
        "attention_dropout": 0.0,
        "embed_dropout": 0.0,
        "resid_dropout": 0.0,
        "tie_word_embeddings": True,
        "use_cache": True,
        "dtype": "float32",
        **special,
    }


def tokenizer_files(tokenizer: Path) -> list[Path]:
    """What transformers needs of a tokenizer folder: all but the stage's own manifest."""
    with named_errors(tokenizer):
        return sorted(p for p in tokenizer.glob("*.json") if p.name != MANIFEST)


def special_tokens(tokenizer: Path) -> dict[str, int]:
    """Ids of the tokens that begin, end and pad a text. Raises TokensError naming the file."""
    loaded = load_tokenizer(tokenizer)
    names = {"bos_token_id": END_OF_TEXT, "eos_token_id": END_OF_TEXT, "pad_token_id": PAD}
    ids = {role: loaded.token_to_id(name) for role, name in names.items()}
    return {role: number for role, number in ids.items() if number is not None}
