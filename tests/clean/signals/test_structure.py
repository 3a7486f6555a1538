import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.signals.comments import find_comments
from clean.signals.document import Document
from clean.signals.structure import SCHEMA, is_config_or_test
from clean.signals.text import text_statistics
from tests.clean.signals.conftest import Structure, repeated

MODULE = '''"""A module."""
import os, sys
from a import (
    b,  # two
)


def one(x):
    """Give it back."""
    return x


class A:
    def two(self): return 2

    async def three(self):
        y = 1
        return y


print(one(1))
'''


def test_a_module_is_seen_as_it_is(measure: Structure) -> None:
    found = measure(MODULE)
    lines = 12  # of code; docstrings are none
    assert (found["functions"], found["classes"]) == (3, 1)
    assert found["one_return_rate"] == pytest.approx(1 / 3)
    assert found["one_return_line_rate"] == pytest.approx(1 / lines)
    assert found["import_rate"] == pytest.approx(2 / lines)
    assert found["print_rate"] == pytest.approx(1 / lines)
    assert found["function_score"] == pytest.approx(6 / lines)
    assert found["docstring_rate"] == pytest.approx(34 / len(MODULE))
    assert found["string_rate"] == found["docstring_rate"]
    assert found["comment_rate"] == pytest.approx(len("# two") / len(MODULE))
    assert found["equals"] == 1
    words = re.findall(r"[^\W_]+", MODULE)
    assert found["words"] == len(words)
    assert found["simple_keywords"] and found["has_variable"]
    # Two imports, three functions, a class and the two `return`s that begin a line.
    assert found["no_logic_rate"] == pytest.approx(8 / lines)
    assert found["mean_word"] == pytest.approx(len("".join(words)) / len(words))


NOTHING = {
    **dict.fromkeys(SCHEMA.names, 0),
    **dict.fromkeys(("xml_head", "config_or_test", "simple_keywords", "has_variable"), False),
    "generated_phrase": None,
}


@pytest.mark.parametrize("text", ["", "\n", " \n\t\x0c\n", "\r"])
def test_nothing_has_a_share_of_nothing(measure: Structure, text: str) -> None:
    assert measure(text) == NOTHING | {"blank_rate": 1.0 if text else 0.0}


