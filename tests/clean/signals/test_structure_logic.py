"""The columns that RefineCode's rules read, beside plain Python that says the same."""

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.signals.comments import find_comments
from clean.signals.document import Document
from tests.clean.signals.conftest import Structure, repeated

PLAIN = [
    *("import a.b as c", "from .a import *", "from a import (b,\n  c)", "pass", "'Doc.'", "..."),
    *("@a.b(1)", "def f(a=1 + 2):", "class A(B[C], metaclass=D):", "async  def f(): return g()"),
    *("x = 1e-5", "x = -.5E+1_0", "x = 1.e-5", "x = f'{a + b}'"),
    *("x = 1", "x = -1", "x: int = .5", "x = y = z", "x = (1, -2, {3: +4}, [-5])", "x, y = z"),
    *("x = r'(' 'a' \\\n 'b'", "x = a.b.c  # (1 + 2)", "global x", "nonlocal x", "x = None", "x"),
    *("information = notes", "x = {'a': 1, 'b': {2, 3}}", "x = (  # if\n1)", "x = ('a'  # not\n)"),
]
BUSY = [
    *("x = 0x1e-5", "x = 0XE+1", "x = e-1", "x = 1e -5", "x = 1e-5-1"),
    *("f()", "f (1)", "x = f()()", "x = a[0]", "x = [1][0]", "x = 'a'[0]", "x += 1", "x = a -1"),
    *("x = a - 1", "x = (a)-1", "x = 'a' % b", "x = a == b", "x = a!= b", "x = a < b", "x = ~a"),
    *("x = not y", "x = a if b else c", "x = [a for a in b]", "x = lambda: 0", "x = a or b"),
    *("if x:", "else:", "return x", "return", "yield", "raise", "del x", "print x", "with a as b:"),
    *("for a in b:", "while x:", "try:", "finally:", "break", "assert x", "async with a: b"),
    *("x = {**a}", "x = y @ z", "await x", "x = é(1)", "x = a[b](c)", "x = {1: f()}"),
]


@pytest.mark.parametrize("text", PLAIN)
def test_what_only_names_things_has_no_logic(measure: Structure, text: str) -> None:
    assert measure(text)["plain_rate"] == 1.0


@pytest.mark.parametrize("text", BUSY)
def test_what_computes_or_decides_has_logic(measure: Structure, text: str) -> None:
    assert measure(text)["plain_rate"] == 0.0
    assert measure(f"x = 1\n{text}\n")["plain_rate"] == 0.5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((text, True) for text in ("x = 1", "x=1", "a.b = 1", "a[b == c] = d", "(a, b) = c")),
        *((text, True) for text in ("x += 1", "x <<= 1", "x >>= y", "x: int = 1", "é=1")),
        *((text, True) for text in ("for x in y: z", "async  for x in y: z", "f((x := 1))")),
        *((text, True) for text in ("'a'\nf()\n# x\nif a: b = 1", "x = 'open")),
        *((text, False) for text in ("x == 1", "x != 1", "x <= 1", "x >= 1", "x", "==")),
        *((text, False) for text in ("f(a=1)", "def f(a=1): b", "class A(b=c): d", "'a = 1'")),
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
def test_repeated_lines_are_those_that_a_set_has_once(measure: Structure, lines: list[str]) -> None:
    filled = [line for line in (line.strip(" \t\f") for line in lines) if line]
    expected = 1 - len(set(filled)) / len(filled) if filled else 0.0
    assert measure("\n".join(lines))["repeated_line_rate"] == pytest.approx(expected)


PLACEHOLDER = re.compile(r"(?<!\w)(?:todo|fixme|your?\W+code\W+here)(?!\w)", re.IGNORECASE)
REMARKS = st.lists(
    st.sampled_from(
        ["# ", "\n", "TODO", "Fixme", "your", "you ", "code", " here", "é", "_", ", ", "'"]
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
def test_long_words_are_those_of_strings_that_are_no_docstrings(
    document: Callable[..., Document], measure: Structure, text: str
) -> None:
    made = document(text)
    marks = "".join(chr(mark) for mark in made.marks)
    chars = long_lines = code_lines = rest = 0
    for start, stop, _, lines, _ in made.lines.tolist():
        code_lines += lines
        statement = made.encoded[start:stop].decode()
        inside = [
            marks[start + len(statement[:i].encode())] == "\x01" for i in range(len(statement))
        ]
        code = "".join(c for c, of in zip(statement, inside, strict=True) if not of)
        if any(inside) and not code.strip(" \t\n"):
            continue
        held = "".join(
            c if of else c if c == "\n" else " " for c, of in zip(statement, inside, strict=True)
        )
        words = [re.split(r"[ \t'\"]+", line) for line in held.split("\n")]
        chars += sum(len(word) for line in words for word in line if len(word) > 20)
        long_lines += sum(len([word for word in line if word]) > 20 for line in words)
    found = measure(text)
    rest = len(text) * (1 - found["commentary_rate"])
    assert found["long_word_rate"] * rest == pytest.approx(chars)
    assert found["long_string_rate"] * code_lines == pytest.approx(long_lines)


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
