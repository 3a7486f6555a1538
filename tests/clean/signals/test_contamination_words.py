import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.signals.contamination_words import telling, words_of
from clean.signals.document import utf8

_TOKENS = re.compile(
    r"(?P<escape>\\+[\x00-\x7f]?)"
    "|(?P<alone>[\u3041-\u30ff\u3400-\u9fff\U00020000-\U0003ffff])"
    "|(?P<word>(?:(?![\u3041-\u30ff\u3400-\u9fff\U00020000-\U0003ffff])\\w)+)"
)
_PREFIX = re.compile(r"[bfru]{1,2}", re.IGNORECASE)


def fold(word: str) -> str:
    return re.sub("[A-Z]", lambda letter: letter[0].lower(), word)


def reference(text: str) -> list[str]:
    """The same words by a regular expression."""
    found = []
    for match in _TOKENS.finditer(text):
        follows = text[match.end() : match.end() + 1]
        is_prefix = _PREFIX.fullmatch(match[0]) and follows in {"'", '"'}
        if match.lastgroup != "escape" and not is_prefix:
            found.append(fold(match[0]))
    return found


def spelt(text: str) -> list[str]:
    data = utf8(text)
    words = words_of(data)
    raw = [data[a:b].tobytes() for a, b in zip(words.starts, words.stops, strict=True)]
    return [fold(word.decode("utf-8", "surrogatepass")) for word in raw]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("def add(x, y):\n    return x+y", "def add x y return x y"),
        ("  # Add  Two_Numbers!", "add two_numbers"),
        (r"'a\nc' \\\\n \u0041c", "a c 0041c"),
        ("r'x' Rb\"y\" u'''z''' f'{w}' rbf'v' 'b'", "x y z w rbf v"),
        ("'it is b'", "it is"),  # a letter of prefixes right before a quote is taken for one
        ("x = b\n'a'", "x b a"),
        ("1.5e-3 0XFF", "1 5e 3 0xff"),
        ("naïve “quoted”\u00a0word — Ünal", "naïve quoted word Ünal"),
        ("返回 a の和", "返 回 a の 和"),
        ("a\\", "a"),
        ("\\返", "返"),
        ("\ud800a", "a"),
    ],
)
def test_words(text: str, expected: str) -> None:
    assert spelt(text) == expected.split()


_CODE = st.text(st.sampled_from("ab rRfu_09\"'\\\n#(é返の\u00a0“\ud800")) | st.text()


@given(_CODE)
def test_any_text_has_the_words_that_a_regular_expression_finds(text: str) -> None:
    assert spelt(text) == reference(text)


@given(_CODE)
def test_equal_words_have_equal_hashes_and_others_have_not(text: str) -> None:
    hashes = words_of(utf8(text)).hashes.tolist()
    assert len(dict(zip(hashes, spelt(text), strict=True))) == len(set(spelt(text)))
    assert 0 not in hashes


@given(
    st.lists(st.sampled_from(["def", "Total", "x1", "返", "if", "x", "_"]), max_size=30),
    st.data(),
)
def test_no_formatting_changes_a_word(words: list[str], data: st.DataObject) -> None:
    blank = st.sampled_from(
        [" ", "\n", "\t", "\n    # ", ", ", " + (", "\\n\\t", "\n>>> ", " r'", "'\n"]
    )
    text = "".join(word + data.draw(blank) for word in words)
    plain = words_of(utf8(" ".join(words))).hashes
    assert np.array_equal(words_of(utf8(text)).hashes, plain)


def test_keywords_numbers_and_single_letters_tell_nothing() -> None:
    text = "if Not None x 12 1_000 _ total a1 \u00e9 \u8fd4"
    data = utf8(text)
    flags = telling(data, words_of(data))
    told = [word for word, tells in zip(spelt(text), flags, strict=True) if tells]
    assert told == ["total", "a1", "\u00e9", "\u8fd4"]
