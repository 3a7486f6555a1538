from __future__ import annotations

import pytest

from clean.signals import newer_syntax
from clean.signals.newer_syntax import is_newer_syntax

NEWER = "type X[T] = list[T]\n"
HOSTILE = (
    "-" * 10_000 + "1",
    "(" * 3_000,
    "not " * 5_000,
    "a.b" * 5_000,
    "if a: pass\n" + "elif a: pass\n" * 3_000,
)


@pytest.fixture(params=["ruff", "libcst"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "libcst":
        monkeypatch.setattr(newer_syntax, "ruff_parser", lambda: None)
    return str(request.param)


@pytest.mark.usefixtures("parser")
def test_either_parser_knows_newer_syntax() -> None:
    assert is_newer_syntax("x = 1\n")
    assert is_newer_syntax(NEWER)
    assert not is_newer_syntax("def f(:\n")
    assert not is_newer_syntax("x = 1\0\n")


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:4])
def test_neither_is_asked_about_what_kills_it(text: str) -> None:
    assert not is_newer_syntax(text)
