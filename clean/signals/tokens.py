"""Tokens of a file by a trained tokenizer: how much text a token stands for.

CodeParrot (1.5) and StarCoder (2.5) drop what their own tokenizers need many tokens for: tables of
numbers, encoded data, languages that the tokenizer never saw. The figures depend on the tokenizer,
so its file's digest stands in the sidecar's stamp.
"""

from __future__ import annotations

import hashlib
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from clean.signals.document import Document, Row, SignalStage, no_row
from clean.signals.parameters import SignalParameters
from corpus.errors import FileError, RecipeError
from corpus.files import file_digest, named_errors

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SCHEMA = pa.schema(
    [
        pa.field("tokens", pa.int32()),  # without any that mark begin or end
        pa.field("chars_per_token", pa.float32()),  # null for an empty file
    ]
)


def stage(parameters: SignalParameters) -> SignalStage | None:
    """The tokens stage, if a tokenizer is named. Raises RecipeError if it can't be loaded."""
    path = parameters.tokenizer
    if path is None:
        return None
    digest = _checked_digest(path)
    return SignalStage(
        name="tokens",
        version=1,
        parameters={"tokenizer": digest},
        guess_encoding=parameters.guess_encoding,
        schema=SCHEMA,
        measure=partial(_row, path=path, digest=digest),
        lost=no_row,
    )


def _checked_digest(path: Path) -> str:
    """The digest of a file that is found to be a tokenizer."""
    try:
        digest = file_digest(path)
        _load(path, digest)
    except FileError as error:
        raise RecipeError(None, "clean.tokenizer", str(error)) from error
    return digest


@cache
def _load(path: Path, digest: str) -> Tokenizer:
    """The tokenizer, loaded once a process. Raises FileError if it is none, or another one."""
    from tokenizers import Tokenizer  # no other stage needs it

    with named_errors(path):
        content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise FileError(path, "changed while files were measured with it; run again")
    try:
        tokenizer = Tokenizer.from_buffer(content)
    except Exception as error:  # the library raises nothing more precise
        problem = f"no tokenizer.json as the tokenizers library writes it: {error}"
        raise FileError(path, problem) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _row(document: Document, *, path: Path, digest: str) -> Row:
    text = document.text
    if text is None:
        return {}
    # The fast road computes no offsets, and takes a batch only.
    (encoded,) = _load(path, digest).encode_batch_fast([text], add_special_tokens=False)
    count = len(encoded.ids)
    return {"tokens": count, "chars_per_token": len(text) / count if count else None}
