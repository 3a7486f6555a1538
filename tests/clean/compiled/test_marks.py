import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clean.compiled.characters import ALNUM, ALPHA, DIGIT, character_classes, classes_of
from clean.compiled.marks import CODE, COMMENT, JUNK, STRING
from clean.signals.comments import find_comments, is_junk, strings_and_comments
from clean.signals.document import marks_of, utf8

PIECES = st.lists(
    st.sampled_from(
        ["'''", '"""', "r'", "# ", "é", "你", "\u3000", "\x1c", "---", *"'\"\\#\n x1="]
    ),
    max_size=60,
).map("".join)


@given(PIECES | st.text(max_size=100))
def test_marks_are_what_the_expressions_find(text: str) -> None:
    expected = np.zeros(len(text), np.uint8)
    for start, stop in strings_and_comments(text):
        expected[start:stop] = STRING
    for comment in find_comments(text):
        expected[comment.start : comment.stop] = JUNK if is_junk(comment.text) else COMMENT
    data = utf8(text)
    by_character = marks_of(data)[data & 0xC0 != 0x80]
    assert by_character.tolist() == expected.tolist()


def test_every_byte_has_a_mark() -> None:
    assert marks_of(utf8("x = 'é' # b\n# ──\n")).tolist() == [
        *[CODE] * 4, *[STRING] * 4, CODE, *[COMMENT] * 3, CODE, *[JUNK] * 8, CODE,
    ]  # fmt: skip
    assert len(marks_of(utf8(""))) == 0


def test_classes_are_those_of_str() -> None:
    classes = character_classes()
    for bit, holds in ((ALNUM, str.isalnum), (ALPHA, str.isalpha), (DIGIT, str.isdigit)):
        of_class = {*np.flatnonzero(classes & bit).tolist()}
        assert of_class == {point for point in range(sys.maxunicode + 1) if holds(chr(point))}
    assert classes_of("é") is classes
    assert len(classes_of("e")) == 0
