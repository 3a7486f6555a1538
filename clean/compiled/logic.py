"""What statements do: whether they keep a value, and whether they compute or decide anything."""

from __future__ import annotations

import numpy as np

from clean.compiled.characters import WORD_BYTES, keyword, packed
from clean.compiled.kernel import BYTES, TABLE, helper, kernel
from clean.compiled.lines import CODE_LINES, START, STOP, bracket, first_word
from clean.compiled.marks import CODE, STRING
from clean.compiled.statements import skip_blanks

_DEF, _CLASS, _IMPORT, _FROM = map(keyword, (b"def", b"class", b"import", b"from"))
_PASS, _PRINT, _ASSERT = map(keyword, (b"pass", b"print", b"assert"))
_GLOBAL, _NONLOCAL, _ASYNC, _FOR = map(keyword, (b"global", b"nonlocal", b"async", b"for"))
# Words that compute, decide or hand something over, wherever they stand in a statement.
_BUSY_WORDS = (
    *(b"and", b"or", b"not", b"in", b"is", b"if", b"else", b"elif", b"for", b"while", b"lambda"),
    *(b"await", b"yield", b"return", b"raise", b"assert", b"del", b"print", b"exec", b"with"),
    *(b"try", b"except", b"finally", b"break", b"continue"),
)
_BUSY = np.array([keyword(word) for word in _BUSY_WORDS])
_LONGEST = 8
_MAY_BE_BUSY = np.zeros((256, _LONGEST + 1), np.bool_)  # by first byte and length
for _word in _BUSY_WORDS:
    _MAY_BE_BUSY[_word[0], len(_word)] = True
_BLANK, _WORD, _OPERATOR, _SIGN, _OPENS, _CLOSES, _OTHER = range(7)
_KINDS = np.full(256, _OTHER, np.uint8)
_KINDS[list(b" \t\n\r\f\v\\")] = _BLANK
_KINDS[WORD_BYTES] = _WORD
_KINDS[128:] = _WORD
_KINDS[list(b"*/%@&|^~<>!")] = _OPERATOR
_KINDS[list(b"+-")] = _SIGN
_KINDS[list(b"([")] = _OPENS
_KINDS[list(b")]}")] = _CLOSES


@kernel(BYTES, BYTES, TABLE)
def keeps_value(data, marks, lines):  # type: ignore[no-untyped-def]
    """Whether any statement gives a value a name: by `=` or `:=`, or as a `for` does."""
    for row in range(len(lines)):
        if _assigns(data, marks, lines[row, START], lines[row, STOP]):
            return True
    return False


@helper
def _assigns(data, marks, start, stop):  # type: ignore[no-untyped-def]
    word = first_word(data, marks, start, stop)
    if word == _FOR or (word == _ASYNC and _behind_async(data, marks, start, stop) == _FOR):
        return True
    depth = 0
    for i in range(start, stop):
        if marks[i] == CODE:
            depth = max(0, depth + bracket(data[i]))
            # In brackets it is an argument's, unless there is a colon before it.
            named = data[i] == 61 and (depth == 0 or data[i - 1] == 58)
            if named and not _compares(data, i, start, stop):
                return True
    return False


@helper
def _compares(data, i, start, stop):  # type: ignore[no-untyped-def]
    """Whether the `=` at i is a part of `==`, `!=`, `<=` or `>=`; not so of `<<=` and `>>=`."""
    following = data[i + 1] if i + 1 < stop else np.uint8(0)
    before = data[i - 1] if i > start else np.uint8(0)
    first = data[i - 2] if i > start + 1 else np.uint8(0)
    return following == 61 or before in (61, 33) or (before in (60, 62) and first != before)


@helper
def _behind_async(data, marks, start, stop):  # type: ignore[no-untyped-def]
    """The word that follows the `async` at `start`."""
    return first_word(data, marks, skip_blanks(data, start + 5, stop), stop)


@kernel(BYTES, BYTES, TABLE)
def lines_by_kind(data, marks, lines):  # type: ignore[no-untyped-def]
    """Lines of code: that start with (import or from, pass, print, assert), plain ones, and all.

    Plain statements neither compute nor decide.
    """
    imports = passes = prints = asserts = plain = everything = 0
    for row in range(len(lines)):
        start, stop = lines[row, START], lines[row, STOP]
        word = first_word(data, marks, start, stop)
        count = lines[row, CODE_LINES]
        everything += count
        imports += count * (word in (_IMPORT, _FROM))
        passes += count * (word == _PASS)
        prints += count * (word == _PRINT)
        asserts += count * (word == _ASSERT)
        if _only_names(data, marks, start, stop, word) or not _is_busy(data, marks, start, stop):
            plain += count
    return imports, passes, prints, asserts, plain, everything


@helper
def _is_busy(data, marks, start, stop):  # type: ignore[no-untyped-def]
    """Whether there is a call, a subscript, an operator or one of `_BUSY_WORDS`."""
    before = _OTHER  # the kind of what stands before, blanks aside
    i = start
    while i < stop:
        begin, i = i, i + 1
        if marks[begin] != CODE:
            kind = _CLOSES if marks[begin] == STRING else _BLANK
            while i < stop and marks[i] == marks[begin]:
                i += 1
        else:
            kind = _KINDS[data[begin]]
            i = _word_stop(data, begin, stop) if kind == _WORD else i
            if _is_logic(data, begin, i, stop, kind, before):
                return True
        before = before if kind == _BLANK else kind
    return False


@helper
def _word_stop(data, begin, stop):  # type: ignore[no-untyped-def]
    """Behind the name or number that starts there, the exponent of `1e-5` included."""
    i = begin + 1
    while i < stop and (_KINDS[data[i]] == _WORD or _is_of_number(data, i, begin)):
        i += 1
    return i


@helper
def _is_of_number(data, i, begin):  # type: ignore[no-untyped-def]
    """Whether the byte at i is a point, or a sign, in the number that starts at `begin`."""
    if data[begin] < 48 or data[begin] > 57:
        return False
    if _KINDS[data[i]] == _SIGN:  # 0x1e-5 is a difference
        return data[i - 1] | 32 == 101 and data[begin + 1] | 32 != 120
    return data[i] == 46


@helper
def _is_logic(data, begin, end, stop, kind, before):  # type: ignore[no-untyped-def]
    if kind == _WORD:
        short = end - begin <= _LONGEST and _MAY_BE_BUSY[data[begin], end - begin]
        return short and _is_among(packed(data, begin, end), _BUSY)
    if kind in (_OPENS, _SIGN):
        return before in (_WORD, _CLOSES)  # else it is a tuple, a list or a number's sign
    return kind == _OPERATOR or (data[begin] == 61 and end < stop and data[end] == 61)


@helper
def _is_among(word, words):  # type: ignore[no-untyped-def]
    found = False
    for i in range(len(words)):  # without a branch, so that it is vectorised
        found |= words[i] == word
    return found


@helper
def _only_names(data, marks, start, stop, word):  # type: ignore[no-untyped-def]
    """Whether the statement is an import, the head of a definition or a decorator, or the like."""
    if word in (_IMPORT, _FROM, _DEF, _CLASS, _GLOBAL, _NONLOCAL):
        return True
    if word == _ASYNC:
        return _behind_async(data, marks, start, stop) == _DEF
    return data[start] == 64
