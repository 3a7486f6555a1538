"""ruff's parser may only ever say what `ast` says, whatever the file and the grammar."""

import ast
import random
import sys
import sysconfig
import warnings
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from textwrap import dedent

import pytest

from clean.signals import grammar, syntax
from clean.signals.document import Document
from clean.signals.grammar import RUNNING, Grammar, find_grammar, is_surely_valid
from clean.signals.parameters import SignalParameters
from clean.signals.syntax import Judge, compiles, stage
from corpus.errors import RecipeError

Make = Callable[..., Document]
GRAMMARS = [RUNNING, *(Grammar((3, minor)) for minor in range(8, RUNNING.feature_version[1]))]


def ast_accepts(text: str, meant: Grammar = RUNNING) -> bool:
    version = None if meant == RUNNING else meant.feature_version
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text, feature_version=version)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


# What ruff accepts and CPython (or an older one) does not, and what is only nearly so.
TRAPS = [
    "f'{*a}'", "f'{ *a, b}'", "x = [*a for a in b]", "{*a for a in b}", "{**a for a in b}",
    "f(*a for a in b)", "[ * a for a in b]", "(*a for a in b)", "[**a]", "x[*a]",
    "if x:\n\ta\n        b\n", "if x:\n        a\n\tb\n", "if x:\n    a\n\x0c    b\n",
    "if x:\n  a\n \x0c b\n", "if x:\n\ta\nif y:\n  b\n", "\\\n x = 1", "if x:\n\\\n  a\n",
    "try: a\nexcept A, e: pass", "try: a\nexcept A, B: pass", "try: a\nexcept (A, B), e: pass",
    "try: a\nexcept A \\\n, e: pass", "try: a\nexcept A: a, b = 1, 2", "try: a\nexcept* A: pass",
    "type X = int", "type X[T] = int", "if x: type X = int", "x; type Y = int", "type = 1",
    "type\\\n X = int", "else: type X = int", "def f[T](): pass", "def f [T](): pass",
    "def f\\\n[T](): pass", "class A[T]: pass", "class A[T: int = str]: pass", "type(x) is y",
    "async def f[T](): pass", "def \\\n f[T](): pass", "f'{a['b']}'", "f'{a[\"b\"]}'",
    "f'{a!r:>{w}}'", "f'{a:{b:{c}}}'", "f'{a\\\\b}'", "f'{a # b\n}'", "f'''{\na}'''",
    "f'''{a # b\n}'''", "f'{f\"{f'{a}'}\"}'", "f'{a''b}'", "rf'\\{a}'", "f'\\{*a}'",
    "f'{{*a}}'", "f'{{{*a}}}'", "f'{a:\\n}'", "t'{a}'", "T'a'", "rt'{a}'", "'a' t'b'",
    "'\\N{LATIN SMALL LETTER A}'", "'\\N{nope}'", "f'\\N{DASH}'", "'\\N{KEYCAP DIGIT ONE}'",
    "'\\N{dash' '}'", "'\\N{}'", "'\\N'", "'\\Nx'", "b'\\N{x}'", "r'\\N{x}'", "'\\\\N{x}'",
    "'\\N{hyphen-minus}'", "'\\N{LATIN SMALL LETTER A WITH MACRON AND GRAVE}'",
    "\u00e9 = 1", "x\u00b2 = 1",
    "\u2118 = 1", "x = \u00a0 1", "x = 1\u200b", "\ufeffx", "x = 0" + "0" * 5000,
    "x = " + "9" * 5000, "(" * 60 + ")" * 60, "(" * 150 + ")" * 150, "(" * 201 + ")" * 201,
    "x = " + "-" * 3000 + "1", "x = " + "not " * 3000 + "1", "x = " + "lambda: " * 400 + "1",
    "x = " + "+".join("a" * 4000), "x = " + "+".join(["f(1, 2)"] * 4000), "x" + ".a" * 4000,
    "x = " + "f(" * 45 + "1, 2" + ")" * 45, "x = f'{" + "+".join("a" * 4000) + "}'",
    "if a: pass\n" + "elif a: pass\n" * 3000, "x = 'a'" + " 'a'" * 3000, "x = a" + "[0]" * 3000,
    "".join(" " * i + "if x:\n" for i in range(99)) + " " * 99 + "pass\n",
    "".join(" " * i + "if x:\n" for i in range(105)) + " " * 105 + "pass\n",
    "with (a as b, c as d,): pass", "with (a, b): pass", "with (a): pass", "with a as b: pass",
    "async def f():\n  async with (a as b): pass", "match x:\n  case 1: pass", "match = 1",
    "match(x)", "match (x):\n  case [*_]: pass", "match.x", "match .5:\n  case _: pass",
    "match[x] = 1", "match -x:\n  case -1: pass", "def f(a, /, b): pass", "(x := 1)",
    "@a[b].c\ndef f(): pass", "@a\n@(yield)\ndef f(): pass", "for x in *a, b: pass",
    "return *a, b", "x = yield", "print >>f, x", "print 'x'", "exec 'x'", "`a`", "a <> b",
    "yield in x", "yield ,", "yield@x", "(yield or x)", "yield = 1", "yield *a, b", "x = (yield)",
    "yield.5", "yield .a", "yield for x", "yield not x", "yield lambda: 1", "yield from", "yield +",
    "(yield for k in m)", "(yield a\n for k in m)", "(yield from f(x) for k in m)", "(yield a[b])",
    "yield y, in m", "yield y, \\\n in m", "(yield y, # c\n in m)", "yield f(a, b), c",
    "raise A, b", "0777", "10L", "ur'a'", "x = 1if 2else 3", "0xfor x", "1_000", "1__0",
    "", "\n", "#", "\\", "x = 1 \\", "x \\\n", "\\\n", "'a\\", "'''", "f'", "f'{", "f'{'", "b'é'",
    "x\0", "#\0", "x = 1\r\ny", "x\ry", "a\x1ab", "x = $", "x?", "!ls", "%magic", "\x0c", " x",
    "return", "def f(a, a): pass", "nonlocal x", "break", "await x", "None = 1", "f() = 1",
    "f(a=1, 2)", "f(a for a in b, c)", "del f()", "*a = b", "x: int: y", "a, b += 1",
    "lambda (a): 1", "def f(a, (b, c)): pass", "def f(a=1, b): pass", "def f(*): pass",
    "from x import *", "from . import (a)", "from a import ()", "import a as b.c",
    "class A(a for a in b): pass", "(yield) = 1", "with a as 1: pass", "__debug__ = 1",
    "global x; x = 1", "async x = 1", "print(a b)", "x = (1,\n# c\n2)", "if x:\n# c\n  y\n",
    "if x:\n    pass\n  # c\n    y\n", "if x:\n  a\n b", "x = {1: 2, **a, 'b'}", "a if b",
]  # fmt: skip


