import ast
import gc
import sys
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.signals.syntax import judge_syntax, parse

KEPT = [
    "",
    "# only a comment",
    "print ('x')\n",
    "print >>f, x\n",
    "x = 1\n\x0cy = 2\n",
    "if x:\n\ta\n\tb\n",
    "return 1\n",
    "def f(a, a): pass\n",
    "x = '\\d'\n",
    "s = '''\n<<<<<<< HEAD\n>>> x\n{% if %}\n'''\n",
]
REJECTED = {
    "python2": [
        "print 'x'\n",
        "x = 1\nprint x.y\n",
        "def f():\n    print 'a' % (\n    b)\n",
        "exec 'x=1'\n",
        "exec code in ns\n",
        "x = `y`\n",
        "x = 0777\n",
        "x = 10L\n",
        "try:\n    pass\nexcept A, e:\n    pass\n",
        "try:\n    pass\nexcept (A, B), e:\n    pass\n",
        "if a <> b:\n    pass\n",
        "x = ur'a'\n",
        "raise E, 'x'\n",
        "f = lambda (a, b): a\n",
        "def f(a, (b, c)):\n    pass\n",
    ],
    "notebook_export": [
        "%matplotlib inline\nimport x\n",
        "import x\n!pip install y\n",
        "x?\n",
        "np.array??\n",
        "if x:\n    !ls\n",
        "%%time\nx = 1\n",
    ],
    "transcript": [">>> import x\n>>> x\n3\n", "Python 3.8 on linux\n>>> x\n"],
    "template": [
        "import {{ cookiecutter.x }}\n",
        "{% if a %}\nimport x\n{% endif %}\n",
        "class {{ n }}:\n    pass\n",
        "x = ${name}\n",
    ],
    "conflict_marker": ["<<<<<<< HEAD\nx=1\n=======\nx=2\n>>>>>>> b\n", "x = 1\n=======\ny = 2\n"],
    "lfs_pointer": ["version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n"],
    "html": ["<!DOCTYPE html>\n<html></html>\n", "\n<html>\n", "<?xml version='1.0'?>\n"],
    "syntax": [
        "x\u00a0= 1\n",
        "x = 1\u200b\n",
        "x\u3000= 1\n",
        "if x:\n        a\n\tb\n",
        "def f(:\n",
        "x = '''open\n",
        "#!/bin/sh\necho hi\n",
        "Use `x` to do it.\n",
        "x\0",
    ],
    "too_complex": [
        "(" * 201 + ")" * 201,
        "".join(" " * i + "if x:\n" for i in range(105)) + " " * 105 + "pass\n",
    ],
}


@pytest.mark.parametrize("text", KEPT)
def test_what_ast_accepts_is_kept(text: str) -> None:
    verdict = judge_syntax(text)
    assert (verdict.reject, verdict.detail) == (None, None)


@pytest.mark.parametrize(
    ("reason", "text"), [(reason, text) for reason, texts in REJECTED.items() for text in texts]
)
def test_every_reason_has_its_name(reason: str, text: str) -> None:
    verdict = judge_syntax(text)
    assert verdict.reject == reason
    assert verdict.detail


def test_the_detail_names_the_line() -> None:
    assert judge_syntax("x = 1\ny = (\n").detail == "line 2: '(' was never closed"


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="3.12 parses this itself")
def test_newer_syntax_is_hinted_at() -> None:
    verdict = judge_syntax("type X = int\n")
    assert verdict.reject == "syntax"
    assert verdict.detail is not None
    assert "newer syntax" in verdict.detail


def test_parsing_warns_nobody_and_leaves_the_collector_on() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parse("x = '\\d' is 3\n")
    assert gc.isenabled()
    with pytest.raises(SyntaxError):
        parse("(")
    assert gc.isenabled()


PIECES = st.lists(
    st.sampled_from(
        [
            "print ",
            "x",
            "{{",
            "}}",
            "%",
            "!",
            "`",
            "<>",
            "\n",
            "    ",
            "\t",
            "'",
            '"""',
            "(",
            ")",
            "0777",
            ">>> ",
            "<<<<<<< ",
            "# c",
            "\x00",
            "\u202e",
            "if x:",
            "\\",
        ]
    ),
    max_size=30,
).map("".join)


@given(PIECES | st.text(max_size=80))
def test_ast_alone_decides(text: str) -> None:
    verdict = judge_syntax(text)
    assert verdict == judge_syntax(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
        parses = True
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        parses = False
    assert (verdict.reject is None) == parses
    if verdict.detail is not None:
        verdict.detail.encode("utf-8")
        assert len(verdict.detail) <= 200
