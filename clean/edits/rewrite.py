"""What the corpus keeps of a file's text: licence headers and junk comments go, the program stays.

Every edit is proven (`clean.edits.proof`), or undone and flagged. Whatever a tool or the
interpreter reads in a comment survives: the shebang, a coding cookie, type comments, `noqa` and
its like. A licence in a docstring is no comment and stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from clean.edits.proof import LEADING, Program, same_program
from clean.edits.redact import proves, redact
from clean.signals.comments import Comment, find_comments, is_junk
from clean.signals.decode import codec_of, find_cookie, to_lf
from clean.signals.secrets_recipe import Group

HEADER, JUNK, COOKIE, REDACTION = "header", "junk_comments", "cookie", "redaction"
UNDONE = "_undone"  # follows an edit's name if it could not be proven
LEFT = "_left"  # follows the redaction's name if something had to stay, in code

Edit = tuple[str, Callable[[str], str]]

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


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The text and what was done to it: NAME of an edit, or NAME_undone, or redaction_left."""

    text: str
    edits: tuple[str, ...]
    redacted: tuple[str, ...] = ()  # the kind of each distinct value that went

    @property
    def is_redacted(self) -> bool:
        """Whether nothing that should have gone is left."""
        return not {REDACTION + UNDONE, REDACTION + LEFT} & set(self.edits)


def rewrite(
    text: str, *, header: bool, junk_comments: bool, redaction: Collection[Group] = ()
) -> Rewritten:
    """Make the text that the corpus keeps, with LF line ends and a final newline. Never raises.

    May parse the text where an edit can't be proven by its tokens: as dangerous as any parsing.
    """
    text = normalise(text)
    edits: list[str] = []
    if "#" in text:  # every edit but redaction is of comments
        wanted: list[Edit] = []
        if header:
            wanted.append((HEADER, strip_license_header))
        if junk_comments:
            wanted.append((JUNK, strip_junk_comments))
        # Last, since an edit above may lift a comment on to one of the two lines that count.
        wanted.append((COOKIE, true_cookie))
        text, edits = _edited(text, wanted)
    return _redacted(text, edits, redaction) if redaction else Rewritten(text, tuple(edits))


def _edited(text: str, wanted: Sequence[Edit]) -> tuple[str, list[str]]:
    """All edits under one proof; if that fails, each under its own."""
    edited, names = text, []
    for name, edit in wanted:
        before, edited = edited, edit(edited)
        if edited != before:
            names.append(name)
    if not names or same_program(Program(text), Program(edited)):
        return edited, names
    return _edited_one_by_one(text, wanted)


def _edited_one_by_one(text: str, wanted: Sequence[Edit]) -> tuple[str, list[str]]:
    program, names = Program(text), []
    for name, edit in wanted:
        edited = Program(edit(program.text))
        if edited.text == program.text:
            continue
        proven = same_program(program, edited)
        names.append(name if proven else name + UNDONE)
        program = edited if proven else program
    return program.text, names


def _redacted(text: str, edits: list[str], groups: Collection[Group]) -> Rewritten:
    redacted = redact(text, groups)
    if redacted.text != text and not proves(text, redacted):
        return Rewritten(text, (*edits, REDACTION + UNDONE))
    if redacted.text != text:
        edits = [*edits, REDACTION]
    if not redacted.complete:
        edits = [*edits, REDACTION + LEFT]
    return Rewritten(redacted.text, tuple(edits), redacted.kinds)


def normalise(text: str) -> str:
    """LF line ends, and one at the end of the text unless it is empty."""
    text = to_lf(text)
    return text if text.endswith("\n") or not text else text + "\n"


def strip_license_header(text: str) -> str:
    """Drop the blocks of comments before the first statement that speak of a licence.

    A block is a run of comment lines without a blank one; the blocks that say something else
    stay, and so do single lines that a tool reads.
    """
    match = LEADING.match(text)
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
