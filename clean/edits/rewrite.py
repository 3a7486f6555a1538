"""What the corpus keeps of a file's text: licence headers and junk comments go, the program stays.

Every edit is proven: the syntax trees before and after are equal, or the edit is undone and
flagged. Whatever a tool or the interpreter reads in a comment survives: the shebang, a coding
cookie, type comments, `noqa` and its like. A licence in a docstring is no comment and stays.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from clean.signals.comments import Comment, find_comments, is_junk
from clean.signals.decode import codec_of, find_cookie, to_lf
from clean.signals.syntax import parse

HEADER, JUNK, COOKIE = "header", "junk_comments", "cookie"
UNDONE = "_undone"  # follows an edit's name if it could not be proven

_LICENSE_WORDS = re.compile(
    r"licen[cs]e|licen[cs]ing|copyright|\(c\)\s*\d{4}|©|spdx-|all rights reserved|warrant(?:y|ies)"
    r"|redistribut|permission is hereby|merchantability",
    re.IGNORECASE,
)
_PRAGMA = re.compile(
    r"#\s*(?:type:|noqa|nosec|nosemgrep|pragma|pylint:|flake8[:=]|mypy:|pyright:|pytype:|pyre-|ruff:"
    r"|fmt:|isort:|yapf:|autopep8:|black:|doctest:|cython:|distutils:|distribute:|vim?:|ex:|-\*-"
    r"|/// |///$)|#[^\n]*coding[:=]",
    re.IGNORECASE,
)
_LEADING = re.compile(r"(?:[ \t\f]*+(?:#[^\n]*+)?+\n)*+(?:[ \t\f]*+#[^\n]*+\Z)?")


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The text and what was done to it: header, junk_comments, cookie, or NAME_undone."""

    text: str
    edits: tuple[str, ...]


def rewrite(text: str, *, header: bool, junk_comments: bool) -> Rewritten:
    """Make the text that the corpus keeps, with LF line ends and a final newline. Never raises.

    Parses the text, and again for each edit that changes it: as dangerous as any parsing.
    """
    text = normalise(text)
    edits: list[str] = []
    wanted: list[tuple[str, Callable[[str], str]]] = []
    if header:
        wanted.append((HEADER, strip_license_header))
    if junk_comments:
        wanted.append((JUNK, strip_junk_comments))
    # Last, since an edit above may lift a comment on to one of the two lines that count.
    wanted.append((COOKIE, true_cookie))
    tree: ast.Module | None = None
    for name, edit in wanted:
        edited = edit(text)
        if edited == text:
            continue
        tree = tree or _parsed(text)
        if tree is not None and _same(tree, _parsed(edited)):
            text = edited
            edits.append(name)
        else:
            edits.append(name + UNDONE)
    return Rewritten(text, tuple(edits))


def normalise(text: str) -> str:
    """LF line ends, and one at the end of the text unless it is empty."""
    text = to_lf(text)
    return text if text.endswith("\n") or not text else text + "\n"


def strip_license_header(text: str) -> str:
    """Drop the blocks of comments before the first statement that speak of a licence.

    A block is a run of comment lines without a blank one; the blocks that say something else
    stay, and so do single lines that a tool reads.
    """
    match = _LEADING.match(text)
    assert match is not None, "the expression matches anything, the empty text too"
    lines = match[0].split("\n")
    shebang = 1 if lines[0].startswith("#!") else 0
    kept: list[str] = lines[:shebang]
    for is_comment, group in groupby(lines[shebang:], key=_is_comment):
        block = list(group)
        kept.extend(_without_license(block) if is_comment else block)
    if len(kept) == len(lines):
        return text
    return "\n".join(_one_gap(kept or [""])) + text[match.end() :]


def _is_comment(line: str) -> bool:
    return line.lstrip(" \t\f").startswith("#")


def _without_license(block: list[str]) -> list[str]:
    said = [line for line in block if not _PRAGMA.match(line.lstrip(" \t\f"))]
    if not any(_LICENSE_WORDS.search(line) for line in said):
        return block
    return [line for line in block if _PRAGMA.match(line.lstrip(" \t\f"))]


def _one_gap(lines: list[str]) -> list[str]:
    """Blank lines at the top go, and of several in a row one stays: the header stood there."""
    kept: list[str] = []
    for line in lines[:-1]:
        if line.strip(" \t\f") or (kept and kept[-1].strip(" \t\f")):
            kept.append(line)
    return [*kept, lines[-1]]


def strip_junk_comments(text: str) -> str:
    """Drop comments that say nothing (`is_junk`), with their line if nothing else is on it."""
    junk = [comment for comment in find_comments(text) if _goes(comment)]
    return _cut(text, junk) if junk else text


def _goes(comment: Comment) -> bool:
    if comment.start == 0 and comment.text.startswith("#!"):
        return False
    return is_junk(comment.text) and not _PRAGMA.match(comment.text)


def _cut(text: str, comments: Iterable[Comment]) -> str:
    kept, position = [], 0
    for comment in comments:
        before = text[position : comment.start].rstrip(" \t\f")
        stop = comment.stop
        alone = before.endswith("\n") or (not before and position == 0)
        after_cut_line = not before and position > 0 and text[position - 1] == "\n"
        if (alone or after_cut_line) and stop < len(text):
            stop += 1  # the line end
        kept.append(before)
        position = stop
    kept.append(text[position:])
    return "".join(kept)


def true_cookie(text: str) -> str:
    """Name UTF-8 in a coding cookie that would be a lie in front of UTF-8 bytes."""
    body = text.encode("utf-8", "replace")
    cookie = find_cookie(body)
    if cookie is None:
        return text
    name, start, stop = cookie
    codec = codec_of(name)
    if codec is not None and _reads_as(body, codec, text):
        return text
    return (body[:start] + b"utf-8" + body[stop:]).decode("utf-8")


def _reads_as(body: bytes, codec: str, text: str) -> bool:
    try:
        return body.decode(codec) == text
    except UnicodeError:
        return False


def _parsed(text: str) -> ast.Module | None:
    try:
        return parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _same(a: ast.AST, b: ast.AST | None) -> bool:
    """Whether two syntax trees are equal but for positions, however deep they are."""
    pairs: list[tuple[Any, Any]] = [(a, b)]
    while pairs:
        left, right = pairs.pop()
        if type(left) is not type(right):
            return False
        if isinstance(left, ast.AST):
            pairs.extend((getattr(left, f, None), getattr(right, f, None)) for f in left._fields)
        elif isinstance(left, list):
            if len(left) != len(right):
                return False
            pairs.extend(zip(left, right, strict=True))
        elif isinstance(left, str):
            if left != right:
                return False
        # By their text: 0.0 == -0.0, and nan is not itself.
        elif repr(left) != repr(right):
            return False
    return True
