"""Content digests, token shingles and MinHash signatures (Broder, 1997).

A token is a run of word characters or one other character that is not blank: case, numbers and
operators stay, because they are what tells code apart. Comments are left out, so that a swapped
licence header does not hide a copy; strings are in. A shingle is `k` consecutive tokens; a file
with fewer tokens is one shingle, so that different short files never look alike.

Everything is integer arithmetic with constants of our own: the same text gives the same signature
on any machine, Python, NumPy or numba.
"""

from __future__ import annotations

import hashlib
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clean.compiled import fingerprints
from clean.signals.document import Bytes, Document, Row, SignalStage, marks_of, no_row, utf8
from clean.signals.parameters import SignalParameters

Hashes = npt.NDArray[np.uint64]
Signature = npt.NDArray[np.uint32]

_SEED = 0x5079436F64654750  # of every constant below; changing it makes signatures incomparable
_BASE = 0x9E3779B97F4A7C15  # odd, hence invertible modulo 2**64


def schema(permutations: int) -> pa.Schema:
    """Digest and signature; both are null where the file is no text."""
    return pa.schema(
        [
            pa.field("content_digest", pa.binary(16)),
            pa.field("shingles", pa.int32()),  # distinct ones
            pa.field("signature", pa.binary(4 * permutations)),  # little-endian uint32
        ]
    )


def stage(parameters: SignalParameters) -> SignalStage:
    """The fingerprint stage."""
    told: dict[str, Any] = {
        "shingle_tokens": parameters.shingle_tokens,
        "permutations": parameters.permutations,
    }
    return SignalStage(
        name="fingerprint",
        version=1,
        parameters=told,
        guess_encoding=parameters.guess_encoding,
        schema=schema(parameters.permutations),
        measure=partial(_row, **told),
        lost=no_row,
    )


def _row(document: Document, *, shingle_tokens: int, permutations: int) -> Row:
    if document.text is None:
        return {}
    shingles = _shingle_set(document.data, document.marks, shingle_tokens)
    sketch = signature(shingles, permutations)
    return {
        "content_digest": _digest(document.data),
        "shingles": len(shingles),
        "signature": sketch.astype("<u4", copy=False).tobytes() if sketch is not None else None,
    }


def content_digest(text: str) -> bytes:
    """16 bytes that say whether two files are equal but for trailing blanks and line ends."""
    return _digest(utf8(text))


def _digest(data: Bytes) -> bytes:
    return _hashed(_normalised(data))


def _normalised(data: Bytes) -> Bytes:
    if not fingerprints.has_ragged_lines(data):  # nothing to cut out but the end
        return data[: len(data.tobytes().rstrip(b" \t\f\v").rstrip(b"\n"))]
    out = np.empty(len(data), np.uint8)
    return out[: fingerprints.normalise(data, out)]


def _hashed(normalised: Bytes) -> bytes:
    return hashlib.blake2b(normalised.data, digest_size=16).digest()


def sketch(
    text: str, shingle_tokens: int, permutations: int
) -> tuple[bytes, Hashes, Signature | None]:
    """Content digest, sorted shingles and signature of the normalised text.

    All copies of a content have the same, whatever blanks their lines end with.
    """
    data = _normalised(utf8(text))
    shingles = _shingle_set(data, marks_of(data), shingle_tokens)
    return _hashed(data), np.sort(shingles), signature(shingles, permutations)


def shingle_hashes(text: str, shingle_tokens: int = 5) -> Hashes:
    """The distinct shingles of a text as sorted 64-bit hashes: what Jaccard is computed on."""
    data = utf8(text)
    return np.sort(_shingle_set(data, marks_of(data), shingle_tokens))


def _shingle_set(data: Bytes, marks: Bytes, shingle_tokens: int) -> Hashes:
    """The distinct shingles in order of appearance: signatures need them in no other."""
    tokens = _tokens(data, marks)
    # The position within the shingle counts, and so does the size of a short file's only one.
    shingles = np.empty(len(tokens), np.uint64)
    count = fingerprints.shingle_set(tokens, _shingle_factors(shingle_tokens), shingles)
    return shingles[:count]


def token_hashes(text: str) -> Hashes:
    """A 64-bit hash of every token outside of comments, in order: its bytes' polynomial, mixed."""
    data = utf8(text)
    return _tokens(data, marks_of(data))


def _tokens(data: Bytes, marks: Bytes) -> Hashes:
    tokens = np.empty(len(data), np.uint64)
    count = fingerprints.token_hashes(data, marks, _byte_kinds(), _byte_values(), tokens)
    return tokens[:count]


def jaccard(a: Hashes, b: Hashes) -> float:
    """Exact similarity of two sets of shingles, sorted and unique. Two empty sets are equal."""
    if not len(a) and not len(b):
        return 1.0
    common = common_count(a, b)
    return common / (len(a) + len(b) - common)


def common_count(a: Hashes, b: Hashes) -> int:
    """How many shingles two sets share, each sorted and unique."""
    return int(fingerprints.count_common(a, b))


def signature(shingles: Hashes, permutations: int = 256) -> Signature | None:
    """The least value of each permutation, (permutations,) uint32; None for no shingle."""
    if not len(shingles):
        return None
    factors, offsets = _permutations(permutations)
    least = np.full(permutations, 0xFFFFFFFF, dtype=np.uint32)
    fingerprints.least_values(shingles, factors, offsets, least)
    return least


def estimate(a: Signature, b: Signature) -> float:
    """Similarity as two signatures tell it; its error is about 0.5 / sqrt(permutations)."""
    return float(np.mean(a == b))


def band_keys(signatures: npt.NDArray[np.uint32], bands: int, rows: int) -> Hashes:
    """Hash `rows` values of each band: (n, permutations) -> (n, bands).

    Two files that share a key in the same band are candidates for being near. Keys differ from
    band to band. Raises ValueError if the signatures are too short.
    """
    if bands * rows > signatures.shape[1]:
        problem = f"{bands} bands of {rows} rows need {bands * rows} permutations"
        raise ValueError(f"bands: {problem}, the signatures have {signatures.shape[1]}")
    values = signatures[:, : bands * rows].reshape(-1, bands, rows)
    keys = np.broadcast_to(_constants(bands, salt=3), values.shape[:2]).copy()
    for row in range(rows):
        keys = _mix(keys ^ values[:, :, row]) * np.uint64(_BASE)
    return _mix(keys)


@cache
def _byte_kinds() -> Bytes:
    kinds = np.full(256, fingerprints.OTHER, dtype=np.uint8)
    kinds[list(b" \t\n\r\f\v")] = fingerprints.BLANK
    letters = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
    kinds[list(letters)] = fingerprints.WORD
    kinds[128:] = fingerprints.WORD  # every byte of a longer UTF-8 sequence
    return kinds


@cache
def _byte_values() -> Hashes:
    return _constants(256, salt=2)


@cache
def _shingle_factors(shingle_tokens: int) -> Hashes:
    return _constants(shingle_tokens, salt=1) | np.uint64(1)


@cache
def _permutations(count: int) -> tuple[Signature, Signature]:
    """Odd factors and offsets of `count` affine maps modulo 2**32."""
    numbers = _constants(2 * count, salt=4)
    low = (numbers & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    return low[:count] | np.uint32(1), low[count:]


def _constants(count: int, *, salt: int) -> Hashes:
    """`count` fixed 64-bit numbers (splitmix64)."""
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_BASE)
    return _mix(steps + np.uint64(_SEED ^ (salt << 56)))


def _mix(values: Hashes) -> Hashes:
    """Spread every bit over all bits (splitmix64's finaliser)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
