"""Which files a fast parser of the newest grammar may not accept alone; a bit says why.

ruff's parser knows the newest Python only, Python 2's `except A, e` among it (PEP 758), and has
none of CPython's limits: it may even die of a long expression. Whatever could be newer than the
oldest Python that we run on, or deeper than CPython allows, is doubtful: `ast` judges it, and ruff
never sees it. The limits here are far below CPython's, whose own depend on its version.
"""

from __future__ import annotations

import numpy as np

from clean.compiled.characters import (
    BACKSLASH,
    HASH,
    NEWLINE,
    WORD_BYTES,
    keyword,
    packed,
)
from clean.compiled.kernel import BYTES, TABLE, helper, kernel
from clean.compiled.lines import DEPTH, START, STOP, first_word
from clean.compiled.marks import CODE, STRING

EXCEPT_COMMA = 1 << 0  # Python 2's, and since 3.14 Python 3's
TYPE_PARAMETERS = 1 << 1  # PEP 695, `type X = int` too
F_STRING = 1 << 2  # a replacement field that may need PEP 701
T_STRING = 1 << 3  # PEP 750
STAR = 1 << 4  # `[*a for a in b]`, which ruff lets through
INDENT = 1 << 5  # tabs beside spaces, form feeds, a backslash: inconsistent, perhaps
CHARACTER = 1 << 6  # outside of ASCII: identifiers depend on the version's Unicode tables
DEEP = 1 << 7
LONG = 1 << 8
YIELD = 1 << 12  # before what can't begin an expression: ruff lets `yield in x` through
# Doubtful only where the grammar that is meant is older.
EXCEPT_STAR = 1 << 9  # PEP 654, 3.11
MATCH = 1 << 10  # PEP 634, 3.10
WITH_BRACKET = 1 << 11  # PEP 617, 3.9

_MAX_DEPTH = 50  # brackets
_MAX_INDENT = 90  # columns; CPython ends at 100 levels
_MAX_CHAIN = 1000  # tokens without a comma between them
_MAX_BRANCHES = 200  # `elif` or `case` in a file: CPython nests the one, and hoards the other
_MAX_WORD = 640  # characters; CPython refuses numbers of more digits than 4300
_MAX_LOOK = 2000  # bytes; more is doubtful, else a line of many could cost its square
_MAX_FIELD = 500  # bytes of one replacement field
_MAX_FIELDS = 1000  # of one string: some CPythons take the square of it

_TYPE, _EXCEPT, _ELIF, _FOR = (keyword(word) for word in (b"type", b"except", b"elif", b"for"))
_MATCH, _CASE, _WITH = (keyword(word) for word in (b"match", b"case", b"with"))
_ASYNC, _DEF, _CLASS = (keyword(word) for word in (b"async", b"def", b"class"))

_YIELD = keyword(b"yield")
_OPERATORS = tuple(map(keyword, (b"in", b"is", b"and", b"or", b"if", b"else", b"for", b"as")))
# What may stand behind a `yield` beside words: the start of an expression, or the end.
_STARTS = np.zeros(256, np.bool_)
_STARTS[list(b"([{-+~*.0123456789)]}:;")] = True

_BLANK, _WORD, _OPEN, _CLOSE, _COMMA, _OTHER = range(6)
_KINDS = np.full(256, _OTHER, np.uint8)
_KINDS[WORD_BYTES] = _WORD
for _chars, _kind in ((b" \t\f\n", _BLANK), (b"([{", _OPEN), (b")]}", _CLOSE), (b",", _COMMA)):
    _KINDS[list(_chars)] = _kind


@kernel(BYTES, BYTES, TABLE)
def find_doubts(data, marks, lines):  # type: ignore[no-untyped-def]
    """The bits of every doubt about a file, 0 for none."""
    doubts = branches = indents = place = 0
    places = _odd_places(data, marks)
    for row in range(len(lines)):
        start, stop = lines[row, START], lines[row, STOP]
        word = first_word(data, marks, start, stop)
        branches += word in (_ELIF, _CASE)
        indents |= _indent(data, start)
        doubts |= _statement_doubts(data, marks, start, stop, word)
        is_doubted = 0
        while place < len(places) and places[place] < stop:
            if not is_doubted:  # once is enough, and a line of many could cost its square
                is_doubted = _place_doubts(data, marks, start, stop, places[place])
            place += 1
        doubts |= is_doubted
        doubts |= DEEP * (lines[row, DEPTH] > _MAX_DEPTH)
        if stop - start > min(_MAX_CHAIN, _MAX_WORD) and not doubts & DEEP:
            doubts |= LONG * _is_long(data, marks, start, stop)
    if indents & _TABS and indents & _SPACES:
        doubts |= INDENT
    doubts |= INDENT * (indents & _ODD_INDENT > 0) | DEEP * (indents & _DEEP_INDENT > 0)
    return doubts | LONG * (branches > _MAX_BRANCHES) | _string_doubts(data, marks)


_TABS, _SPACES, _ODD_INDENT, _DEEP_INDENT = 1, 2, 4, 8


