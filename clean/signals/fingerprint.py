"""Content digests, token shingles and MinHash signatures (Broder, 1997).

A token is a run of word characters or one other character that is not blank: case, numbers and
operators stay, because they are what tells code apart. Comments are left out, so that a swapped
licence header does not hide a copy; strings are in. A shingle is `k` consecutive tokens; a file
with fewer tokens is one shingle, so that different short files never look alike.

Everything is integer arithmetic in NumPy with constants of our own: the same text gives the same
signature on any machine, Python or NumPy.
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
import numpy.typing as npt

from clean.signals.comments import find_comments, without

Hashes = npt.NDArray[np.uint64]
Signature = npt.NDArray[np.uint32]

_SEED = 0x5079436F64654750  # of every constant below; changing it makes signatures incomparable
_BASE = 0x9E3779B97F4A7C15  # odd, hence invertible modulo 2**64
_BASE_INVERSE = pow(_BASE, -1, 1 << 64)
_BLOCK = 4096  # shingles against all permutations at a time: a few megabytes


def content_digest(text: str) -> bytes:
    """16 bytes that say whether two files are equal but for trailing blanks and line ends."""
    lines = [line.rstrip(" \t\f\v") for line in text.split("\n")]
    normalised = "\n".join(lines).rstrip("\n")
    return hashlib.blake2b(normalised.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def shingle_hashes(text: str, shingle_tokens: int = 5) -> Hashes:
    """The distinct shingles of a text as sorted 64-bit hashes: what Jaccard is computed on."""
    tokens = token_hashes(without(text, find_comments(text)))
    return np.unique(_shingles(tokens, shingle_tokens))


def jaccard(a: Hashes, b: Hashes) -> float:
    """Exact similarity of two sets of shingles, sorted and unique. Two empty sets are equal."""
    if not len(a) and not len(b):
        return 1.0
    common = len(np.intersect1d(a, b, assume_unique=True))
    return common / (len(a) + len(b) - common)


def signature(shingles: Hashes, permutations: int = 256) -> Signature | None:
    """The least value of each permutation, (permutations,) uint32; None for no shingle."""
    if not len(shingles):
        return None
    factors, offsets = _permutations(permutations)
    # The shingles are 64-bit hashes already mixed, so half of their bits are as good as all.
    values = (shingles >> np.uint64(32)).astype(np.uint32)
    least = np.full(permutations, 0xFFFFFFFF, dtype=np.uint32)
    for start in range(0, len(values), _BLOCK):
        block = values[None, start : start + _BLOCK] * factors[:, None]  # (permutations, block)
        block += offsets[:, None]
        np.minimum(least, block.min(axis=1), out=least)
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


def token_hashes(text: str) -> Hashes:
    """A 64-bit hash of every token, in order: a polynomial over its bytes, mixed.

    All tokens come out of one prefix sum; dividing by the power of the base at a token's start
    makes its hash independent of where it stands.
    """
    data = np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8)
    starts, stops = _token_bounds(data)
    if not len(starts):
        return np.empty(0, dtype=np.uint64)
    powers, inverses = _powers(len(data))
    sums = np.zeros(len(data) + 1, dtype=np.uint64)
    np.cumsum(_byte_values()[data] * powers, out=sums[1:])
    polynomial = (sums[stops] - sums[starts]) * inverses[starts]
    return _mix(polynomial ^ (stops - starts).astype(np.uint64))


def _token_bounds(data: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int64], ...]:
    """Where tokens start and stop, in bytes. Every byte of a longer UTF-8 sequence is a word's."""
    kind = _byte_kinds()[data]
    follows = np.empty(len(kind), dtype=np.bool_)
    follows[:1] = False
    follows[1:] = (kind[1:] == _WORD) & (kind[:-1] == _WORD)
    (starts,) = np.nonzero((kind != _BLANK) & ~follows)
    ends = np.ones(len(kind), dtype=np.bool_)
    ends[:-1] = ~follows[1:]
    (last,) = np.nonzero((kind != _BLANK) & ends)
    return starts, last + 1


def _shingles(tokens: Hashes, shingle_tokens: int) -> Hashes:
    count = len(tokens)
    if not count:
        return tokens
    size = min(count, shingle_tokens)
    # The position within the shingle counts, and so does the size of a short file's only one.
    factors = _constants(shingle_tokens, salt=1) | np.uint64(1)
    total = np.full(count - size + 1, size, dtype=np.uint64)
    for offset in range(size):
        total += tokens[offset : count - size + 1 + offset] * factors[offset]
    return _mix(total)


_BLANK, _WORD, _OTHER = 0, 1, 2


@cache
def _byte_kinds() -> npt.NDArray[np.uint8]:
    kinds = np.full(256, _OTHER, dtype=np.uint8)
    kinds[list(b" \t\n\r\f\v")] = _BLANK
    kinds[list(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")] = _WORD
    kinds[128:] = _WORD
    return kinds


@cache
def _byte_values() -> Hashes:
    return _constants(256, salt=2)


@cache
def _permutations(count: int) -> tuple[Signature, Signature]:
    """Odd factors and offsets of `count` affine maps modulo 2**32."""
    numbers = _constants(2 * count, salt=4)
    low = (numbers & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    return low[:count] | np.uint32(1), low[count:]


_power_tables: list[tuple[Hashes, Hashes]] = []


def _powers(length: int) -> tuple[Hashes, Hashes]:
    """Powers of the base and of its inverse, from a table that grows with the longest file."""
    if not _power_tables or len(_power_tables[0][0]) < length:
        size = max(1 << 16, 1 << length.bit_length())
        _power_tables[:] = [(_powers_of(_BASE, size), _powers_of(_BASE_INVERSE, size))]
    powers, inverses = _power_tables[0]
    return powers[:length], inverses[:length]


def _powers_of(base: int, count: int) -> Hashes:
    factors = np.full(count, base, dtype=np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)


def _constants(count: int, *, salt: int) -> Hashes:
    """`count` fixed 64-bit numbers (splitmix64)."""
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_BASE)
    return _mix(steps + np.uint64(_SEED ^ (salt << 56)))


def _mix(values: Hashes) -> Hashes:
    """Spread every bit over all bits (splitmix64's finaliser)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
