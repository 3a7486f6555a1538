r"""A byte-level BPE tokenizer, trained on a seeded sample of the cleaned train split.

What a token may span is fixed before any merge is learned, by a pattern that splits text into
pieces (after GPT-2 and its successors). Python needs runs of spaces and newlines in one token;
the question is on which side of a line end the indent goes. Held-out bytes a token, trained on
20 MB of library code, with a vocabulary of 8,192 / 32,000:

    GPT-2's pattern                                                       3.41 / 3.76
    GPT-4's pattern                                                       3.53 / 4.05
    "line": a token may end with newlines or begin with an indent         3.74 / 4.36
    "indent": punctuation takes newline and indent, `:\n        `         3.83 / 4.48

"line" is the default, for what it promises: no token crosses from one line to the next line of
code. A prompt that ends in a newline, as HumanEval's do, is encoded as the beginning of what it
is continued by. With "indent" such a prompt ends in the middle of the token that the model has
always seen there, and the sampler must mend that (token healing) or pay for it. With either, a
prompt should not end in blanks: an indent goes with the word behind it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from corpus.errors import TokensError, TrainError
from corpus.events import Notice, Progress, Report, silent
from corpus.files import file_digest, named_errors, remove_leftovers, write_text
from corpus.layout import SPLITS
from corpus.manifest import FILE_NAME, Manifest, file_entry, write_manifest
from corpus.recipe import as_plain
from corpus.shards import Shard
from train.inputs import cleaned_shards, finished, input_entries, sample_texts
from train.recipe import TokenizerRecipe

STAGE = "tokenizer"
VERSION = 1  # raised when the same text and recipe give another tokenizer
END_OF_TEXT = "<|endoftext|>"  # begins every document; bos and eos, as in GPT-2
PAD = "<|pad|>"
TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"

_HELD_OUT_BYTES = 2_000_000
_REPORT_BYTES = 1 << 20
# Blanks but no newline. `\s` also holds \r, form feed, NEL and U+2028: they end no line here.
_BLANK = r"[^\S\n]"
_PUNCTUATION = r"[^\s\p{L}\p{N}]"
_WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"  # with the space, dot, underscore or bracket before it
_NUMBER = r" ?\p{N}{1,3}"
_PATTERNS = {
    "line": "|".join(
        [
            rf"(?:{_BLANK}*\n)+",
            rf"(?<=\n){_BLANK}+(?:{_PUNCTUATION}+(?:{_BLANK}*\n)*|{_PUNCTUATION}?\p{{L}}+)",
            _WORD,
            _NUMBER,
            rf" ?{_PUNCTUATION}+(?:{_BLANK}*\n)*",
            rf"{_BLANK}+(?!\S)",  # all but the last blank, which goes to the word behind it
            rf"{_BLANK}+",
        ]
    ),
    "indent": "|".join(
        [
            _WORD,
            _NUMBER,
            rf" ?{_PUNCTUATION}+(?:\s*\n[ \t]*)?",
            r"\s*\n[ \t]*",
            r"\s+(?!\S)",
            r"\s+",
        ]
    ),
}


def train_tokenizer(
    clean: Path, folder: Path, recipe: TokenizerRecipe, *, seed: int, report: Report = silent
) -> Manifest:
    """Train on `clean`'s train split and write the tokenizer to `folder`, unless it is there.

    `transformers.AutoTokenizer.from_pretrained(folder)` loads the result. The manifest's facts
    hold the vocabulary really reached, the sample's digest and the held-out bytes a token.
    Raises StaleInputError, ShardError or TrainError, each naming what it can't use.
    """
    started = time.monotonic()
    shards = {split: cleaned_shards(clean, split) for split in SPLITS[:2]}
    wanted = Manifest(
        stage=STAGE,
        parameters={**as_plain(recipe), "seed": seed, "version": VERSION},
        inputs=tuple(e for listed in shards.values() for e in input_entries(listed, folder)),
    )
    if done := finished(folder, wanted):
        report(Notice(f"tokenizer: up to date, {done.facts['vocab_size']:,} tokens"))
        return done
    sample = _Sample(shards["train"], recipe.max_sample_bytes, seed, report)
    tokenizer = _train(sample, recipe)
    sample.check(clean)
    with named_errors(folder):
        (folder / FILE_NAME).unlink(missing_ok=True)
    remove_leftovers(folder)
    outputs = [_write(folder, name, text) for name, text in _files(tokenizer).items()]
    facts = {
        "vocab_size": tokenizer.get_vocab_size(),
        "digest": tokenizer_digest(folder),
        "sample": sample.facts(),
        "held_out_bytes_per_token": bytes_per_token(
            tokenizer, sample_texts(shards["validation"], _HELD_OUT_BYTES, seed)
        ),
        "tokenizers": tokenizers.__version__,
    }
    _tell(facts, recipe, report)
    entries = tuple(file_entry(path, folder) for path in outputs)
    seconds = round(time.monotonic() - started, 3)
    manifest = replace(wanted, outputs=entries, facts=facts, seconds=seconds)
    write_manifest(folder, manifest)
    return manifest


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer for encoding corpus text, in which `<|endoftext|>` is text like any other.

    (transformers' reading of the same folder finds special tokens in text, as its users expect,
    unless it is told `split_special_tokens=True`.) Raises TokensError naming the file.
    """
    path = folder / TOKENIZER_FILE
    if not path.is_file():
        raise TokensError(path, "no such tokenizer; train one first")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the binding raises bare Exception
        raise TokensError(path, f"not a tokenizer, or damaged: {error}") from error
    if tokenizer.token_to_id(END_OF_TEXT) is None:
        raise TokensError(path, f"has no {END_OF_TEXT} token, which separates documents")
    tokenizer.encode_special_tokens = True
    return tokenizer