@pytest.mark.parametrize(
    ("column", "text", "expected"),
    [
        ("words", "a b\u00a0c\u3000\x1cd\n", 4),
        ("words", "a_b.c9=é²(你-1)\n", 6),
        ("alpha_rate", "aé你1-", 0.6),
        ("digit_rate", "a1٣²-", 0.6),
        ("comment_rate", "x #é你\n", 0.5),
        ("comment_rate", "x = '#'\n", 0.0),
        ("string_rate", "f'é'\n", 0.6),
        ("docstring_rate", "'é'\nx = 'y'\n", 3 / 12),
        ("docstring_rate", "'a' rb'b' \\\n 'c'\n", 9 / 17),
        ("docstring_rate", "'a'.b\n", 0.0),
        ("docstring_rate", "abc'a'\n", 0.0),
        ("docstring_rate", "x\n'''a\nb'''\n", 9 / 12),
        ("docstring_rate", "('a')\n", 0.0),
        ("import_rate", "import a\nx\nfrom . import (b,\n\n  # no\n c)\n", 0.5),
        ("import_rate", "important = 1\nimporté = 1\n", 0.0),
        ("import_rate", "x = (\nimport_y)\n", 0.0),
        ("import_rate", "import a\\\n, b\nx\n", 1 / 3),
        ("pass_rate", "if x:\n    pass\npassword = 1\nif y: pass  # x\n", 0.5),
        ("pass_rate", "x: 'pass'\nx.pass\nnopass\nx = {1:pass}\n", 0.0),
        ("pass_rate", "class A: pass\nx\n#pass\nx; pass\n'pass'\n", 2 / 3),
        ("print_rate", "print x\nprint('a'\n)\nprinter\nx\n", 0.4),
        ("assert_rate", "assert x\nassert(y)\nassertion\n", 2 / 3),
        ("assert_rate", "self.assertEqual(\n1, 2)\nself.assure\nselfish.assert_\n", 1 / 4),
        ("functions", "def a(): 0\n  async  def b(): 0\nx.def_ = 1\nasync with x: 0\n", 2),
        ("classes", "class A: 0\nclassy = 1\nif x:\n  class B(A):\n    pass\n", 2),
        ("equals", "a == b  # =\n'='\n", 4),
        ("xml_head", "\n<?xml version='1.0'?>", True),
        ("xml_head", "#" * 99 + "<?xml version='1.0'?>", False),
        ("blank_rate", "a \u3000\t\n", 0.8),
        ("alnum_rate", "aé²1-\n", 4 / 6),
        ("visible_alpha_rate", "a b  1\n", 2 / 3),
        ("visible_digit_rate", "a b  1\n", 1 / 3),
        ("commentary_rate", "'a'\n# b\nx", 6 / 9),
        ("code_string_rate", "'a'\n# b\nx='y'", 1 / 7),
        ("code_string_rate", "x='ab''c'\n", 3 / 10),
        ("code_string_rate", "x='''a'b'''\n", 3 / 12),
        ("code_string_rate", "x='ab\ny\n", 2 / 8),
        ("function_rate", "def f():\n  x\n\ny\n", 1 / 3),
        ("mean_word", "ab\u3000é \n", 1.5),
        ("replacement_rate", "a\ufffd\ufffc\uffff", 1 / 4),
        ("hex_word_rate", "0x1F, 0XAb", 8 / 10),
        ("hex_word_rate", "'0x1'\n#0x1\n''+'0x1'\n", 3 / 11),
        ("hex_word_rate", "0x 0x1G a0x1 é0x1 0x1é 00x1 1x1", 0.0),
        ("long_word_rate", "x='" + "é" * 21 + "'", 21 / 25),
        ("long_word_rate", "x='" + "é" * 20 + "'", 0.0),
        ("long_word_rate", "x='a " + "b" * 21 + "\t' + c" + "d" * 30, 21 / (5 + 21 + 2 + 34)),
        ("long_word_rate", "x='" + "a" * 25 + "'\"" + "b" * 21 + '"', 46 / 52),
        ("long_word_rate", "x='https://" + "a" * 22 + " ahttp://" + "b" * 22 + "'", 0.0),
        ("long_word_rate", "x='ttps://" + "a" * 22 + "'", 29 / 33),
        ("long_word_rate", "'''" + "a" * 50 + "'''\nx\n#" + "b" * 50, 0.0),
        ("long_string_rate", "x = '" + "a " * 21 + "'\ny\n", 0.5),
        ("long_string_rate", "x = '" + "a " * 20 + "'\ny\n", 0.0),
        ("long_string_rate", "x = ('" + "a " * 11 + "' +\n 'b " + "c " * 10 + "')\n", 0.0),
        ("long_string_rate", "x = '''\n" + "a " * 21 + "\nb" + " c" * 21 + "\n'''\n", 0.5),
        ("long_string_rate", "x = '" + "a.b, " * 6 + "'\ny\n", 0.5),
        ("long_string_rate", "x = '" + "a_b  " * 15 + "'\ny\n", 0.0),
        ("long_string_rate", "'" + "a " * 21 + "'\ny\n", 0.0),
        ("repeated_line_rate", "aa\n\n  aa\t\n\nbb\n", 2 / 3),
        ("repeated_line_rate", "aa  # x\n'''aa'''\naa\n# aa\naa\\\n;bb\n", 3 / 4),
        ("repeated_line_rate", "a b\na  b\nab\nA b", 0.0),
        ("repeated_line_rate", "a\na\n},\n},\n]),\n]),\n", 2 / 6),
        ("repeated_line_rate", "x = (1,\n  # 2\n\n  1,\n  1,\n  # 1,\n)\n", 2 / 4),
        ("repeated_line_rate", ("x" * 300 + "\n") * 2 + "x" * 299 + "y", 2 / 3),
        ("no_logic_rate", "from a import (\nb,\nc)\nimport d\nx\n", 2 / 5),
        ("no_logic_rate", "class A:\n  'Doc.'\n  x: int\n  y = 1\n  z()\n", 3 / 4),
        ("no_logic_rate", "class A:\n  x\n  class B:\n    y = 1\n", 2 / 4),
        ("no_logic_rate", "class A:\n  try:\n    x = 1\n  finally : a, b = 1, 2\n", 1 / 4),
        ("no_logic_rate", "class A:\n  def f():\n    x = 1\n  y == 2\n  z = 3\n", 3 / 5),
        ("no_logic_rate", "def f():\n  class A:\n    x = 1\n  return A\nreturned\n", 4 / 5),
        ("no_logic_rate", "class A: return\ndef f(): pass\n", 1.0),
        ("placeholder_rate", "x  # TODO: y\n# FixMe todo\n\n# put your code here\n", 3 / 4),
        (
            "placeholder_rate",
            "# todos, mastodon, autodoc\nx = '# todo'\ntodo = 1\n# your code\n",
            0.0,
        ),
        ("placeholder_rate", "'todo'\nx\n'''a\nfixme, todo\n'''\ny = '''\ntodo'''\n", 2 / 7),
        ("placeholder_rate", "# your\n# code here\n# code your here\n#éтtodo\n", 0.0),
        ("placeholder_rate", "#todo", 1.0),
        ("placeholder_rate", "#xxxxxxxxtodo\n#todo_\n#fixme9\n", 0.0),
        ("simple_keywords", "x = 'FOR you'\n", True),
        ("simple_keywords", "import a\ndefine\n", False),
    ],
)
def test_each_reading(measure: Structure, column: str, text: str, expected: Any) -> None:
    assert measure(text)[column] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n\n\n\n# AutoGenerated by x\n", "autogenerated"),
        ("\n\n\n\n\n# AutoGenerated by x\n", None),
        ("# This file is generated\n# automatically generated\n", "automatically generated"),
        ("# generated by x\n", None),
    ],
)
def test_generated_phrases(measure: Structure, text: str, expected: str | None) -> None:
    assert measure(text)["generated_phrase"] == expected


