import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import datasketch
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.signals.comments import find_comments, without
from clean.signals.fingerprint import (
    band_keys,
    content_digest,
    estimate,
    jaccard,
    shingle_hashes,
    signature,
    token_hashes,
)

ROOT = Path(__file__).parents[3]
CODE = "def area(r):  # a remark\n    return 3.14 * r ** 2\n"


def tokens(text: str) -> list[int]:
    return [int(token) for token in token_hashes(text)]


def near(a: str, b: str) -> float:
    return jaccard(shingle_hashes(a), shingle_hashes(b))


def test_tokens_keep_case_numbers_and_operators() -> None:
    assert len(tokens("x1 += f(Aé, 'b')")) == 11
    assert len({*tokens("a A 1 2 + - ab ba aa")}) == 9
    # A token's hash does not depend on where it stands.
    assert tokens("x y x") == [*tokens("x"), *tokens("y"), *tokens("x")]
    assert tokens("x y") == tokens("\n  x\t\ty\n")
    assert tokens("") == tokens(" \n") == []


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (CODE, CODE, 1.0),
        (CODE, "# Licensed under something else\n" + CODE, 1.0),
        (CODE, CODE.replace("    ", "\t").replace(" * ", "*"), 1.0),
        ("a", "b", 0.0),
        ("a", "a a", 0.0),
        ("x = 1", "x = 2", 0.0),
        ("x = 1", "X = 1", 0.0),
        ("", "", 1.0),
        ("", "a", 0.0),
        ("a b c d e f", "a b c d e g", 1 / 3),
    ],
)
def test_similarity(a: str, b: str, expected: float) -> None:
    assert near(a, b) == expected


def test_a_text_is_not_its_own_permutation_or_repetition() -> None:
    assert near("a b c d e", "e d c b a") == 0.0
    assert near("a a a", "a a a a") == 0.0
    assert len(shingle_hashes("a " * 100)) == 1  # all shingles are the same one


@given(st.lists(st.sampled_from("abcdef(=1"), max_size=4), st.lists(st.sampled_from("abcdef(=1")))
def test_short_files_share_a_signature_only_if_equal(a: list[str], b: list[str]) -> None:
    one, other = (signature(shingle_hashes(" ".join(words))) for words in (a, b))
    if one is None or other is None:
        assert (one is None, other is None) == (not a, not b)
    else:
        assert (estimate(one, other) > 0.5) == (a == b)


@given(
    st.sets(st.integers(0, 2**64 - 1), max_size=40), st.sets(st.integers(0, 2**64 - 1), max_size=40)
)
def test_jaccard_is_exact(a: set[int], b: set[int]) -> None:
    arrays = [np.array(sorted(values), dtype=np.uint64) for values in (a, b)]
    expected = len(a & b) / len(a | b) if a | b else 1.0
    assert jaccard(*arrays) == jaccard(*reversed(arrays)) == expected


def errors(of: Callable[[np.ndarray, np.ndarray], float]) -> np.ndarray:
    """Estimated minus true similarity over pairs of every similarity."""
    random = np.random.default_rng(1)
    found = []
    for shared in np.linspace(10, 490, 120).astype(int):
        values = np.unique(random.integers(0, 2**64, 1200, dtype=np.uint64))
        random.shuffle(values)
        a, b = np.sort(values[:500]), np.sort(values[500 - shared : 1000 - shared])
        found.append(of(a, b) - jaccard(a, b))
    return np.array(found)


def our_estimate(a: np.ndarray, b: np.ndarray) -> float:
    one, other = signature(a), signature(b)
    assert one is not None
    assert other is not None
    return estimate(one, other)


def datasketch_estimate(a: np.ndarray, b: np.ndarray) -> float:
    sketches = []
    for values in (a, b):
        sketch = datasketch.MinHash(num_perm=256)
        sketch.update_batch([value.tobytes() for value in values])
        sketches.append(sketch)
    return float(sketches[0].jaccard(sketches[1]))


def test_the_estimate_is_as_close_as_datasketchs() -> None:
    ours, theirs = errors(our_estimate), errors(datasketch_estimate)
    assert abs(ours.mean()) < 0.01  # no bias
    rmse = [float(np.sqrt(np.mean(np.square(found)))) for found in (ours, theirs)]
    assert rmse[0] < 0.032  # 0.5 / sqrt(256), the worst there should be
    assert rmse[0] < 1.25 * rmse[1]


def test_shingles_spread_like_random_numbers() -> None:
    shingles = shingle_hashes(" ".join(f"name{i} = {i}" for i in range(20_000)))
    bits = np.unpackbits(shingles.view(np.uint8)).mean()
    assert abs(bits - 0.5) < 0.01
    assert len(np.unique(shingles >> np.uint64(32))) > 0.999 * len(shingles)


def test_a_change_of_constants_is_noticed() -> None:
    """Sidecars on disk hold these values: whoever changes them raises the stage's version."""
    found = signature(shingle_hashes(CODE), 256)
    assert found is not None
    assert found.astype("<u4").tobytes()[:8].hex() == "e78abe18b48cf814"
    assert content_digest(CODE).hex() == "7ed14180ac70ba538aa63c9756ce300a"


