import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.signals.document import Document
from clean.signals.parameters import SignalParameters
from clean.signals.repetition import SCHEMA, repetition, stage

Measure = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def repeated(document: Callable[..., Document]) -> Measure:
    return lambda text: repetition(document(text))


def plain(text: str) -> dict[str, float]:
    """The same by counting."""
    words = re.findall(r"[^\W_]+", fold(text))
    every = sum(map(len, words)) or 1
    found = {}
    for size in range(2, 11):
        runs = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]
        counts = Counter(runs)
        if size <= 4:
            top, most = max(counts.items(), key=lambda item: item[1], default=((), 0))
            chars = most * sum(map(len, top)) if most > 1 else 0
            found[f"top_{size}gram_rate"] = min(1.0, chars / every)
        else:
            again = {run for run, count in counts.items() if count > 1}
            found[f"repeated_{size}gram_rate"] = covered(words, runs, again) / every
    return found


def fold(text: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in text)


def covered(words: list[str], runs: list[tuple[str, ...]], wanted: set[tuple[str, ...]]) -> int:
    inside = {i + k for i, run in enumerate(runs) if run in wanted for k in range(len(run))}
    return sum(len(words[i]) for i in inside)


@given(
    st.lists(
        st.sampled_from(["a", "B", "b", "éé", "É", "x_1", " ", "\n", "\u3000", "²", "—", "a-" * 7]),
        max_size=60,
    ),
    st.sampled_from(["", " "]),
)
def test_runs_are_those_that_counting_finds(
    repeated: Measure, pieces: list[str], between: str
) -> None:
    text = between.join(pieces)
    assert repeated(text) == pytest.approx(plain(text))


def test_a_phrase_that_returns_is_seen_at_its_length_and_below(repeated: Measure) -> None:
    phrase = "one two three four five six"
    found = repeated(f"{phrase} A {phrase} B C D {phrase}")
    share = 3 * len(phrase.replace(" ", "")) / (3 * len(phrase.replace(" ", "")) + 4)
    assert found["repeated_5gram_rate"] == found["repeated_6gram_rate"] == pytest.approx(share)
    assert found["repeated_7gram_rate"] == 0
    # Of the runs of two words that occur three times, the first.
    assert found["top_2gram_rate"] == pytest.approx(share * len("onetwo") / 22)


def test_a_run_that_overlaps_itself_is_all_there_is(repeated: Measure) -> None:
    assert repeated("0, " * 9)["top_2gram_rate"] == 1.0


@pytest.mark.parametrize("text", ["", " \n", "word", "a b c d e f g h i j k l"])
def test_nothing_repeats_where_nothing_is_twice(repeated: Measure, text: str) -> None:
    assert repeated(text) == dict.fromkeys(SCHEMA.names, 0)


@pytest.mark.parametrize("text", ["a " * 300_000, "x" * 600_000, "ab cd ef\n" * 60_000])
def test_the_worst_file_costs_little(repeated: Measure, text: str) -> None:
    begin = time.process_time()
    assert max(repeated(text).values()) <= 1
    assert time.process_time() - begin < 2.0  # a tenth, if nothing is done twice


def test_it_is_measured_where_it_is_asked_for(document: Callable[..., Document]) -> None:
    assert stage(SignalParameters()) is None
    made = stage(SignalParameters(repetition=True))
    assert made is not None and made.schema.names == list(made.measure(document("a b")))
