"""The columns that RefineCode's rules read, beside plain Python that says the same."""

import re
import time
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.compiled.lines import CODE_LINES
from clean.signals.comments import find_comments, strings_and_comments
from clean.signals.document import Document
from tests.clean.signals.conftest import Structure, repeated


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((text, True) for text in ("x = 1", "x=1", "a.b = 1", "a[b == c] = d", "(a, b) = c")),
        *((text, True) for text in ("x += 1", "x <<= 1", "x >>= y", "x: int = 1", "é=1")),
        *((text, True) for text in ("for x in y: z", "async  for x in y: z", "f((x := 1))")),
        *((text, True) for text in ("def f(\n# b\na): b", "async  def f(*é): b")),
        *((text, True) for text in ("'a'\nf()\n# x\nif a: b = 1", "x = 'open")),
        *((text, False) for text in ("x == 1", "x != 1", "x <= 1", "x >= 1", "x", "==")),
        *((text, False) for text in ("f(a=1)", "def f( ): b(a)", "class A(b=c): d", "'a = 1'")),
        *((text, False) for text in ("# a = 1", "import a", "form = b'='", "fortune")[:2]),
    ],
)
def test_variables(measure: Structure, text: str, expected: bool) -> None:
    assert measure(text)["has_variable"] is expected


HEX_WORD = re.compile(r"\b0[xX][0-9a-fA-F]+\b")
HEX_TEXT = st.lists(st.sampled_from(["0x", "0X1", "aF9", "0", "x", "_", "é", " ", ",", "²", "你"]))


@given(HEX_TEXT.map("".join))
def test_hexadecimal_words_are_those_of_the_expression(measure: Structure, text: str) -> None:
    found = sum(map(len, HEX_WORD.findall(text)))
    assert measure(text)["hex_word_rate"] == (found / len(text) if text else 0)


LINES = st.lists(
    st.builds(
        str.__add__, repeated([" ", "\t", "\f", "x", "é"], 3), st.sampled_from(["", "x", "ab", "#"])
    )
    | st.builds(str.__mul__, st.sampled_from(["xy", "x"]), st.sampled_from([128, 255, 256, 257])),
    max_size=40,
)


@given(LINES)
def test_repeated_lines_are_those_that_counting_finds(measure: Structure, lines: list[str]) -> None:
    filled = [line for line in (line.split("#")[0].strip(" \t\f") for line in lines) if line]
    again = sum(count for line, count in Counter(filled).items() if count > 1 < len(line))
    expected = again / len(filled) if filled else 0.0
    assert measure("\n".join(lines))["repeated_line_rate"] == pytest.approx(expected)


PLACEHOLDER = re.compile(r"(?<!\w)(?:todo|fixme|your code here)(?!\w)", re.IGNORECASE)
REMARKS = st.lists(
    st.sampled_from(
        ["# ", "\n", "TODO", "Fixme", "your", "you ", " code", " here", "é", "_", ", ", "# "]
    )
).map("".join)


@given(REMARKS)
def test_placeholders_are_the_words_of_comments(measure: Structure, text: str) -> None:
    found = sum(bool(PLACEHOLDER.search(c.text)) for c in find_comments(text))
    lines = text.count("\n") + (not text.endswith("\n"))
    assert measure(text)["placeholder_rate"] == (found / lines if text else 0)


STRINGS = st.lists(
    repeated(["a", "é", "a ", "b\n", "\t"], 25)
    | st.sampled_from(["'", "'''", "x = ", '"', "\n", "#"]),
    max_size=12,
).map("".join)


@given(STRINGS)
def test_what_strings_hold_is_what_expressions_find(
    document: Callable[..., Document], measure: Structure, text: str
) -> None:
    made, found = document(text), measure(text)
    inside: list[str] = []
    for start, stop, _, code_lines, _ in made.lines.tolist():
        statement = made.encoded[start:stop].decode() if code_lines else ""
        for begin, end in strings_and_comments(statement):
            if statement[begin] != "#":
                string = statement[begin:end]
                quotes = string[: 3 if string[:3] in ("'''", '"""') else 1]
                inside.append(string.removeprefix(quotes).removesuffix(quotes))
    words = [word for held in inside for word in held.split()]
    lines = [line for held in inside for line in held.split("\n")]
    long_lines = sum(len(re.findall(r"\w+|[^\w\s]+", line)) > 20 for line in lines)
    rest = len(text) * (1 - found["commentary_rate"])
    assert found["code_string_rate"] * rest == pytest.approx(sum(map(len, inside)))
    assert found["long_word_rate"] * rest == pytest.approx(
        sum(len(w) for w in words if len(w) > 20)
    )
    every = sum(made.lines[:, CODE_LINES].tolist())
    assert found["long_string_rate"] * every == pytest.approx(min(every, long_lines))


WORST = {
    "equal lines": "a\n" * 200_000,
    "distinct lines": "".join(f"x{number}\n" for number in range(60_000)),
    "one word": "a" * 400_000,
    "hexadecimal heads": "0x" * 200_000,
    "open brackets": "f(" * 200_000,
    "signs": "x = " + "-" * 400_000,
    "arguments": "f(" + "a=1," * 100_000,
    "async": "async " * 60_000,
    "comments": "#" + "your code " * 40_000 + "\n# todo" * 50_000,
    "quotes": "x = '''" + "a' " * 100_000,
}


@pytest.mark.parametrize("name", WORST)
def test_the_worst_file_costs_little(measure: Structure, name: str) -> None:
    begin = time.process_time()
    measure(WORST[name])
    assert time.process_time() - begin < 2.0  # a tenth, if nothing is done twice