@helper
def _indent(data, start):  # type: ignore[no-untyped-def]
    """What a logical line is indented by."""
    found = 0
    i = start - 1
    while i >= 0 and data[i] != NEWLINE:
        found |= _TABS * (data[i] == 9) | _SPACES * (data[i] == 32) | _ODD_INDENT * (data[i] == 12)
        i -= 1
    if data[start] == BACKSLASH:
        found |= _ODD_INDENT
    return found | _DEEP_INDENT * (start - i > _MAX_INDENT)


@helper
def _statement_doubts(data, marks, start, stop, word):  # type: ignore[no-untyped-def]
    """By the first word of a logical line."""
    if word == _EXCEPT:
        return _except_doubts(data, marks, start, stop)
    if word == _TYPE:
        return _type_doubts(data, start, stop)
    if word == _ASYNC:
        start = _skip(data, start + 5, stop)
        word = first_word(data, marks, start, stop)
    if word == _WITH:
        after = _skip(data, start + 4, stop)
        return WITH_BRACKET * (after < stop and data[after] == 40)
    if word in (_DEF, _CLASS):
        after = _skip(data, start + (3 if word == _DEF else 5), stop)
        while after < stop and (WORD_BYTES[data[after]] or data[after] >= 0x80):
            after += 1
        after = _skip(data, after, stop)
        return TYPE_PARAMETERS * (after < stop and data[after] == 91)
    if word == _MATCH:
        after = _skip(data, start + 5, stop)
        named = after >= stop or data[after] == 61 or (data[after] == 46 and after == start + 5)
        return MATCH * (not named)  # else `match = ...` or `match.group()`
    return 0


@helper
def _skip(data, i, stop):  # type: ignore[no-untyped-def]
    """Behind the blanks and the joined line ends at i."""
    while i < stop and (_KINDS[data[i]] == _BLANK or data[i] == BACKSLASH):
        i += 1
    return i


@helper
def _except_doubts(data, marks, start, stop):  # type: ignore[no-untyped-def]
    """A comma before the colon, or a star."""
    i = _skip(data, start + 6, stop)
    doubts = EXCEPT_STAR * (i < stop and data[i] == 42)
    depth = 0
    while i < stop and (depth or data[i] != 58 or marks[i] != CODE):
        if marks[i] == CODE:
            kind = _KINDS[data[i]]
            depth += int(kind == _OPEN) - int(kind == _CLOSE)
            if kind == _COMMA and depth <= 0:
                return doubts | EXCEPT_COMMA
        i += 1
    return doubts


@helper
def _type_doubts(data, i, stop):  # type: ignore[no-untyped-def]
    """`type X = ...` or `type X[...]` at i; also some that are not."""
    i = _skip(data, i, stop)
    if i + 5 > stop or packed(data, i, i + 4) != _TYPE:
        return 0
    after = _skip(data, i + 4, stop)
    return TYPE_PARAMETERS * (i + 4 < after < stop and WORD_BYTES[data[after]])


@helper
def _is_long(data, marks, start, stop):  # type: ignore[no-untyped-def]
    """Whether a logical line has a long word, or many tokens without a comma at their depth."""
    chain = np.zeros(_MAX_DEPTH + 1, np.int64)
    depth = word = 0
    for i in range(start, stop):
        kind = _KINDS[data[i]] if marks[i] == CODE else _BLANK
        if kind == _WORD:
            chain[depth] += word == 0
            word += 1
        else:
            word = 0
            if kind != _BLANK:
                chain[depth] = 0 if kind == _COMMA else chain[depth] + 1
        if chain[depth] > _MAX_CHAIN or word > _MAX_WORD:
            return True
        if kind == _OPEN:
            depth += 1
            chain[depth] = 0
        elif kind == _CLOSE:
            depth = max(0, depth - 1)
    return False


