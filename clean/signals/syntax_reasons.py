"""Why a file does not parse: reasons of our own, from the parser's message and the text."""

from __future__ import annotations

import re
from typing import Literal

from clean.signals.comments import bare_code

Reject = Literal[
    "syntax",
    "python2",
    "notebook_export",
    "transcript",
    "template",
    "conflict_marker",
    "lfs_pointer",
    "html",
    "too_complex",
]

_TOO_COMPLEX = re.compile(r"too many (?:nested|levels|statically)|too complex|stack overflow", re.I)
_HTML = re.compile(r"\s*<(?:!doctype|html|\?xml|head|body|!--)", re.IGNORECASE)
_LFS = "version https://git-lfs.github.com/spec/"
_CONFLICT = re.compile(r"^(?:<{7}|>{7}|\|{7})(?: |$)|^={7}$", re.MULTILINE)
_TRANSCRIPT = re.compile(r"^[ \t]*>>>(?: |$)", re.MULTILINE)
_TEMPLATE_BLOCK = re.compile(r"\{%[-+]?[ \t]{0,9}\w[^\n]{0,200}%\}|<%[^\n]{0,200}%>")
_TEMPLATE_VALUE = re.compile(r"\{\{[^\n]*\}\}|\$\{\w[^\n]*\}|<%|@@\w+@@|\{%|%\}")
_NOTEBOOK = re.compile(r"[ \t]*(?:%%?[A-Za-z]|!)|[ \t]*\?{1,2}\w|[^\n]*\w\?{1,2}[ \t]*$")


def reason(text: str, line_number: int, message: str) -> Reject:
    """Which kind of file fails to parse at this line, with this message."""
    if _TOO_COMPLEX.search(message):
        return "too_complex"
    if text.startswith(_LFS):
        return "lfs_pointer"
    if _HTML.match(text):
        return "html"
    if _CONFLICT.search(text):
        return "conflict_marker"
    line = _line(text, line_number)
    if _is_python2(line, message):
        return "python2"
    bare = bare_code(text)
    if _TRANSCRIPT.search(bare):
        return "transcript"
    if _TEMPLATE_BLOCK.search(text) or _TEMPLATE_VALUE.search(line):
        return "template"
    return "notebook_export" if _NOTEBOOK.match(bare_code(line)) else "syntax"


# What CPython 3.11 to 3.13 say about Python 2 ...
_PYTHON2_MESSAGE = re.compile(
    r"Missing parentheses in call to '(?:print|exec)'"
    r"|leading zeros in decimal integer literals"
    r"|multiple exception types must be parenthesized"
    r"|(?:parameters|expression parameters) cannot be parenthesized"
)
# ... and what they call plain invalid syntax, looked for on the line where they stop.
_PYTHON2_LINE = re.compile(
    r"(?:^|[:;])[ \t]*(?:print|exec)(?:[ \t]+[^\s=.,)\]:;]|[ \t]*[`\"'])"  # print x
    r"|(?:^|[:;])[ \t]*raise[ \t]+[\w.]+[ \t]*,"  # raise E, "x"
    r"|(?:[=(,+%]|\bprint|\breturn)[ \t]*`[^`\n]+`"  # backticks that prose wouldn't have
    r"|<>"
    r"|\b(?:0[0-7]+|[0-9]+|0[xX][0-9A-Fa-f]+)[lL]\b|\b0[0-7]+\b"  # 10L, 0777
)
_UR_STRING = re.compile(r"\b[uU][rR]['\"]")


def _is_python2(line: str, message: str) -> bool:
    if _PYTHON2_MESSAGE.search(message):
        return True
    return bool(_UR_STRING.search(line) or _PYTHON2_LINE.search(bare_code(line)))


def _line(text: str, number: int) -> str:
    """Line `number`, from 1, cut to a length that no expression above can hang on."""
    lines = text.split("\n", number)
    return lines[number - 1][:500] if number <= len(lines) else ""