@pytest.mark.parametrize(
    ("body", "is_one"),
    [
        (" return 1", True),
        (" return", True),
        ("\n  return (1,\n2)", True),
        ("\n  # remark\n\n  return 1\n# remark", True),
        ("\n  '''Doc.'''\n  return 1", False),
        (" 'Doc.'", False),
        (" return 1; x", False),
        ("\n  return 1; x", False),
        ("\n  x\n  return 1", False),
        ("\n  return 1\n  x", False),
        ("\n  if x:\n    return 1", False),
        ("\n  def g(): return 2\n  return 1", False),
        ("\n  returned", False),
        (" pass", False),
        ("", False),
    ],
)
@pytest.mark.parametrize(
    "header", ["def f(x: int = {1: 2}, *, y=':') -> a[b:c]:", "async def f():"]
)
def test_functions_of_one_return(measure: Structure, header: str, body: str, is_one: bool) -> None:
    inner = body.count("def")
    found = measure(f"{header}{body}\nx = 1\n")
    assert found["functions"] == 1 + inner
    assert found["one_return_rate"] * found["functions"] == pytest.approx(is_one + inner)


@pytest.mark.parametrize(
    ("text", "tests", "functions"),
    [
        ("x\ndef test_a():\n  y\n  z\n", 0.75, 0.75),
        ("x\ndef a():\n  y\n  z\n", 0.0, 0.75),
        ("@d\ndef test(): y\n", 0.5, 0.5),
        ("class TestA:\n  x\n  def a(self):\n    y\n", 1.0, 0.5),
        ("class ATests:\n  x\n", 1.0, 0.0),
        ("class ATest: x\n", 1.0, 0.0),
        ("class A(unittest.TestCase):\n  x\n", 1.0, 0.0),
        ("class A(IsolatedAsyncioTestCase): x\n", 1.0, 0.0),
        ("class Contest:\n  x\nclass T: x\n", 0.0, 0.0),
        ("def f():\n  def test(): x\n  y\nz\n", 0.25, 0.75),
        ("def f():\n\tif x:\n        y\nz\n", 0.0, 0.75),  # a tab is eight columns
        ("if x:\n  def test(): y\n", 0.5, 0.5),
        ("class A:\n  def f(): x\n y\nz\n", 0.0, 0.25),  # a dedent to nowhere ends it
    ],
)
def test_shares_of_tests_and_functions(
    measure: Structure, text: str, tests: float, functions: float
) -> None:
    found = measure(text)
    assert found["unit_test_score"] == pytest.approx(tests)
    assert found["function_score"] == pytest.approx(functions)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\n", 1 / 3),
        ("[1, -2.5e-3, .5, 'a' b'c', None, True]\n", 1.0),
        ("f(x)\n", 0.0),
        ("f(1)\n", 3 / 4),
        ("f(x, 1)\n", 3 / 6),
        ("T = {\n  'a': (1, 2),  # x\n  'b': False,\n}\n", 14 / 16),
        ("a.b\n", 0.0),
        ("'a'\nb\n", 0.5),  # lines do not run into each other
        ("Nonesuch\n", 0.0),
        ("r''\n", 1.0),
    ],
)
def test_data_and_code(measure: Structure, text: str, expected: float) -> None:
    assert measure(text)["literal_rate"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# Unit tests of x\n", True),
        ("\n" * 5 + "# Unit tests of x\n" + "\n" * 20, False),
        ("config = 1\n" + "\n" * 18, True),
        ("config = 1\n" + "\n" * 19, False),
        ("latest, greatest\n" + "\n" * 20, True),
        ("latest, CONFIG\n" + "\n" * 20, False),
        ("", False),
        ("tes", False),
        ("TesT", True),
        ("xCONFIg", True),
        ("te\u017ft confiq", False),
    ],
)
def test_config_or_test(document: Callable[..., Document], text: str, expected: bool) -> None:
    assert is_config_or_test(document(text)) is expected


