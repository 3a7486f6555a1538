"""A tiny cleaned corpus, and the tokenizer and token files made from it."""

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from corpus.layout import SPLITS, RunFolder
from corpus.manifest import Manifest, file_entry, write_manifest
from corpus.schema import CLEANED, git_blob_id
from corpus.shards import write_shard
from train.pack import pack_corpus
from train.recipe import PackRecipe, TokenizerRecipe
from train.tokenizer import train_tokenizer

# Tiny tensors gain nothing from threads, and on a busy machine waiting for them costs minutes.
torch.set_num_threads(1)

TINY_TOKENIZER = TokenizerRecipe(vocab_size=400)
_NAMES = ("row", "shard", "token", "batch", "window", "offset", "größe")


def program(seed: int) -> str:
    """A small Python file that differs with the seed."""
    draw = random.Random(seed)
    functions = []
    for number in range(draw.randint(2, 6)):
        name, other = draw.sample(_NAMES, 2)
        functions.append(
            f'def {name}_{number}(self, {other}):\n    """Return the {name} of {other}."""\n'
            f"    if {other} > {draw.randint(0, 999)}:\n        return self.{name}\n"
            f"    return [{other} for {other} in range({draw.randint(0, 99)})]\n"
        )
    return "import os\n\n\n" + "\n\n".join(functions)


def write_split(folder: Path, shards: Sequence[Sequence[str]]) -> list[Path]:
    """One cleaned shard for each list of texts."""
    paths = []
    for number, texts in enumerate(shards):
        path = folder / f"shard-{number:05}.parquet"
        with write_shard(path, CLEANED) as writer:
            rows = [_row(row, text) for row, text in enumerate(texts)]
            writer.write(pa.Table.from_pylist(rows, CLEANED))
        paths.append(path)
    return paths


def _row(row: int, text: str) -> dict[str, object]:
    return {
        "text": text,
        "repo_id": 7,
        "repo": "owner/name",
        "commit": "0" * 40,
        "path": f"file_{row}.py",
        "blob_id": git_blob_id(text.encode()),
        "license": "MIT",
        "stars": 3,
        "source_shard": "shard-00000.parquet",
        "source_row": row,
    }


def write_corpus(clean: Path, splits: Mapping[str, Sequence[Sequence[str]]]) -> Path:
    """A finished cleaned corpus: each split a list of shards, each shard a list of texts."""
    paths = [path for split in SPLITS for path in write_split(clean / split, splits[split])]
    entries = tuple(file_entry(path, clean) for path in paths)
    write_manifest(clean, Manifest(stage="clean", parameters={}, outputs=entries))
    return clean


def tiny_texts() -> dict[str, list[list[str]]]:
    """60 documents to train on, in three shards, and a few held-out ones."""
    return {
        "train": [[program(20 * shard + row) for row in range(20)] for shard in range(3)],
        "validation": [[program(1000 + row) for row in range(8)]],
        "test": [[program(2000 + row) for row in range(5)]],
    }


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run as far as its token files. Shared: read it, don't change it."""
    run = RunFolder(tmp_path_factory.mktemp("run"))
    write_corpus(run.clean, tiny_texts())
    train_tokenizer(run.clean, run.tokenizer, TINY_TOKENIZER, seed=1)
    pack_corpus(run.clean, run.tokenizer, run.tokens, PackRecipe())
    return run


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunFolder]:
    """Makes a run of one's own, with a cleaned corpus and nothing else."""

    def make(name: str = "run", **splits: list[list[str]]) -> RunFolder:
        run = RunFolder(tmp_path / name)
        write_corpus(run.clean, {**tiny_texts(), **splits})
        return run

    return make
