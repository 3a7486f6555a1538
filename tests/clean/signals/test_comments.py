import io
import keyword
import tokenize
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.signals.comments import bare_code, find_comments, head, is_junk, without

# Pieces that a lexer can stumble over, in any order.
PIECES = st.lists(
    st.sampled_from(
        ["'", '"', "'''", '"""', "\\", "#", "\n", " ", "x", "r'", "a = 1", "# c", "(", "é", "\f"]
    ),
    max_size=60,
).map("".join)


def comments(text: str) -> list[str]:
    return [comment.text for comment in find_comments(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("#", ["#"]),
        ("x = 1  # a # b\n#c", ["# a # b", "#c"]),
        ("x = '# no'  # yes\n", ["# yes"]),
        ("x = '''\n# no\n'''  # yes\n", ["# yes"]),
        ('x = """a"# no"""  # yes\n', ["# yes"]),
        ("x = 'it\\'s # no'  # yes\n", ["# yes"]),
        ("x = r'\\\\'  # yes\n", ["# yes"]),
        ("x = 'a\\\n# no'  # yes\n", ["# yes"]),
        ("x = 'open\n# yes\n", ["# yes"]),
        ("x = '''open\n# no\n", []),
        ("print 'x' # py2\n", ["# py2"]),
        ("x = ''  # yes\n", ["# yes"]),
        ("x = f'{a!r:#x}'  # yes\n", ["# yes"]),
    ],
)
def test_finds_comments_and_not_strings(text: str, expected: list[str]) -> None:
    assert comments(text) == expected


@pytest.mark.parametrize("module", [keyword, tokenize, io, pytest])
def test_agrees_with_tokenize_on_real_files(module: object) -> None:
    text = Path(str(module.__file__)).read_text(encoding="utf-8")  # type: ignore[attr-defined]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    assert comments(text) == [t.string for t in tokens if t.type == tokenize.COMMENT]


@given(PIECES)
def test_agrees_with_tokenize_on_whatever_it_accepts(text: str) -> None:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text, newline="\n").readline))
    except (tokenize.TokenError, SyntaxError):
        return
    if any(token.type == tokenize.ERRORTOKEN for token in tokens):
        return
    assert comments(text) == [t.string for t in tokens if t.type == tokenize.COMMENT]


@given(PIECES | st.text(max_size=100))
def test_comments_lie_where_they_say(text: str) -> None:
    found = find_comments(text)
    assert all(text[c.start : c.stop] == c.text and c.text.startswith("#") for c in found)
    assert all("\n" not in c.text for c in found)
    assert len(without(text, found)) == len(text) - sum(len(c.text) for c in found)
    assert without(text, found).count("\n") == text.count("\n")
    assert "#" not in bare_code(text)


@pytest.mark.parametrize(
    "text",
    ["'" * 300_000, "\\'''" * 80_000, "'\\" * 150_000, "'\"#\n\\" * 60_000, "''" * 150_000 + "#"],
)
def test_hostile_quotes_are_read_once(text: str) -> None:
    # Quadratic time would not come back from this.
    find_comments(text)
    bare_code(text)
    head(text, len(text))


@pytest.mark.parametrize(
    ("comment", "junk"),
    [
        ("#", False),
        ("#   ", False),
        ("##########", True),
        ("# -------- #", True),
        ("# ab--", False),  # exactly half
        ("# ab---", True),
        ("# a plain remark", False),
        ("# 你好", True),  # the price of PyCodeGPT's rule: see `is_junk`
        ("#!", True),
    ],
)
def test_junk_is_below_half(comment: str, junk: bool) -> None:
    assert is_junk(comment) is junk


def test_the_head_ends_at_the_first_statement() -> None:
    before = "#!/bin/python\n\n# a\nr'''doc\n# b'''\n# c\n"
    assert head(before + "import x\n# d\n", 1000) == before
    assert head(before, 10) == before[:10]
    assert head("x = 1\n", 100) == ""


@given(st.text("ab1#-.( \té\u3000_", max_size=14))
def test_a_glance_is_right(body: str) -> None:
    said = [char for char in body if not char.isspace()]
    plain = [char for char in said if char.isascii() and char.isalnum()]
    assert is_junk("#" + body) is (bool(said) and len(plain) < 0.5 * len(said))
