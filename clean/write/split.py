"""Which split a repository is in, and which place in the shuffled order a document has.

Both are hashes of a seed and of what the document is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from clean.recipe import SplitRecipe
from corpus.layout import SPLITS

TRAIN, VALIDATION, TEST = range(len(SPLITS))


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where the line of repositories, from 0 to 1, is cut: test, train, validation."""

    test_below: float
    validation_from: float


def shares(recipe: SplitRecipe) -> Cuts:
    """The cuts that the recipe's shares ask for."""
    return Cuts(recipe.test_share, 1.0 - recipe.validation_share)


def cuts_for(repo_ids: np.ndarray, recipe: SplitRecipe, seed: int) -> Cuts:
    """The recipe's cuts, moved where a wanted side would otherwise be empty.

    That happens with a few dozen repositories: then the one nearest to the cut goes over, as
    long as one is left to train on. Otherwise no repository's side depends on another's.
    """
    places = np.unique(_places(repo_ids, seed))
    cuts = shares(recipe)
    train = places[(places >= cuts.test_below) & (places < cuts.validation_from)]
    if recipe.validation_share and len(train) > 1 and not (places >= cuts.validation_from).any():
        cuts = replace(cuts, validation_from=float(train[-1]))
        train = train[:-1]
    if recipe.test_share and len(train) > 1 and not (places < cuts.test_below).any():
        cuts = replace(cuts, test_below=float(np.nextafter(train[0], 1.0)))
    return cuts


def split_of(repo_ids: np.ndarray, cuts: Cuts, seed: int) -> np.ndarray:
    """The index in `SPLITS` of each repository, (documents,) int8."""
    places = _places(repo_ids, seed)
    split = np.full(len(repo_ids), TRAIN, np.int8)
    split[places < cuts.test_below] = TEST
    split[places >= cuts.validation_from] = VALIDATION
    return split


def _places(repo_ids: np.ndarray, seed: int) -> np.ndarray:
    """Each repository's place on the line, [0, 1) in 53 bits, which a float holds exactly."""
    salted = _mixed(repo_ids.astype(np.int64).view(np.uint64)) ^ _salt("split", seed)
    places: np.ndarray = (_mixed(salted) >> np.uint64(11)).astype(np.float64) / 2.0**53
    return places


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
