"""Comments that stand for code which is still to be written."""

from __future__ import annotations

import numpy as np

from clean.compiled.characters import WORD_BYTES, keyword
from clean.compiled.kernel import BYTES, helper, kernel
from clean.compiled.marks import COMMENT

_TODO, _FIXME = keyword(b"todo"), keyword(b"fixme")
_YOUR, _YOU, _CODE, _HERE = map(keyword, (b"your", b"you", b"code", b"here"))
_8, _LOWER, _NONE = np.uint64(8), np.uint64(32), np.uint64(0)


@kernel(BYTES, BYTES)
def placeholder_comments(data, marks):  # type: ignore[no-untyped-def]
    """Comments with the words "todo", "fixme" or "your code here", whatever the case."""
    found = i = 0
    while i < len(data):
        if marks[i] < COMMENT:
            i += 1
        else:
            stop = i
            while stop < len(data) and marks[stop] >= COMMENT:
                stop += 1
            found += _is_placeholder(data, i, stop)
            i = stop
    return found


@helper
def _is_placeholder(data, start, stop):  # type: ignore[no-untyped-def]
    word = last = before_last = _NONE  # as `packed` has them; of long words the end
    for i in range(start, stop + 1):
        if i < stop and (WORD_BYTES[data[i]] or data[i] >= 0x80):
            word = (word << _8) | np.uint64(data[i]) | _LOWER
        elif word != _NONE:
            if word in (_TODO, _FIXME):
                return True
            if word == _HERE and last == _CODE and before_last in (_YOUR, _YOU):
                return True
            before_last, last, word = last, word, _NONE
    return False