@pytest.mark.parametrize("meant", GRAMMARS, ids=str)
def test_no_trap_is_accepted_alone(document: Make, meant: Grammar) -> None:
    for text, end in product(TRAPS, ("", "\n")):
        if is_surely_valid(document(text + end), meant):
            assert ast_accepts(text + end, meant), text[:80]


@pytest.mark.parametrize(
    "text",
    [
        "x = f'" + "{a}" * 2000 + "'",  # CPython 3.11 takes the square of its fields
        "match x:\n" + "  case 1: pass\n" * 2000,  # which fills the memory in the end
        "x" + " + a" * 2000,
        "x = " + "[" * 60,
    ],
)
def test_what_costs_cpython_dearly_is_not_accepted_alone(document: Make, text: str) -> None:
    assert not is_surely_valid(document(text), RUNNING)


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\n",
        "def f(a, b):\n    return [a * b for b in c]\n",
        "def f():\n\tif x:\n\t\treturn f(*a, **b)\n",
        "x = f'{a!r:>{w}} {b[0]}' r'\\d'\n# \u00e9\ny = '\u00e9'\n",
        "try:\n    x\nexcept (A, B) as e:\n    a, b = 1, 2\n",
        "x = '\\N{EM DASH}'\nis_yield, yielded = [yield_in for b in c]\n",
        "type = 1\nx = type(y)\nx = {'type': type}\nmatch = re.match(x)\n",
        "x = [\n    " + "1, 2, (3, 4),\n    " * 3000 + "]\n",
        "class A(B):\n    x: int = 3\n\n    async def f(self): ...\n",
    ],
)
def test_plain_code_is_not_doubted(document: Make, text: str) -> None:
    """Else every file would go to `ast`, and nothing would be won."""
    assert is_surely_valid(document(text), RUNNING)
    assert is_surely_valid(document(text), find_grammar("3.8"))