def tokenizer_digest(folder: Path) -> str:
    """What token files and checkpoints record: SHA-256 of tokenizer.json. Raises FileError."""
    return file_digest(folder / TOKENIZER_FILE)


def token_byte_counts(tokenizer: Tokenizer) -> np.ndarray:
    """How many UTF-8 bytes each id stands for, (vocabulary,) int32; 0 for special tokens."""
    special = {i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    # The byte-level alphabet writes every byte as one character.
    return np.array(
        [
            0 if i in special else len(tokenizer.id_to_token(i) or "")
            for i in range(tokenizer.get_vocab_size())
        ],
        np.int32,
    )


def bytes_per_token(tokenizer: Tokenizer, texts: Iterator[str]) -> float | None:
    """UTF-8 bytes of all texts / their tokens, or None if there is no text."""
    text_bytes = tokens = 0
    for text in texts:
        text_bytes += len(text.encode())
        tokens += len(tokenizer.encode(text, add_special_tokens=False).ids)
    return round(text_bytes / tokens, 4) if tokens else None


class _Sample:
    """The texts to train on, counted and digested as they pass."""

    def __init__(self, shards: list[Shard], max_bytes: int, seed: int, report: Report) -> None:
        self.documents = self.bytes = 0
        self._texts = sample_texts(shards, max_bytes, seed)
        self._hash = hashlib.sha256()
        self._report = report

    def facts(self) -> dict[str, Any]:
        """What was taken; the digest is over the texts in the order of the sample."""
        return {
            "documents": self.documents,
            "bytes": self.bytes,
            "digest": self._hash.hexdigest(),
        }

    def __iter__(self) -> Iterator[str]:
        told = 0
        for text in self._texts:
            encoded = text.encode()
            self._hash.update(b"%d:" % len(encoded) + encoded)
            self.documents += 1
            self.bytes += len(encoded)
            if self.bytes - told >= _REPORT_BYTES:
                told = self.bytes
                # How much a sample will hold is known when it has been read.
                self._report(Progress("tokenizer sample", self.bytes, None, "bytes"))
            yield text
        self._report(Progress("tokenizer sample", self.bytes, self.bytes, "bytes"))

    def check(self, clean: Path) -> None:
        """Raise TrainError if there was nothing to learn from."""
        if not self.bytes:
            raise TrainError(
                f"{clean}/train: no text to train a tokenizer on;"
                " the split is empty, or tokenizer.max_sample_bytes is below its first document"
            )


def _train(sample: _Sample, recipe: TokenizerRecipe) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PATTERNS[recipe.split]), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocab_size,
        min_frequency=recipe.min_count,
        special_tokens=[END_OF_TEXT, PAD],
        # Given in order, so that ids don't depend on which byte the sample shows first.
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(iter(sample), trainer)
    return tokenizer


def _files(tokenizer: Tokenizer) -> dict[str, str]:
    """The contents of the files that transformers loads."""
    config = {
        # The class that takes tokenizer.json as it is; GPT-2's would bring its own pattern.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": False,
    }
    return {
        TOKENIZER_FILE: tokenizer.to_str(pretty=True),
        CONFIG_FILE: json.dumps(config, indent=2) + "\n",
    }


def _write(folder: Path, name: str, text: str) -> Path:
    write_text(folder / name, text)
    return folder / name


def _tell(facts: dict[str, Any], recipe: TokenizerRecipe, report: Report) -> None:
    size, rate = facts["vocab_size"], facts["held_out_bytes_per_token"]
    if size != recipe.vocab_size:
        short = f"the text gives only {size:,} tokens, not tokenizer.vocab_size = "
        report(Notice(f"tokenizer: {short}{recipe.vocab_size:,}; the model gets {size:,}", True))
    held_out = f"{rate:.2f} held-out bytes a token" if rate else "no held-out text to measure"
    report(Notice(f"tokenizer: {size:,} tokens, {held_out}"))