ENCODED = (
    re.compile(r"[a-zA-Z0-9+/\n=]{64,}"),
    re.compile(r"(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}"),
    re.compile(r"(?:\\u[0-9a-fA-F]{4}){8,}"),
)


def plain_encoded(text: str) -> tuple[int, float]:
    """The longest run and the share of characters in runs, by StarCoder2's own expressions."""
    spans = [match.span() for pattern in ENCODED for match in pattern.finditer(text)]
    covered = {i for start, stop in spans for i in range(start, stop)}
    longest = max((stop - start for start, stop in spans), default=0)
    return longest, len(covered) / len(text) if text else 0.0


ENCODED_TEXT = st.lists(
    repeated(["41 ", "0x41,", r"\x41", "41\u3000\n", "aB,", "4", "ab", "0x"], 12)
    | repeated([r"\u00e9", r"\u00E", "\\"], 12)
    | repeated(["abcdefgh", "A+/=\n", "é", "_", " ", ", "], 10),
    max_size=8,
).map("".join)


@given(ENCODED_TEXT)
def test_encoded_runs_are_those_of_the_expressions(measure: Structure, text: str) -> None:
    found = measure(text)
    assert (found["longest_encoded_run"], found["encoded_rate"]) == plain_encoded(text)


PIECES = st.lists(
    st.sampled_from(
        [
            "def f(",
            "class A:",
            "    ",
            "return",
            "async ",
            "test",
            '"""',
            "1.5",
            *"\t\n\n():'#\\xé\u3000\x0c\r\x1c;😀b",
        ]
    ),
    max_size=60,
).map("".join)


@given(PIECES | st.text(max_size=200))
def test_any_text_has_a_structure(
    document: Callable[..., Document], measure: Structure, text: str
) -> None:
    found = measure(text)
    assert set(found) == set(SCHEMA.names)
    assert found.pop("generated_phrase") is None
    for name, value in found.items():
        assert 0 <= value <= (1 if name.endswith(("_rate", "_score")) else len(text)), name
    chars = max(1, len(text))
    assert found["words"] == sum(
        char.isalnum() and not before.isalnum() for before, char in pairwise(" " + text)
    )
    assert found["alpha_rate"] == sum(map(str.isalpha, text)) / chars
    assert found["digit_rate"] == sum(map(str.isdigit, text)) / chars
    assert found["comment_rate"] == sum(len(c.text) for c in find_comments(text)) / chars
    assert found["equals"] == text.count("=")
    # Logical lines hold every line of code once: a text of none has no share of any.
    if not text_statistics(document(text))["code_lines"]:
        assert found["function_score"] == found["import_rate"] == 0