# Put into real code at random places; together they touch most of the grammar.
PIECES = [
    "yield", "await", "return", "is", "and", "or", "for", "as", "from", "import", "raise", "with",
    *"()[]{}:,=\\\n *@;!$?`'\"#\t\x0c\u00e9\u20ac", "**", "f'", "if ", "else", "print x", ":=",
    "async ", "lambda ", "->", "in ", "not ", "yield ", "await ", "is ", "del f()\n", "x = *a\n",
    "None = 1\n", "f(**k, *a)\n", "b'\u00e9'", "'\\x1'", "global x", "type X = int\n", "...",
    "except A, B:\n", "except* A:\n", "0x", "1e", "1__0", "08", "10L", "u'", "rb'", "f'{a!x}'",
    "f'{}'", "f'{a b}'", "f'{*a, b}'", "f'{a:{b:{c}}}'", "f'{a[\"b\"]}'", "f'{yield}'", "f'}'",
    "f'''{\na}'''", "for x in *a, b: pass\n", "{**a for a in b}", "[*a for a in b]", "[**a]",
    "a if b", "'a' b'b'", "\n\t", "\n \t ", "\n        ", "\x0c  ", "match x:\n case 1: pass\n",
    "case {**rest, 1: x}: pass\n", "with (a as b, c as d,): pass\n", "try: pass\n", "return",
    "lambda *: 1", "def f(a, *, **k): pass\n", "def f(a=1, /, b): pass\n", "f(a=1, 2)\n",
    "f(True=1)\n", "for 1 in x: pass\n", "import a as b.c\n", "a: int = yield\n", "(a, b): int\n",
    "class A(x for x in y): pass\n", "def f[T](): pass\n", "0o8", "1_", "1.e5j", "fb''", "<>",
    "f'' = 1\n", "[a, 1] = c\n", "while x := 1: pass\n", "else if", "i++\n", "a && b", "1if",
]  # fmt: skip


def real_texts() -> list[str]:
    library = Path(sysconfig.get_paths()["stdlib"])
    names = "ast bisect calendar cmd contextlib copy csv dataclasses difflib dis enum fnmatch"
    names += " functools glob heapq inspect keyword locale numbers operator pprint queue random"
    names += " re/__init__ shlex statistics string tabnanny textwrap token tokenize types uuid"
    paths = [library / f"{name}.py" for name in names.split()]
    return [path.read_text(encoding="utf-8") for path in paths if path.exists()]


def damaged(seed: int, count: int) -> Iterator[str]:
    """Windows of real code, each damaged at one place."""
    draw = random.Random(seed)
    texts = [text.split("\n") for text in real_texts()]
    for _ in range(count):
        lines = draw.choice(texts)
        first = draw.randrange(len(lines))
        text = dedent("\n".join(lines[first : first + draw.choice([3, 10, 40])]))
        at = draw.randrange(len(text) + 1)
        cut = at + draw.randrange(5) * draw.randrange(2)
        yield text[:at] + draw.choice([*PIECES, ""]) + text[cut:]


