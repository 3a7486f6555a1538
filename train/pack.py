"""The cleaned corpus as token files: what training maps into memory and reads at random.

A split is `SPLIT.bin`, unsigned little-endian ids of 16 bits (32 if the vocabulary needs them),
and `SPLIT.offsets.npy`, where each document begins, with the file's length as the last entry.
A document is `<|endoftext|>` and then its tokens: the token says "something new begins", before
the first document as before every other, and the next document's ends this one.
`token_bytes.npy` says how many UTF-8 bytes each id stands for, so that bits per byte are exact
over any window.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from corpus.errors import TrainError
from corpus.events import Notice, Progress, Report, silent
from corpus.files import named_errors, remove_leftovers
from corpus.layout import SPLITS
from corpus.manifest import FILE_NAME, Manifest, file_entry, write_manifest
from corpus.recipe import digest
from corpus.shards import Shard
from train.inputs import cleaned_shards, finished, input_entries, read_texts
from train.partial import Counts, Partial, forget, save_array
from train.recipe import PackRecipe
from train.tokenizer import (
    END_OF_TEXT,
    TOKENIZER_FILE,
    load_tokenizer,
    token_byte_counts,
    tokenizer_digest,
)

STAGE = "pack"
VERSION = 1  # raised when the same text and tokenizer give other files
TOKEN_BYTES_FILE = "token_bytes.npy"
JOURNAL_BYTES = 64 << 20  # of text between two entries: what a kill can cost


def bin_path(folder: Path, split: str) -> Path:
    """The split's token ids."""
    return folder / f"{split}.bin"


def offsets_path(folder: Path, split: str) -> Path:
    """Where the split's documents begin."""
    return folder / f"{split}.offsets.npy"


def token_type(vocab_size: int) -> np.dtype:
    """The narrower of the two types that holds every id."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


def pack_corpus(
    clean: Path, tokenizer: Path, folder: Path, recipe: PackRecipe, *, report: Report = silent
) -> Manifest:
    """Encode every split of `clean` with the tokenizer of that folder, unless that is done.

    A killed run is taken up where its journal stands, and ends in the same bytes. The manifest's
    facts hold the tokenizer's digest and each split's documents, tokens and bytes.
    Raises StaleInputError, ShardError, TokensError, DiskFullError or TrainError.
    """
    started = time.monotonic()
    encoder = load_tokenizer(tokenizer)
    shards = {split: cleaned_shards(clean, split) for split in SPLITS}
    wanted = _work(shards, tokenizer, folder)
    if done := finished(folder, wanted):
        _tell(done, report, "up to date, ")
        return done
    if not sum(shard.rows for shard in shards["train"]):
        raise TrainError(f"{clean}/train: no documents to train on")
    with named_errors(folder):
        (folder / FILE_NAME).unlink(missing_ok=True)
    remove_leftovers(folder)
    stamp = digest([wanted.parameters, wanted.inputs])
    counts = _pack_splits(shards, encoder, folder, stamp, recipe, report)
    save_array(folder / TOKEN_BYTES_FILE, token_byte_counts(encoder))
    manifest = replace(
        wanted,
        outputs=tuple(file_entry(path, folder) for path in _outputs(folder)),
        facts={"tokenizer": tokenizer_digest(tokenizer), **_facts(encoder, counts)},
        seconds=round(time.monotonic() - started, 3),
    )
    write_manifest(folder, manifest)
    for split in SPLITS:
        forget(bin_path(folder, split), offsets_path(folder, split))
    _tell(manifest, report)
    return manifest


def encode_documents(encoder: Tokenizer, texts: Sequence[str], dtype: np.dtype) -> list[np.ndarray]:
    """Each text as `<|endoftext|>` and its tokens; encoded on all cores, in the order given."""
    first = encoder.token_to_id(END_OF_TEXT)
    encodings = encoder.encode_batch_fast(list(texts), add_special_tokens=False)
    return [np.array([first, *encoding.ids], dtype) for encoding in encodings]


def batches(texts: Iterable[Sequence[str]], max_bytes: int) -> Iterator[tuple[list[str], int]]:
    """Consecutive texts, with their UTF-8 bytes: at most `max_bytes` together, or one text."""
    batch: list[str] = []
    held = 0
    for text in chain.from_iterable(texts):
        size = len(text.encode())
        if batch and held + size > max_bytes:
            yield batch, held
            batch, held = [], 0
        batch.append(text)
        held += size
    if batch:
        yield batch, held


def _work(shards: Mapping[str, Sequence[Shard]], tokenizer: Path, folder: Path) -> Manifest:
    made_with = file_entry(tokenizer / TOKENIZER_FILE, folder)
    texts = [entry for listed in shards.values() for entry in input_entries(listed, folder)]
    return Manifest(stage=STAGE, parameters={"version": VERSION}, inputs=(made_with, *texts))


def _facts(encoder: Tokenizer, counts: Mapping[str, Counts]) -> dict[str, Any]:
    vocab_size = encoder.get_vocab_size()
    splits = {split: asdict(counted) for split, counted in counts.items()}
    return {"vocab_size": vocab_size, "dtype": token_type(vocab_size).str, "splits": splits}


def _pack_splits(
    shards: Mapping[str, Sequence[Shard]],
    encoder: Tokenizer,
    folder: Path,
    stamp: str,
    recipe: PackRecipe,
    report: Report,
) -> dict[str, Counts]:
    dtype = token_type(encoder.get_vocab_size())
    counts = {}
    for split, listed in shards.items():
        partial = Partial(bin_path(folder, split), offsets_path(folder, split), dtype, stamp)
        if not partial.complete:
            tell = _teller(split, listed, report)
            with partial:
                _fill(partial, listed, encoder, dtype, recipe.batch_bytes, tell)
        counts[split] = partial.counts
    return counts


def _fill(
    partial: Partial,
    shards: Sequence[Shard],
    encoder: Tokenizer,
    dtype: np.dtype,
    batch_bytes: int,
    tell: Callable[[Counts], None],
) -> None:
    saved = partial.counts.bytes
    tell(partial.counts)
    for texts, text_bytes in batches(read_texts(shards, partial.counts.documents), batch_bytes):
        partial.append(encode_documents(encoder, texts, dtype), text_bytes)
        if partial.counts.bytes - saved >= JOURNAL_BYTES:
            partial.save()
            saved = partial.counts.bytes
        tell(partial.counts)
    partial.finish()


def _teller(split: str, shards: Sequence[Shard], report: Report) -> Callable[[Counts], None]:
    total = sum(shard.rows for shard in shards)

    def tell(counts: Counts) -> None:
        detail = f"{counts.tokens:,} tokens"
        report(Progress(f"pack {split}", counts.documents, total, "documents", detail))

    return tell


def _outputs(folder: Path) -> list[Path]:
    files = [f(folder, split) for split in SPLITS for f in (bin_path, offsets_path)]
    return [*files, folder / TOKEN_BYTES_FILE]


def _tell(manifest: Manifest, report: Report, state: str = "") -> None:
    splits = manifest.facts["splits"].items()
    counts = ", ".join(f"{name} {held['tokens']:,}" for name, held in splits)
    report(Notice(f"tokens: {state}{counts}"))