@helper
def _odd_places(data, marks):  # type: ignore[no-untyped-def]
    """The places in code that are worth a look: stars, odd characters, `yi...` and `typ...`."""
    n = len(data)
    flags = np.zeros((n + 7) // 8 * 8, np.uint8)
    for i in range(n):  # without a branch, so that it is vectorised
        byte = data[i]
        odd = (byte >= 127) | ((byte < 32) & (byte != 9) & (byte != 10) & (byte != 12))
        flags[i] = (odd | (byte == 42)) & (marks[i] == CODE)
    for i in range(n - 1):
        follows = (data[i + 1] == 105) | ((data[max(i, 1) - 1] == 116) & (data[i + 1] == 112))
        flags[i] |= (data[i] == 121) & follows & (marks[i] == CODE)
    found = 0
    for i in range(n):
        found += flags[i]
    places = np.empty(found, np.int64)
    eights = flags.view(np.uint64)
    count = 0
    for eight in range(len(eights)):
        if eights[eight] != 0:
            for i in range(8 * eight, 8 * eight + 8):
                if flags[i]:
                    places[count] = i
                    count += 1
    return places


@helper
def _place_doubts(data, marks, start, stop, i):  # type: ignore[no-untyped-def]
    """Why the byte at i, within a logical line, is worth a look."""
    byte = data[i]
    if byte == 42:
        return STAR * (_opens(data, marks, start, i) and _for_follows(data, marks, i, stop))
    if byte != 121:
        return CHARACTER
    if data[i + 1] == 112:
        return _inner_type_doubts(data, start, i - 1, stop)
    odd = _is_yield(data, marks, i, stop) and _is_odd_yield(data, marks, i + 5, stop)
    return YIELD * odd


@helper
def _opens(data, marks, start, i):  # type: ignore[no-untyped-def]
    """Whether a bracket stands before i, with nothing but stars between."""
    begin = i
    while i > start:
        i -= 1
        if begin - i > _MAX_LOOK:
            return True
        if marks[i] == STRING:
            return False
        if marks[i] == CODE and not (_KINDS[data[i]] == _BLANK or data[i] in (BACKSLASH, 42)):
            return _KINDS[data[i]] == _OPEN
    return False


@helper
def _inner_type_doubts(data, start, i, stop):  # type: ignore[no-untyped-def]
    """The same of a `type` at i that begins a statement within a logical line."""
    before = i - 1
    while before > start and (_KINDS[data[before]] == _BLANK or data[before] == BACKSLASH):
        before -= 1
    begins = before >= start and (data[before] == 58 or data[before] == 59)
    return _type_doubts(data, i, stop) if begins else 0


@helper
def _is_yield(data, marks, i, stop):  # type: ignore[no-untyped-def]
    inner = i > 0 and marks[i - 1] == CODE and (WORD_BYTES[data[i - 1]] or data[i - 1] >= 0x80)
    return not inner and first_word(data, marks, i, stop) == _YIELD


@helper
def _is_odd_yield(data, marks, i, stop):  # type: ignore[no-untyped-def]
    """Whether an operator stands behind the `yield` that ends at i or a comma of its own.

    Or a `for`, as in a comprehension.
    """
    if _operator_follows(data, marks, i, stop) or _for_follows(data, marks, i, stop):
        return True
    depth = 0
    while i < stop and depth >= 0:
        kind = _KINDS[data[i]] if marks[i] == CODE else _BLANK
        depth += int(kind == _OPEN) - int(kind == _CLOSE)
        if depth == 0 and kind == _COMMA and _operator_follows(data, marks, i + 1, stop):
            return True
        i += 1
    return False


@helper
def _operator_follows(data, marks, i, stop):  # type: ignore[no-untyped-def]
    """Whether an operator follows that no expression starts with, or a word that is one."""
    while i < stop and (marks[i] > STRING or _KINDS[data[i]] == _BLANK or data[i] == BACKSLASH):
        i += 1
    if i >= stop or marks[i] != CODE or _STARTS[data[i]]:
        return False
    return not WORD_BYTES[data[i]] or first_word(data, marks, i, stop) in _OPERATORS


@helper
def _for_follows(data, marks, i, stop):  # type: ignore[no-untyped-def]
    """Whether there is a `for` after i within the same brackets, or they are wide."""
    depth = 0
    begin = i
    while i < stop and depth >= 0:
        if i - begin > _MAX_LOOK:
            return True
        if marks[i] == CODE:
            kind = _KINDS[data[i]]
            depth += int(kind == _OPEN) - int(kind == _CLOSE)
            starts = depth == 0 and kind == _WORD and not WORD_BYTES[data[i - 1]]
            if starts and first_word(data, marks, i, stop) == _FOR:
                return True
        i += 1
    return False


@helper
def _string_doubts(data, marks):  # type: ignore[no-untyped-def]
    """Of all strings with a prefix that formats. Strings that touch are looked at as one."""
    doubts = 0
    for i in range(1, len(data)):
        if marks[i] == STRING and marks[i - 1] == CODE and WORD_BYTES[data[i - 1]]:
            start = i - 1
            while start > 0 and i - start < 2 and marks[start - 1] == CODE:
                start -= 1
            for j in range(start, i):
                doubts |= T_STRING * (data[j] | 0x20 == 116)
                if data[j] | 0x20 == 102:
                    doubts |= _field_doubts(data, marks, i)
    return doubts


@helper
def _field_doubts(data, marks, i):  # type: ignore[no-untyped-def]
    """Whether the replacement fields of the string at i are more than Python 3.8 could read."""
    quote = data[i]
    n = len(data)
    width = 3 if i + 2 < n and data[i + 1] == quote and data[i + 2] == quote else 1
    i += width
    depth = field = fields = 0
    while i < n and marks[i] == STRING and fields <= _MAX_FIELDS:
        byte = data[i]
        field = field + 1 if depth else 0
        if byte == 123:
            if depth == 0 and i + 1 < n and data[i + 1] == 123:
                i += 1
            else:
                depth += 1
                fields += 1
                after = _skip(data, i + 1, n)
                if depth > 2 or (after < n and data[after] == 42):
                    return F_STRING  # `f'{*a}'`
        elif byte == 125 and depth:
            depth -= 1
        elif depth and (byte == quote or byte in (HASH, NEWLINE, BACKSLASH) or field > _MAX_FIELD):
            return F_STRING
        i += 1
    return F_STRING * (depth > 0 or fields > _MAX_FIELDS)
