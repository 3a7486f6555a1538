from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.signals import possessive as module
from clean.signals.possessive import possessive


@pytest.fixture(params=[True, False], ids=["native", "lookahead"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param and not module._IS_RIGHT:
        request.param = False  # this Python's own are wrong
    monkeypatch.setattr(module, "_IS_RIGHT", request.param)


@pytest.mark.usefixtures("either")
def test_what_was_taken_is_not_given_back() -> None:
    assert re.fullmatch(possessive("ab|a") + "c", "abaabc")
    assert not re.match(possessive("ab|a") + "b", "aab")
    assert not re.match(possessive("[a-z]", "{1,2}") + "b", "ab")
    assert re.match(possessive("a") + "b", "b")


# What Python 3.11.2 gets wrong: a body that matches in part before it fails.
@pytest.mark.usefixtures("either")
def test_a_body_may_fail_in_its_middle() -> None:
    labels = possessive(r"\.[a-z]{1,63}+", "{1,8}")
    assert re.match(rf"[a-z]++{labels}", "mail.org.").end() == 8  # type: ignore[union-attr]
    string = possessive(r"(?:\\.|'(?!''))[^'\\]*+")
    found = re.match(rf"'''[^'\\]*+{string}'''", "'''\n# no 'x'\n'''  # yes")
    assert found is not None
    assert found.end() == 16


@given(st.text("ab'\\\n", max_size=30))
def test_both_ways_find_the_same(text: str) -> None:
    spans = []
    for is_right in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_IS_RIGHT", is_right and module._IS_RIGHT)
            expression = re.compile(rf"'[^'\\\n]*+{possessive(r'(?:a|ab|[^ab])')}")
        spans.append([match.span() for match in expression.finditer(text)])
    assert spans[0] == spans[1]
