import ast
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.edits.proof import Program, same_program, same_tokens, same_trees
from clean.edits.rewrite import normalise, rewrite

PIECES = st.lists(
    st.sampled_from(
        [
            *("'", '"', "'''", '"""', "\\", "\\\n", "#", "\n", "\n    ", " ", "x", "f'", 'f"', "{"),
            *(
                "}",
                "rf'''",
                "x = 1",
                "# c",
                "# ---",
                "(",
                ")",
                "é",
                "\f",
                "if x:\n    y",
                "{x['a']}",
            ),
            *(
                "{{",
                "\ufeff",
                "\0",
                "# \0",
                "# \ud800",
                "# Copyright X\n",
                "x = 1 \\\n# ---\ny",
                ":",
            ),
        ]
    ),
    max_size=16,
).map("".join)


def tree(text: str) -> str | None:
    parsed = Program(text).tree
    return None if parsed is None else ast.dump(parsed)


@given(PIECES, PIECES)
def test_equal_tokens_make_equal_trees(one: str, other: str) -> None:
    if same_tokens(Program(one), Program(other)):
        assert tree(one) == tree(other)


@given(PIECES)
def test_whatever_is_proven_by_tokens_is_proven_by_trees(text: str) -> None:
    text = normalise(text)
    done = rewrite(text, header=True, junk_comments=True)
    # What does not parse must not begin to.
    assert tree(done.text) == tree(text)


@given(PIECES)
def test_a_text_is_the_program_that_it_is(text: str) -> None:
    one, other = Program(text), Program(text)
    assert same_tokens(one, other) is (one.skeleton is not None)
    assert same_program(one, other) or (one.skeleton is None and one.tree is None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("# a\n\n\nx = 1\n", "x = 1\n"),
        ("x = 1\n", "\f\n\n#\nx = 1\n"),
        ("x = 1  # a\n", "x = 1\n"),
        ("if x:\n    # a\n    y\n# b\n", "if x:\n    y\n"),
        ("x = '# a'  # b\n", "x = '# a'\n"),
        ("x = [\n    # a\n]\n", "x = [\n]\n"),
        ("# a\n", ""),
    ],
)
def test_comments_make_no_token(one: str, other: str) -> None:
    assert same_tokens(Program(one), Program(other))
    assert tree(one) == tree(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1\n", "x = 2\n"),
        ("x = 1\n\ny\n", "x = 1\ny\n"),  # the same program, but not by tokens alone
        ("x = '# a'\n", "x = ''\n"),
        ("if x:\n    y\n", "if x:\n  y\n"),
        ("x = 1 \\\n# a\ny\n", "x = 1 \\\ny\n"),
        ("x = 1 \\# a\ny\n", "x = 1 \\\ny\n"),
        ("# a\n\ufeffx\n", "\ufeffx\n"),
        ("# \0\nx\n", "x\n"),
        ("# \ud800\nx\n", "x\n"),
    ],
)
def test_what_tokens_do_not_prove(one: str, other: str) -> None:
    assert not same_tokens(Program(one), Program(other))


@pytest.mark.parametrize(
    "text",
    [
        "x = f'a{x}b'  # c\n",
        "x = f\"{x['a']:{w}}\"  # c\n",
        'x = rf"""a"b{x!r}\n# no\n"""  # c\n',
        "x = f''  # c\n",
        "x = f'{{{x}}} {{'  # c\n",
        'x = f"\\N{DEGREE SIGN}\\\\"  # c\n',
        "x = F'# no'  # c\n",
    ],
)
def test_plain_f_strings_are_certain_on_every_python(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 12, 0))
    assert Program(text).skeleton == text.replace("  # c", "")


@pytest.mark.parametrize(
    "text",
    ["x = f'{x['a']}'  # c\n", "x = f'{x # }'\n}'\n", "x = f'''{x['}']}'''\n", "f'{x:{y:{z}}}'\n"],
)
def test_other_f_strings_are_certain_only_before_pep_701(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 12, 0))
    assert Program(text).skeleton is None
    monkeypatch.setattr(sys, "version_info", (3, 11, 9))
    assert Program(text).skeleton is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 'a'", "x = b'a'"),
        ("x = 'a'", "x = u'a'"),
        ("x = None", "x = ..."),
        ("x = 1j", "x = 2j"),
        ("x = 0.1", "x = 0.2"),
        ("x = [1]", "x = [1, 2]"),
        ("x = [1, 2]", "x = [2, 1]"),
        ("def f(): pass", "async def f(): pass"),
        ("f(a)", "f(*a)"),
        ("x", "x = x"),
        ("x, y", "x"),
    ],
)
def test_trees_that_differ(one: str, other: str) -> None:
    assert not same_trees(ast.parse(one), ast.parse(other))
    assert same_trees(ast.parse(one), ast.parse(f"\n\n( \n{one}\n)" if one == "x, y" else one))


def test_trees_of_any_depth_and_size() -> None:
    deep = "x = " + "-" * 80 + "1" + " + 1" * 80
    assert same_trees(ast.parse(deep), ast.parse(deep))
    huge = "x = 0x" + "f" * 20_000  # too long to be printed in decimal
    assert same_trees(ast.parse(huge), ast.parse(huge))
    assert not same_trees(ast.parse(huge), ast.parse(huge + "0"))
    assert not same_trees(None, None)
