"""Proofs that an edit leaves the program what it was.

Two roads. The short one compares what the parser would read: two texts that are equal once their
comments, the lines that hold nothing else and the blank lines before the first statement are gone
give equal streams of tokens (Python reference, 2.1: comments are ignored by the syntax, blank
lines and lines of comments alone make no token, not even for indentation), and the parser reads
nothing but tokens. It holds where this module tells strings from comments exactly as Python does:
see `Program.skeleton`. The long one parses both texts and compares the trees, positions aside.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from operator import attrgetter
from typing import Any

from clean.signals.comments import comment_spans
from clean.signals.possessive import possessive

SameConstant = Callable[[Any, Any], bool]

# Blank lines and comments before the first statement.
LEADING = re.compile(possessive(r"[ \t\f]*+(?:#[^\n]*+)?\n") + r"(?:[ \t\f]*+#[^\n]*+\Z)?")
_BLANKS = " \t\f"


class Program:
    """A text with LF line ends, and what is worth knowing once about it."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def skeleton(self) -> str | None:
        """The text without what makes no token, or None where that is not certain.

        Not certain: a backslash before a comment (it may join lines), bytes that Python would
        refuse in a comment, a byte order mark that would come first, and from Python 3.12 on a
        replacement field in which a quote might not be what it seems (PEP 701).
        """
        match = LEADING.match(self.text)
        assert match is not None, "the expression matches anything, the empty text too"
        position, kept = match.end(), []
        if not _is_lexed(self.text) or self.text.startswith("\ufeff", position):
            return None
        for start, stop in comment_spans(self.text):
            if start < position:
                continue
            code = self.text[position:start].rstrip(_BLANKS)
            if code.endswith(("\\", "\\\n")):
                return None
            alone = not code or code.endswith("\n")
            position = stop + alone  # with its line end
            kept.append(code)
        return "".join([*kept, self.text[position:]])

    @cached_property
    def tree(self) -> ast.Module | None:
        """The syntax tree by the running interpreter; None if it refuses the text."""
        from clean.signals.syntax import parse  # costs what most texts never need

        try:
            return parse(self.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def same_tokens(before: Program, after: Program) -> bool:
    """Whether the parser would read the same from both. False also means: not certain."""
    return before.skeleton is not None and before.skeleton == after.skeleton


def same_program(before: Program, after: Program) -> bool:
    """Whether both texts are the same program, by their tokens or else by their trees.

    Parses both texts in the worst case: as dangerous as any parsing.
    """
    return same_tokens(before, after) or same_trees(before.tree, after.tree)


def same_trees(
    before: ast.AST | None, after: ast.AST | None, same_constant: SameConstant | None = None
) -> bool:
    """Whether two syntax trees are equal but for positions, however deep they are.

    `same_constant` says whether two strings, or two bytes, that differ may stand for each other.
    """
    if before is None or after is None:
        return False
    pairs: list[tuple[Any, Any]] = [(before, after)]
    while pairs:
        left, right = pairs.pop()
        if left is right:
            continue
        kind = type(left)
        if kind is not type(right):
            return False
        if isinstance(left, ast.AST):
            values = _values(kind._fields)
            pairs.extend(zip(values(left), values(right), strict=True))
        elif kind is list:
            if len(left) != len(right):
                return False
            pairs.extend(zip(left, right, strict=True))
        elif not _same_leaf(left, right, same_constant):
            return False
    return True


@cache
def _values(fields: tuple[str, ...]) -> Callable[[ast.AST], tuple[Any, ...]]:
    """What gives the values of these fields of a node."""
    if len(fields) < 2:
        return lambda node: tuple(getattr(node, field) for field in fields)
    return attrgetter(*fields)


def _same_leaf(left: Any, right: Any, same_constant: SameConstant | None) -> bool:
    if isinstance(left, str | bytes):
        return left == right or (same_constant is not None and same_constant(left, right))
    # By their text: 0.0 == -0.0, and nan is not itself. An integer's text may be too long to make.
    return left == right if isinstance(left, int) else repr(left) == repr(right)


def restored(placeholders: re.Pattern[str], *originals: Mapping[str, str]) -> SameConstant:
    """A test of constants: whether putting an original back for each placeholder undoes a change.

    Several mappings are tried in turn, each for the whole constant: a value may stand in the
    source with escapes that are resolved in the constant.
    """

    def undone(after: str, known: Mapping[str, str]) -> str:
        return placeholders.sub(lambda match: known.get(match[0], match[0]), after)

    def same(before: str | bytes, after: str | bytes) -> bool:
        if isinstance(before, bytes) and isinstance(after, bytes):
            # One character a byte, so that nothing is lost or joined.
            before, after = before.decode("latin-1"), after.decode("latin-1")
        assert isinstance(after, str), "types were compared before"
        return any(undone(after, known) == before for known in originals)

    return same


def _is_lexed(text: str) -> bool:
    """Whether Python finds strings and comments where `clean.signals.comments` does."""
    if "\0" in text or not (text.isascii() or _is_encodable(text)):
        return False
    if sys.version_info < (3, 12):
        return True
    return all(_PLAIN_F_STRING.match(text, m.start()) for m in _F_STRING_START.finditer(text))


def _is_encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _plain_f_string(opening: str, closing: str, literal: str) -> str:
    """One whose replacement fields hold neither its own quote nor comments nor escapes."""
    other = "'" if '"' in closing else '"'
    code = r"[^{}'\"#\\\n]"
    nested = rf"{other}[^{{}}'\"#\\\n]*+{other}"
    inside = possessive(rf"{code}|{nested}|\{{{code}*+\}}")
    parts = possessive(rf"{literal}|\\[^\n{{}}]|\{{\{{|\}}\}}|\{{{inside}\}}")
    return f"{opening}{parts}{closing}"


# Over-cautious: what looks like the start of an f-string may lie in a string or a comment.
_F_STRING_START = re.compile(r"(?<!\w)(?:[fFtT][rR]?|[rR][fFtT])(?=['\"])")
_PLAIN_F_STRING = re.compile(
    r"[a-zA-Z]++(?:"
    + "|".join(
        (
            _plain_f_string("'''", "'''", r"[^\\{}']|'(?!'')"),
            _plain_f_string('"""', '"""', r'[^\\{}"]|"(?!"")'),
            _plain_f_string("'(?!'')", "'", r"[^\\{}'\n]"),
            _plain_f_string('"(?!"")', '"', r'[^\\{}"\n]'),
        )
    )
    + ")"
)