def check_damaged(document: Make, texts: Iterator[str]) -> int:
    valid = 0
    for number, text in enumerate(texts):
        for meant in (RUNNING, GRAMMARS[number % len(GRAMMARS)]):
            if is_surely_valid(document(text), meant):
                valid += 1
                assert ast_accepts(text, meant), text
    return valid


def test_damaged_files_get_the_verdict_of_ast(document: Make) -> None:
    assert check_damaged(document, damaged(1, 600)) > 50


@pytest.mark.slow
def test_many_damaged_files_get_the_verdict_of_ast(document: Make) -> None:
    assert check_damaged(document, damaged(2, 60_000)) > 5_000


@pytest.mark.parametrize("meant", GRAMMARS, ids=str)
def test_both_roads_give_the_same_verdict(document: Make, meant: Grammar) -> None:
    fast, plain = (Judge(grammar=meant, ruff=ruff) for ruff in (True, False))
    for text in [*TRAPS[:70], *damaged(3, 60)]:
        assert fast.verdict(document(text)) == plain.verdict(document(text)), text[:80]


@pytest.mark.parametrize(
    ("text", "since"),
    [("match x:\n    case 1: pass\n", 10), ("with (a as b, c as d): pass\n", 9), ("x\n", 8)],
)
def test_an_older_grammar_is_meant(document: Make, text: str, since: int) -> None:
    for meant, ruff in product(GRAMMARS, (True, False)):
        verdict = Judge(grammar=meant, ruff=ruff).verdict(document(text))
        assert (verdict.reject is None) == (meant.feature_version >= (3, since))
        if verdict.reject is not None:
            assert verdict.reject == "syntax"
            assert f"newer syntax than Python {meant}'s" in (verdict.detail or "")


def test_the_grammar_has_a_name() -> None:
    newest = f"3.{sys.version_info[1]}"
    assert find_grammar("running") == find_grammar(newest) == RUNNING
    assert str(find_grammar("3.8")) == "3.8"
    for name in ("3.7", "2.7", "4.0", "3", "3.x", ""):
        with pytest.raises(ValueError, match=r"^grammar must be "):
            find_grammar(name)
    newer = f"3.{sys.version_info[1] + 1}"
    with pytest.raises(
        RecipeError, match=rf"^clean\.grammar: must be at most {newest}, .* {newer}"
    ):
        stage(SignalParameters(grammar=newer))


def test_without_the_package_ast_judges_alone(
    document: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = stage(SignalParameters(parser="ruff"))
    assert asked.notice is None
    monkeypatch.setattr(grammar, "ruff_parser", lambda: None)
    alone = stage(SignalParameters(parser="ruff"))
    assert alone.notice is not None
    # The same verdicts, so the same stamp: nothing is measured again for another parser.
    assert alone.parameters == asked.parameters == stage(SignalParameters()).parameters
    assert not is_surely_valid(document("x = 1\n"), RUNNING)
    assert alone.measure(document("x = 1\n"))["syntax_reject"] is None


def test_ruff_is_asked_and_ast_spared(document: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("ast was asked")

    monkeypatch.setattr(syntax, "judge_syntax", fail)
    measure = stage(SignalParameters(parser="ruff")).measure
    assert measure(document("x = 1\n"))["syntax_reject"] is None
    with pytest.raises(AssertionError, match="ast was asked"):
        measure(document("x = (\n"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("x = 1\n", True), ("return 1\n", False), ("def f(a, a): pass\n", False), ("x = (\n", None)],
)
def test_compiling_is_measured_on_demand(document: Make, text: str, expected: bool | None) -> None:
    measure = stage(SignalParameters(measure_compiles=True)).measure
    assert measure(document(text))["compiles"] is expected
    assert stage(SignalParameters()).measure(document(text))["compiles"] is None


def test_compiling_what_is_too_much_for_it() -> None:
    nested = "".join(" " * i + "while x:\n" for i in range(30)) + " " * 30 + "pass\n"
    assert ast_accepts(nested)
    assert not compiles(nested)  # too many statically nested blocks
