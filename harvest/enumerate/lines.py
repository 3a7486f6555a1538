"""A list file: one repository a line, as OWNER/NAME, as an address, or by its numeric id."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from corpus.errors import FileError
from corpus.files import named_errors

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*)/[\w.-]+", re.ASCII)
_BY_SSH = re.compile(r"[\w.-]+@[\w.-]+:(?P<path>.+)")
_HOST = re.compile(r"[\w-]+(\.[\w-]+)+/.+/.+")
_MAX_ID = 10**18


def read_list(path: Path) -> dict[str, int]:
    """The entries, each once, with the lines that they are on. Raises FileError.

    `#` begins a comment. A line that can't be understood stops the harvest: what was meant would
    be left out in silence.
    """
    try:
        with named_errors(path):
            lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise FileError(path, "the list of repositories is not UTF-8 text") from error
    return _entries(path, lines)


def _entries(path: Path, lines: Iterable[str]) -> dict[str, int]:
    entries: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        entry = entry_of(text)
        if entry is None:
            problem = f"line {number}: neither OWNER/NAME, nor an address, nor an id: {text[:80]!r}"
            raise FileError(path, problem)
        entries.setdefault(entry, number)
    return entries


def entry_of(text: str) -> str | None:
    """`owner/name` in lower case or the digits of an id; None for anything else."""
    if text.isascii() and text.isdigit():
        return str(int(text)) if 0 < int(text) < _MAX_ID else None
    path = _path_in(text)
    if path is None:
        return None
    owner, _, rest = path.strip("/").partition("/")
    name = f"{owner}/{rest.partition('/')[0].removesuffix('.git')}"
    if not _NAME.fullmatch(name) or name.endswith(("/.", "/..", "/")):
        return None
    # A name has no further part; in an address it may be a page of the repository.
    return name.lower() if path != text or "/" not in rest else None


def _path_in(text: str) -> str | None:
    if "://" in text:
        try:
            return urlsplit(text).path
        except ValueError:
            return None
    by_ssh = _BY_SSH.fullmatch(text)
    if by_ssh:
        return by_ssh["path"]
    return text.partition("/")[2] if _HOST.fullmatch(text) else text
