"""The credentials here are none: they are put together at run time."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.edits.proof import Program
from clean.edits.redact import PLACEHOLDER, proves, redact
from clean.edits.rewrite import Rewritten, rewrite
from clean.signals.secrets import find

ALL = ("secrets", "emails", "ips")
TOKEN = "np" + "m_" + "Zk3qW8rT1yU6iO9pA2sD5fG7hJ4lX0cVbNmQ"
OTHER = "np" + "m_" + "q7WfR2tZ9xLbK4mVcY1hJ8gD5sA3pO6iU0eT"
LINES = ["MIIEpAIBAAKCAQEA1n2Zq7WfR2tZ9xLbK4mVcY1hJ8gD5sA3pO6iU0eTzQvXwR5k", "Zk3qW8rT1yU6iO9="]
BEGIN, END = (f"-----{mark} RSA PRIVATE " + "KEY-----" for mark in ("BEGIN", "END"))


def redacted(text: str) -> Rewritten:
    return rewrite(text, header=False, junk_comments=False, redaction=ALL)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# ann@mail.org\nx = 'ann@mail.org'\n", "# <EMAIL_1>\nx = '<EMAIL_1>'\n"),
        ("# bob@mail.org ann@mail.org\n", "# <EMAIL_1> <EMAIL_2>\n"),
        ("x = 'http://93.184.216.34:80'\n", "x = 'http://<IP_ADDRESS_1>:80'\n"),
        (f"x = '{TOKEN}{{}}'\n", "x = '<KEY_1>{}'\n"),
        (f"x = b'{TOKEN}'\n", "x = b'<KEY_1>'\n"),
        (f"x = rb'\\d{TOKEN}'\n", "x = rb'\\d<KEY_1>'\n"),
        (f"x = f'{{y}} {TOKEN}'\n", "x = f'{y} <KEY_1>'\n"),
        (f"'''Doc {TOKEN}.'''\n", "'''Doc <KEY_1>.'''\n"),
        (f"x = ('{TOKEN}'\n  '{OTHER}')\n", "x = ('<KEY_1>'\n  '<KEY_2>')\n"),
        ("x = 'é\\nann@mail.org'\n", "x = 'é\\n<EMAIL_1>'\n"),
        ("x = 1  # type: ignore  # ann@mail.org\n", "x = 1  # type: ignore  # <EMAIL_1>\n"),
        ("# <EMAIL_1> <EMAIL_3>\n# a@mail.org b@mail.org\n",
         "# <EMAIL_1> <EMAIL_3>\n# <EMAIL_2> <EMAIL_4>\n"),
        (f"x = ['{BEGIN}',\n  '{LINES[0]}', join('{LINES[1]}'), '{END}']\n",
         f"x = ['{BEGIN}',\n  '<KEY_1>', join('<KEY_2>'), '{END}']\n"),
        (f"x = ('{BEGIN}\\n'\n  '{LINES[0]}\\n'\n  '{LINES[1]}')\n",
         f"x = ('{BEGIN}\\n'\n  '<KEY_1>\\n'\n  '<KEY_2>')\n"),
        (f"# {BEGIN}\n# {LINES[0]}\n# {LINES[1]}\n", f"# {BEGIN}\n# <KEY_1>\n# <KEY_2>\n"),
    ],
)  # fmt: skip
def test_placeholders_take_the_place_of_findings(before: str, after: str) -> None:
    assert redact(before, ALL).text == after
    done = redacted(before)
    assert (done.text, done.edits) == (after, ("redaction",))
    assert redacted(after) == Rewritten(after, ())
    ast.parse(after)


@pytest.mark.parametrize(
    ("prefix", "quote", "between"),
    [
        ("", "'''", "\n"),
        ("", "'", "\\n"),
        ("r", "'", "\\n"),
        ("b", '"', "\\r\\n"),
        ("", "'", "\\\n"),
    ],
)
def test_a_private_key_in_one_literal_gets_one_placeholder(
    prefix: str, quote: str, between: str
) -> None:
    before, after = (
        f"x = {prefix}{quote}{between.join((BEGIN, *lines, END))}{quote}\n"
        for lines in (LINES, ["<KEY_1>"])
    )
    assert redacted(before) == Rewritten(after, ("redaction",), ("private_key",))


def test_what_went_is_told_by_kind() -> None:
    text = f"# ann@mail.org bob@mail.org ann@mail.org\nx = '{TOKEN}'\n"
    assert redacted(text).redacted == ("email", "email", "npm_token")
    only = rewrite(text, header=False, junk_comments=False, redaction=["emails"])
    assert only.redacted == ("email", "email")
    assert TOKEN in only.text
    assert only.is_redacted


def test_nothing_is_asked_for_nothing_is_done() -> None:
    text = f"x = '{TOKEN}'  # ann@mail.org\n"
    assert rewrite(text, header=True, junk_comments=True) == Rewritten(text, ())
    plain = "x = 1\n"
    assert redacted(plain) == Rewritten(plain, ())


def test_what_stands_in_code_is_left_and_flagged() -> None:
    text = f"x = {TOKEN}\n"
    assert redacted(text) == Rewritten(text, ("redaction_left",))
    both = redacted(f"x = {TOKEN}  # {OTHER}\n")
    assert both == Rewritten(
        f"x = {TOKEN}  # <KEY_1>\n", ("redaction", "redaction_left"), ("npm_token",)
    )
    assert not both.is_redacted


@pytest.mark.parametrize(
    "text",
    [
        f"print 'x', '{TOKEN}'\n",  # does not parse
        f"x = f'{{{TOKEN}}}'\n",  # in a replacement field it is code
    ],
)
def test_what_cannot_be_proven_is_undone(text: str) -> None:
    assert redact(text, ALL).text != text
    done = redacted(text)
    assert done == Rewritten(text, ("redaction_undone",))
    assert not done.is_redacted


def test_the_proof_refuses_any_other_change() -> None:
    text = f"x = 'a {TOKEN} b'  # ann@mail.org\ny = '{OTHER}'\n"
    done = redact(text, ALL)
    assert proves(text, done)
    right = done.text
    for wrong in (
        right.replace("a <", "c <"),
        right.replace("<KEY_1>", "<KEY_2>"),
        right.replace("<KEY_1>", "<KEY_9>"),
        right.replace("<KEY_1>", TOKEN[:-1]),
        right.replace("y = ", "z = "),
        right.replace("x = '", "x = b'"),
        right + "z\n",
    ):
        done.text = wrong
        assert not proves(text, done), wrong


def test_a_repr_tells_no_secret() -> None:
    assert TOKEN not in repr(redact(f"x = '{TOKEN}'\n", ALL))


PIECES = st.lists(
    st.sampled_from(
        [
            *(TOKEN, OTHER, "ann@mail.org", "bob@mail.org", "93.184.216.34", BEGIN, END, *LINES),
            *(
                "'",
                '"',
                "'''",
                "#",
                "\n",
                "\\n",
                "\\",
                " ",
                "x = ",
                "b'",
                "r'",
                "f'",
                "{",
                "}",
                "(",
            ),
            *("<EMAIL_1>", "<KEY_1>", "\\x41", "é", ")"),
        ]
    ),
    max_size=16,
).map("".join)
LITERALS = st.lists(
    st.tuples(
        st.sampled_from(["", "b", "r", "f", "u", "rb"]), st.sampled_from(["'", '"', "'''"]), PIECES
    ),
    max_size=4,
).map(lambda parts: "".join(f"x = {p}{q}{body}{q}  # {body[:60]}\n" for p, q, body in parts))


@given(PIECES | LITERALS)
def test_redaction_keeps_the_program_or_is_undone(text: str) -> None:
    done = redacted(text)
    again = redacted(done.text)
    assert again.text == done.text
    tree = Program(text).tree
    if tree is None:
        return
    parsed = Program(done.text).tree
    assert parsed is not None
    before, after = ast.dump(tree), ast.dump(parsed)
    assert after.count("Constant(") == before.count("Constant(")
    if "redaction" not in done.edits:
        assert after == before
    elif done.is_redacted:
        assert not find(done.text)
    assert len(PLACEHOLDER.findall(done.text)) >= len(PLACEHOLDER.findall(text))
