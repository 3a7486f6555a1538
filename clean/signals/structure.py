"""What a file is made of: comments, docstrings, statements, functions, data. No parser is asked.

The numbers come from the bytes, their marks and the logical lines, so that damaged files and
Python 2 have them too. Sources: CodeParrot (the preprocessing script that its model card
names), StarCoder (arXiv:2305.06161, section 3), StarCoder2 (arXiv:2402.19173, section 2.1),
OpenCoder's RefineCode (arXiv:2411.04905, appendix; OpenCoder-llm/opc_data_filtering says how it
counts), PyCodeGPT. The others say little of it; the readings at the columns are ours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from clean.compiled.characters import NEWLINE
from clean.compiled.encoded import encoded_chars, hex_word_chars
from clean.compiled.literals import literal_counts
from clean.compiled.logic import keeps_value, statements_by_kind
from clean.compiled.remarks import placeholder_lines
from clean.compiled.repetition import repeated_lines
from clean.compiled.shares import character_shares, config_and_test_counts, word_count
from clean.compiled.statements import definition_counts
from clean.compiled.strings import string_counts
from clean.signals.document import Document, Row, SignalStage, no_row
from clean.signals.parameters import SignalParameters
from clean.signals.phrases import GENERATED_PHRASES

# Rates are 0 where there is nothing to have a share of. A line of code holds more than blanks, a
# comment and a docstring; a statement over five lines is one statement and five of those. A word
# is an unbroken run of letters and digits.
SCHEMA = pa.schema(
    [
        pa.field("words", pa.int32()),
        pa.field("mean_word", pa.float32()),  # characters of a word
        pa.field("alnum_rate", pa.float32()),  # characters with `str.isalnum`, of all
        pa.field("alpha_rate", pa.float32()),  # ... `str.isalpha`
        pa.field("digit_rate", pa.float32()),  # ... `str.isdigit`
        pa.field("blank_rate", pa.float32()),  # ... `str.isspace`
        pa.field("visible_alpha_rate", pa.float32()),  # of the characters that are no blanks
        pa.field("visible_digit_rate", pa.float32()),
        pa.field("comment_rate", pa.float32()),  # in comments, from the # to the line's end
        # In statements that are nothing but strings, wherever they stand.
        pa.field("docstring_rate", pa.float32()),
        pa.field("commentary_rate", pa.float32()),  # the two together
        pa.field("string_rate", pa.float32()),  # in strings, their quotes and docstrings too
        # In strings that are no docstrings, without their quotes, of the characters outside of
        # comments and docstrings.
        pa.field("code_string_rate", pa.float32()),
        # In stretches of more than 20 characters between the blanks of such strings, but for
        # addresses of the web, of the same: keys, paths, digests.
        pa.field("long_word_rate", pa.float32()),
        pa.field("hex_word_rate", pa.float32()),  # in numbers such as 0x1F, of the same
        pa.field("replacement_rate", pa.float32()),  # U+FFFD, which lossy decoders leave behind
        # Lines of code that occur more than once, all of them, but for those of one character.
        pa.field("repeated_line_rate", pa.float32()),
        # Lines whose comment or docstring says "todo", "fixme" or "your code here", of all lines.
        pa.field("placeholder_rate", pa.float32()),
        # Lines of strings with more than 20 of `\w+|[^\w\s]+`, of the lines of code.
        pa.field("long_string_rate", pa.float32()),
        pa.field("import_rate", pa.float32()),  # `import` and `from`, for each line of code
        pa.field("pass_rate", pa.float32()),  # ... `pass`, alone or behind a colon
        pa.field("print_rate", pa.float32()),  # ... `print`, Python 2's as well
        pa.field("assert_rate", pa.float32()),  # ... `assert` and `self.assert...`
        # Imports, functions, classes, their attributes and `return`s, for each line of code.
        pa.field("no_logic_rate", pa.float32()),
        pa.field("has_variable", pa.bool_()),  # one has `=`, `:=`, a parameter or is a `for`
        pa.field("functions", pa.int32()),  # `def` and `async def`, methods too
        pa.field("classes", pa.int32()),
        pa.field("function_rate", pa.float32()),  # functions for each line of code
        # Of the functions, those whose body is one `return`, without a docstring.
        pa.field("one_return_rate", pa.float32()),
        pa.field("one_return_line_rate", pa.float32()),  # those for each line of code (OpenCoder)
        pa.field("equals", pa.int32()),  # characters `=`, wherever they stand (CodeParrot)
        # StarCoder2's base64, hexadecimal and Unicode escapes; a character counts once.
        pa.field("longest_encoded_run", pa.int32()),
        pa.field("encoded_rate", pa.float32()),
        pa.field("xml_head", pa.bool_()),  # `<?xml version=` in the first 100 characters
        # Of the tokens: literals, and the brackets, commas, colons and signs of the unbroken runs
        # that hold one. Plain code has about a third, a table of constants nearly 1.
        pa.field("literal_rate", pa.float32()),
        # The first of `GENERATED_PHRASES` that is in the first five lines; null if none is.
        pa.field("generated_phrase", pa.string()),
        pa.field("config_or_test", pa.bool_()),  # `is_config_or_test`
        pa.field("simple_keywords", pa.bool_()),  # CodeParrot: "def ", "class ", "for ", "while "
        # PyCodeGPT resamples by these two and does not say what they are. Read as shares of the
        # lines of code: in functions named test*, in classes named Test*, *Test or *Tests or
        # derived from a TestCase; and in functions of any kind.
        pa.field("unit_test_score", pa.float32()),
        pa.field("function_score", pa.float32()),
    ]
)
_CONFIG_OR_TEST = ("unit tests", "test file", "configuration file")
_MAX_WORD_RATE = 0.05  # occurrences of "test" or "config" a line
_KEYWORDS = (b"def ", b"class ", b"for ", b"while ")


def stage(parameters: SignalParameters) -> SignalStage:
    """The structure stage."""
    return SignalStage(
        name="structure",
        version=4,
        parameters={},
        guess_encoding=parameters.guess_encoding,
        schema=SCHEMA,
        measure=_row,
        lost=no_row,
    )


def _row(document: Document) -> Row:
    return {} if document.text is None else structure(document)


def structure(document: Document) -> dict[str, Any]:
    """All columns, of a text with LF line ends. Never raises."""
    strings = string_counts(document.data, document.marks, document.lines)
    return {
        **_character_columns(document, strings),
        **_line_columns(document, strings[-1]),
        **_phrase_columns(document),
    }


def _character_columns(document: Document, strings: tuple[int, ...]) -> dict[str, Any]:
    data, marks, classes = document.data, document.marks, document.classes
    docstring, inside_strings, long_words, _ = strings
    shares = character_shares(data, marks, classes)
    chars, alnum, alpha, digits, blanks, comment, string, equals, replacements = shares
    longest, encoded = encoded_chars(data, classes, np.zeros(len(data), np.bool_))
    words = word_count(data, classes)
    code = chars - comment - docstring
    return {
        "words": words,
        "mean_word": _share(alnum, words),
        "alnum_rate": _share(alnum, chars),
        "alpha_rate": _share(alpha, chars),
        "digit_rate": _share(digits, chars),
        "blank_rate": _share(blanks, chars),
        "visible_alpha_rate": _share(alpha, chars - blanks),
        "visible_digit_rate": _share(digits, chars - blanks),
        "comment_rate": _share(comment, chars),
        "docstring_rate": _share(docstring, chars),
        "commentary_rate": _share(comment + docstring, chars),
        "string_rate": _share(string, chars),
        "code_string_rate": _share(inside_strings, code),
        "long_word_rate": _share(long_words, code),
        "hex_word_rate": _share(hex_word_chars(data, marks, document.lines, classes), code),
        "replacement_rate": _share(replacements, chars),
        "equals": equals,
        "longest_encoded_run": longest,
        "encoded_rate": _share(encoded, chars),
    }


def _line_columns(document: Document, long_lines: int) -> dict[str, Any]:
    data, marks, lines = document.data, document.marks, document.lines
    kinds = statements_by_kind(data, marks, lines)
    imports, passes, prints, asserts, returns, code_lines = kinds
    definitions = definition_counts(data, marks, lines, document.classes)
    functions, classes, attributes, one_return, function_lines, test_lines = definitions
    tokens, literals = literal_counts(data, marks, lines)
    no_logic = imports + functions + classes + attributes + returns
    return {
        "repeated_line_rate": _share(repeated_lines(data, marks, lines), code_lines),
        "placeholder_rate": _share(placeholder_lines(data, marks, lines), _line_count(document)),
        "long_string_rate": _share(min(long_lines, code_lines), code_lines),
        "no_logic_rate": _share(min(no_logic, code_lines), code_lines),
        "has_variable": keeps_value(data, marks, lines),
        "import_rate": _share(imports, code_lines),
        "pass_rate": _share(passes, code_lines),
        "print_rate": _share(prints, code_lines),
        "assert_rate": _share(asserts, code_lines),
        "functions": functions,
        "classes": classes,
        "function_rate": _share(functions, code_lines),
        "one_return_rate": _share(one_return, functions),
        "one_return_line_rate": _share(one_return, code_lines),
        "literal_rate": _share(literals, tokens),
        "unit_test_score": _share(test_lines, code_lines),
        "function_score": _share(function_lines, code_lines),
    }


def _phrase_columns(document: Document) -> dict[str, Any]:
    top = document.top.lower()
    return {
        "xml_head": "<?xml version=" in (document.text or "")[:100],
        "generated_phrase": next((phrase for phrase in GENERATED_PHRASES if phrase in top), None),
        "config_or_test": is_config_or_test(document),
        "simple_keywords": _has_any(document.encoded, _KEYWORDS),
    }


def is_config_or_test(document: Document) -> bool:
    """CodeParrot's test: a phrase on top, or "config" or "test" on more than a twentieth of lines.

    Occurrences are counted wherever they stand, in "latest" too; a file of fewer than 20 lines is
    one as soon as it holds either word. All in lower case.
    """
    top = document.top.lower()
    if any(phrase in top for phrase in _CONFIG_OR_TEST):
        return True
    most = int(_MAX_WORD_RATE * document.line_ends)
    return max(config_and_test_counts(document.data)) > most


def _has_any(data: bytes, words: tuple[bytes, ...]) -> bool:
    """Whether one of `words` is there, whatever the case."""
    # Nearly always as it stands; only the rest of the files are copied to look again.
    return any(word in data for word in words) or any(word in data.lower() for word in words)


def _line_count(document: Document) -> int:
    data = document.data
    return document.line_ends + (len(data) > 0 and data[-1] != NEWLINE)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
