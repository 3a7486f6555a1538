import ast
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.edits.rewrite import (
    Rewritten,
    normalise,
    rewrite,
    strip_junk_comments,
    strip_license_header,
    true_cookie,
)

LICENSE = "# Copyright 2020 Somebody\n# Licensed under the MIT license.\n"


def tree(text: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.dump(ast.parse(text))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LICENSE + "x = 1\n", "x = 1\n"),
        ("\n" + LICENSE + "\n\nx = 1\n", "x = 1\n"),
        ("#!/usr/bin/python\n" + LICENSE + "x = 1\n", "#!/usr/bin/python\nx = 1\n"),
        (
            "#!/bin/python\n# coding: utf-8\n" + LICENSE + "\nx = 1\n",
            "#!/bin/python\n# coding: utf-8\n\nx = 1\n",
        ),
        ("# What this does.\n\n" + LICENSE + "\nx = 1\n", "# What this does.\n\nx = 1\n"),
        (LICENSE + "# pylint: disable=all\nx = 1\n", "# pylint: disable=all\nx = 1\n"),
        (LICENSE + "\n# What this does.\nx = 1\n", "# What this does.\nx = 1\n"),
        (LICENSE, ""),
        (LICENSE.removesuffix("\n"), ""),
        # What is no header stays.
        ("", ""),
        ("# What this does.\n\n\n\nx = 1\n", "# What this does.\n\n\n\nx = 1\n"),
        ("x = 1\n" + LICENSE, "x = 1\n" + LICENSE),
        ("'''\nCopyright 2020\n'''\n" + LICENSE, "'''\nCopyright 2020\n'''\n" + LICENSE),
        ("x = '''\n" + LICENSE + "'''\n", "x = '''\n" + LICENSE + "'''\n"),
    ],
)
def test_headers(before: str, after: str) -> None:
    assert strip_license_header(before) == after
    assert strip_license_header(after) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1  # ----\ny = 2\n", "x = 1\ny = 2\n"),
        ("# ----\nx = 1\n", "x = 1\n"),
        ("def f():\n    # ====\n    # ====\n    return 1\n", "def f():\n    return 1\n"),
        ("x = 1  # ---\n    # ---\ny = 2\n", "x = 1\ny = 2\n"),
        ("x = [\n    1,  # !!\n    # ++\n]\n", "x = [\n    1,\n]\n"),
        ("x = 1\n# ---", "x = 1\n"),
        ("#####", ""),
    ],
)
def test_junk_comments(before: str, after: str) -> None:
    assert strip_junk_comments(before) == after
    assert strip_junk_comments(after) == after


@pytest.mark.parametrize(
    "text",
    [
        "#!/-/-/-\nx = 1\n",
        "x = []  # type: [[-]]\n",
        "x = 1  # noqa: -------\n",
        "x = '# ----'\n",
        "x = '''\n# ----\n'''\n",
        "x = 1  # a remark\n",
        "#\n# text\n#\n",
    ],
)
def test_what_tools_read_and_strings_survive(text: str) -> None:
    assert strip_junk_comments(text) == text
    assert rewrite(text, header=True, junk_comments=True) == Rewritten(text, ())


def test_cookies_are_made_true() -> None:
    assert true_cookie("# coding: latin-1\nx = 'é'\n") == "# coding: utf-8\nx = 'é'\n"
    assert true_cookie("# é\n# coding: gbk\n") == "# é\n# coding: utf-8\n"
    for true in ("# coding: latin-1\nx = 1\n", "# coding: utf8\n# é\n", "x\n# coding: gbk\n'é'\n"):
        assert true_cookie(true) == true


def test_a_line_that_moves_up_does_not_become_a_lie() -> None:
    text = "# Copyright X\n# More about the licence\n\n# coding: latin-1\nx = 'é'\n"
    done = rewrite(text, header=True, junk_comments=False)
    assert done == Rewritten("# coding: utf-8\nx = 'é'\n", ("header", "cookie"))
    assert ast.literal_eval(done.text.encode().split(b"=")[1].strip().decode()) == "é"


def test_only_what_is_asked_for_is_done() -> None:
    text = LICENSE + "x = 1  # ---\n"
    assert rewrite(text, header=False, junk_comments=False) == Rewritten(text, ())
    assert rewrite(text, header=True, junk_comments=False).text == "x = 1  # ---\n"
    assert rewrite(text, header=False, junk_comments=True).text == LICENSE + "x = 1\n"
    assert rewrite(text, header=True, junk_comments=True) == Rewritten(
        "x = 1\n", ("header", "junk_comments")
    )


def test_what_does_not_parse_is_proven_by_its_tokens() -> None:
    text = LICENSE + "print 'x'  # ---\n"
    done = rewrite(text, header=True, junk_comments=True)
    assert done == Rewritten("print 'x'\n", ("header", "junk_comments"))


def test_an_edit_that_cannot_be_proven_is_undone() -> None:
    # A comment may follow a backslash that joins lines; cut out, another line would be joined.
    text = LICENSE + "x = 1 \\\n# ---\ny = 2\n"
    done = rewrite(text, header=True, junk_comments=True)
    assert done == Rewritten(text.removeprefix(LICENSE), ("header", "junk_comments_undone"))


def test_an_edit_that_changes_the_program_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "x = 1  # ---\n"
    for wrong in ("x = 2\n", "x = 1.0\n", "x = True\n", "x = 1\ny = 1\n", "x = (\n"):
        monkeypatch.setattr("clean.edits.rewrite.strip_junk_comments", lambda _, to=wrong: to)
        done = rewrite(LICENSE + text, header=True, junk_comments=True)
        assert done == Rewritten(text, ("header", "junk_comments_undone"))


def test_line_ends_are_normal() -> None:
    assert normalise("a\r\nb\rc") == "a\nb\nc\n"
    assert normalise("") == ""
    assert normalise("a\x0c\u2028b\n") == "a\x0c\u2028b\n"


LINES = st.lists(
    st.sampled_from(
        [
            "# Copyright X",
            "# ----",
            "#",
            "# text",
            "",
            "\x0c",
            "x = 1",
            "x = 1  # ---",
            "if x:",
            "    y = '# ---'  # !!",
            "    # ***",
            "z = '''",
            "'''  # ---",
            "# coding: latin-1",
            "#!/bin/sh",
            "# type: ignore",
            "x = \\",
            "é = 'é'",
            "f(  # (",
            ")",
            "# vim: --",
        ]
    ),
    max_size=14,
).map("\n".join)


@given(LINES | st.text(max_size=80), st.booleans(), st.booleans())
def test_rewriting_is_idempotent_and_keeps_the_program(
    text: str, header: bool, junk_comments: bool
) -> None:
    done = rewrite(text, header=header, junk_comments=junk_comments)
    again = rewrite(done.text, header=header, junk_comments=junk_comments)
    assert again.text == done.text
    assert all(edit.endswith("_undone") for edit in again.edits)
    assert not done.text or done.text.endswith("\n")
    try:
        before = tree(normalise(text))
    except (SyntaxError, ValueError):
        return
    assert tree(done.text) == before
    with_cookie = done.text.encode("utf-8")
    assert ast.dump(ast.parse(with_cookie)) == before


@given(LINES | st.text(max_size=80))
def test_each_edit_is_total_and_idempotent(text: str) -> None:
    for edit in (strip_license_header, strip_junk_comments, true_cookie, normalise):
        assert edit(edit(text)) == edit(text)
