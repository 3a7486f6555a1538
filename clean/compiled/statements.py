"""What is defined: functions and classes, what they are and how much of a file they hold."""

from __future__ import annotations

import numpy as np

from clean.compiled.characters import WORD_BYTES, keyword, packed, word_end
from clean.compiled.kernel import BYTES, TABLE, helper, kernel
from clean.compiled.lines import (
    CODE_LINES,
    INDENT,
    START,
    STOP,
    bracket,
    first_word,
)
from clean.compiled.marks import CODE, STRING

_DEF, _CLASS, _ASYNC = keyword(b"def"), keyword(b"class"), keyword(b"async")
_RETURN = keyword(b"return")
_ELSE, _TRY, _FINALLY = keyword(b"else"), keyword(b"try"), keyword(b"finally")
_TEST_FUNCTION, _TEST_CLASS = keyword(b"test"), keyword(b"Test")
_TESTS, _TEST_CASE = keyword(b"Tests"), keyword(b"TestCase")

_MAX_NESTING = 200  # Python itself refuses more than 100 levels of indentation
_NOTHING, _ONE_RETURN, _MORE = 0, 1, 2  # what a function's body was seen to be


@kernel(BYTES, BYTES, TABLE, BYTES)
def definition_counts(data, marks, lines, classes):  # type: ignore[no-untyped-def]
    """(functions, classes, attributes, functions of one return, lines in functions and in tests).

    A definition's own line is in it, its decorators are not. Lines are those of code.
    """
    indents = np.empty(_MAX_NESTING, np.int64)  # of the definitions around the line
    body_indents = np.empty(_MAX_NESTING, np.int64)
    bodies = np.empty(_MAX_NESTING, np.int64)
    is_function = np.empty(_MAX_NESTING, np.bool_)
    is_test = np.empty(_MAX_NESTING, np.bool_)
    depth = in_functions = in_tests = 0
    functions = classes_found = attributes = one_return = function_lines = test_lines = 0
    for row in range(len(lines)):
        start, stop = lines[row, START], lines[row, STOP]
        while depth and indents[depth - 1] >= lines[row, INDENT]:
            depth -= 1
            in_functions -= is_function[depth]
            in_tests -= is_test[depth]
            one_return += is_function[depth] and bodies[depth] == _ONE_RETURN
        if depth:
            if bodies[depth - 1] == _NOTHING:
                body_indents[depth - 1] = lines[row, INDENT]
            in_class = depth - in_functions == 1 and not is_function[depth - 1]
            if in_class and lines[row, INDENT] == body_indents[depth - 1]:
                attributes += _names_attribute(data, marks, start, stop)
            bodies[depth - 1] = _body_with(bodies[depth - 1], data, marks, start, stop)
        kind, name = _definition(data, marks, start, stop)
        test = False
        if kind:
            header = _header_stop(data, marks, name, stop)
            test = _is_test(data, marks, name, header, kind == _DEF, classes)
            functions += kind == _DEF
            classes_found += kind == _CLASS
            body = _body_with(_NOTHING, data, marks, skip_blanks(data, header, stop), stop)
            if body != _NOTHING:
                one_return += kind == _DEF and body == _ONE_RETURN
            elif depth < _MAX_NESTING:
                indents[depth] = lines[row, INDENT]
                bodies[depth] = _NOTHING
                is_function[depth] = kind == _DEF
                is_test[depth] = test
                depth += 1
                in_functions += kind == _DEF
                in_tests += test
        function_lines += lines[row, CODE_LINES] * (in_functions > 0 or kind == _DEF)
        test_lines += lines[row, CODE_LINES] * (in_tests > 0 or test)
    while depth:
        depth -= 1
        one_return += is_function[depth] and bodies[depth] == _ONE_RETURN
    return functions, classes_found, attributes, one_return, function_lines, test_lines


@helper
def _definition(data, marks, start, stop):  # type: ignore[no-untyped-def]
    """(`def`, `class` or 0 as packed, where the name starts) of a logical line."""
    if data[start] not in (97, 99, 100):  # of most statements, the first letter is enough
        return np.uint64(0), start
    word = first_word(data, marks, start, stop)
    if word == _ASYNC:
        start = skip_blanks(data, start + 5, stop)
        word = first_word(data, marks, start, stop)
        return (word if word == _DEF else np.uint64(0)), skip_blanks(data, start + 3, stop)
    if word == _DEF:
        return word, skip_blanks(data, start + 3, stop)
    if word == _CLASS:
        return word, skip_blanks(data, start + 5, stop)
    return np.uint64(0), start


@helper
def skip_blanks(data, i, stop):  # type: ignore[no-untyped-def]
    """Behind the blanks and tabs at i."""
    while i < stop and (data[i] == 32 or data[i] == 9):
        i += 1
    return i


@helper
def _header_stop(data, marks, i, stop):  # type: ignore[no-untyped-def]
    """Behind the colon that ends a definition's header, or `stop` if there is none."""
    depth = 0
    while i < stop:
        if marks[i] == CODE:
            if data[i] == 58 and depth == 0:
                return i + 1
            depth += bracket(data[i])
        i += 1
    return stop


@helper
def _body_with(body, data, marks, start, stop):  # type: ignore[no-untyped-def]
    """What a body is with one more logical line, or part of one. A docstring is a line of it."""
    if body == _MORE or (body == _NOTHING and _is_silent(marks, start, stop)):
        return body
    if body == _NOTHING and first_word(data, marks, start, stop) == _RETURN:
        for i in range(start, stop):
            if marks[i] == CODE and data[i] == 59:  # one more statement on the line
                return _MORE
        return _ONE_RETURN
    return _MORE


@helper
def _is_silent(marks, start, stop):  # type: ignore[no-untyped-def]
    """Whether there is nothing there, or a comment."""
    return start >= stop or marks[start] > STRING


@helper
def _names_attribute(data, marks, start, stop):  # type: ignore[no-untyped-def]
    """Whether a statement is `name = value` or `name: type`."""
    i = start
    while i < stop and marks[i] == CODE and (WORD_BYTES[data[i]] or data[i] >= 0x80):
        i += 1
    word = packed(data, start, i if i - start <= 8 else start)
    i = skip_blanks(data, i, stop)
    if i >= stop or i == start or marks[i] != CODE:
        return False
    if data[i] == 58:
        return word not in (_ELSE, _TRY, _FINALLY)
    return data[i] == 61 and (i + 1 == stop or data[i + 1] != 61)


@helper
def _is_test(data, marks, name, header, is_function, classes):  # type: ignore[no-untyped-def]
    """Whether a definition's name, or a class's base, says that it is a test."""
    end = word_end(data, marks, name, classes)
    head = packed(data, name, min(end, name + 4))
    if is_function:
        return head == _TEST_FUNCTION
    tail = packed(data, max(name, end - 5), end)
    if head == _TEST_CLASS or tail == _TESTS or tail & np.uint64(0xFFFFFFFF) == _TEST_CLASS:
        return True
    for i in range(name + 8, header + 1):  # `class Numbers(unittest.TestCase):`
        if data[i - 1] == 101 and packed(data, i - 8, i) == _TEST_CASE:
            return True
    return False
