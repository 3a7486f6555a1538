"""Which split a repository is in, and which place in the shuffled order a document has.

Both are hashes of a seed and of what the document is: no document's place depends on another's.
"""

from __future__ import annotations

import hashlib

import numpy as np

from clean.recipe import SplitRecipe
from corpus.layout import SPLITS

TRAIN, VALIDATION, TEST = range(len(SPLITS))


def split_of(repo_ids: np.ndarray, recipe: SplitRecipe, seed: int) -> np.ndarray:
    """The index in `SPLITS` of each repository, (documents,) int8.

    A larger share only adds repositories to its side of the cut.
    """
    salted = _mixed(repo_ids.astype(np.int64).view(np.uint64)) ^ _salt("split", seed)
    # 53 bits fit a float exactly, so that a share of 0 takes none.
    place = (_mixed(salted) >> np.uint64(11)).astype(np.float64) / 2.0**53
    split = np.full(len(repo_ids), TRAIN, np.int8)
    split[place < recipe.test_share] = TEST
    split[place >= 1.0 - recipe.validation_share] = VALIDATION
    return split


def order_keys(shard_name: str, rows: np.ndarray, seed: int) -> np.ndarray:
    """Each document's place in the shuffled order, (documents,) uint64, spread evenly."""
    return _mixed(_mixed(rows.astype(np.uint64)) ^ _salt(f"order/{shard_name}", seed))


def bucket_of(keys: np.ndarray, buckets: int) -> np.ndarray:
    """Cut the order into `buckets` equal ranges; the range of each key, (documents,) int64."""
    high = keys >> np.uint64(32)  # so that the product fits 64 bits
    return ((high * np.uint64(buckets)) >> np.uint64(32)).astype(np.int64)


def _salt(purpose: str, seed: int) -> np.uint64:
    digest = hashlib.sha256(f"{purpose}/{seed}".encode()).digest()
    return np.uint64(int.from_bytes(digest[:8], "little"))


def _mixed(values: np.ndarray) -> np.ndarray:
    """SplitMix64's output function (Steele, Lea and Flood, 2014): a bijection on 64 bits."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)  # numpy wraps arrays silently
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