def test_the_hash_seed_changes_nothing() -> None:
    program = (
        "import hashlib; from clean.signals.fingerprint import *; "
        "s = signature(shingle_hashes('def f(x): return x + 1')); "
        "print(hashlib.sha256(s.astype('<u4').tobytes()).hexdigest())"
    )
    here = signature(shingle_hashes("def f(x): return x + 1"))
    assert here is not None
    expected = hashlib.sha256(here.astype("<u4").tobytes()).hexdigest()
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == expected


MASK = (1 << 64) - 1


def mixed(value: int) -> int:
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & MASK
    return value ^ (value >> 31)


def constant(number: int, salt: int) -> int:
    return mixed((number + 1) * 0x9E3779B97F4A7C15 + (0x5079436F64654750 ^ (salt << 56)) & MASK)


def plain_tokens(text: str) -> list[int]:
    """What a token's hash is: a polynomial over its bytes' constants, its length, mixed."""
    found = re.findall(rb"[0-9A-Za-z_\x80-\xff]+|[^ \t\n\r\f\v]", text.encode())
    hashes = []
    for token in found:
        terms = (constant(byte, 2) * 0x9E3779B97F4A7C15**i for i, byte in enumerate(token))
        hashes.append(mixed(sum(terms) & MASK ^ len(token)))
    return hashes


def plain_shingles(tokens: list[int], size: int) -> set[int]:
    count = min(size, len(tokens))
    factors = [constant(i, 1) | 1 for i in range(count)]
    runs = [tokens[i : i + count] for i in range(len(tokens) - count + 1)] if tokens else []
    return {
        mixed(count + sum(a * b for a, b in zip(run, factors, strict=True)) & MASK) for run in runs
    }


def plain_signature(shingles: set[int], permutations: int) -> list[int]:
    numbers = [constant(i, 4) & 0xFFFFFFFF for i in range(2 * permutations)]
    maps = zip(numbers[:permutations], numbers[permutations:], strict=True)
    high = [shingle >> 32 for shingle in shingles]
    return [min(value * (a | 1) + b & 0xFFFFFFFF for value in high) for a, b in maps]


WORDS = st.lists(
    st.sampled_from(["a", "bé", "x_1", "=", "(", "  ", "\n", "# c\n", "'#'", "你"]), max_size=40
).map("".join)


@given(WORDS, st.integers(1, 6), st.integers(1, 20))
def test_the_kernels_hash_as_plain_integers_do(text: str, size: int, permutations: int) -> None:
    tokens = plain_tokens(without(text, find_comments(text)))
    assert token_hashes(text).tolist() == tokens
    shingles = plain_shingles(tokens, size)
    assert shingle_hashes(text, size).tolist() == sorted(shingles)
    found = signature(shingle_hashes(text, size), permutations)
    if found is not None:
        assert found.tolist() == plain_signature(shingles, permutations)
    lines = "\n".join(line.rstrip(" \t\f\v") for line in text.split("\n")).rstrip("\n")
    assert content_digest(text) == hashlib.blake2b(lines.encode(), digest_size=16).digest()


def test_band_keys_are_equal_where_the_bands_are() -> None:
    random = np.random.default_rng(2)
    signatures = random.integers(0, 2**32, (50, 20), dtype=np.uint32)
    signatures[1] = signatures[0]
    signatures[1, 7] ^= 1  # in the second band of five
    keys = band_keys(signatures, bands=4, rows=5)
    assert keys.shape == (50, 4)
    assert keys.dtype == np.uint64
    assert list(keys[0] == keys[1]) == [True, False, True, True]
    assert len(np.unique(keys)) == 50 * 4 - 3
    # One row's keys do not depend on the rows beside it.
    assert np.array_equal(band_keys(signatures[:1], 4, 5), keys[:1])
    same = np.zeros((1, 4), dtype=np.uint32)
    assert len(np.unique(band_keys(same, 4, 1))) == 4  # bands never meet each other
    assert band_keys(signatures[:0], 4, 5).shape == (0, 4)
    with pytest.raises(ValueError, match="need 24 permutations"):
        band_keys(signatures, bands=4, rows=6)


def test_the_digest_ignores_trailing_blanks_and_nothing_else() -> None:
    assert content_digest("a  \nb\t\n\n\n") == content_digest("a\nb")
    different = ["a\nb", "a\n b", "a\n\nb", "A\nb", "a\nb#", "", "\u2028"]
    assert len({content_digest(text) for text in different}) == len(different)
    assert len(content_digest("")) == 16


@given(st.text(max_size=200), st.integers(1, 8), st.integers(1, 64))
def test_any_text_has_a_fingerprint(text: str, shingle_tokens: int, permutations: int) -> None:
    shingles = shingle_hashes(text, shingle_tokens)
    assert np.array_equal(shingles, shingle_hashes(text, shingle_tokens))
    assert np.all(shingles[1:] > shingles[:-1])
    found = signature(shingles, permutations)
    assert (found is None) == (len(shingles) == 0)
    assert found is None or found.shape == (permutations,)
    assert content_digest(text) == content_digest(text + " ")
