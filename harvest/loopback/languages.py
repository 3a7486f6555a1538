"""Bytes per language by file name, with linguist's names for the languages.

Only programming and markup languages count, as in GitHub's own statistics; prose and data
(Markdown, JSON, CSV) do not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

_EXTENSIONS = {
    "Assembly": (".asm", ".s"),
    "Batchfile": (".bat", ".cmd"),
    "C": (".c", ".h"),
    "C++": (".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx", ".inl", ".ipp"),
    "CMake": (".cmake",),
    "CSS": (".css",),
    "Cuda": (".cu", ".cuh"),
    "Cython": (".pxd", ".pxi", ".pyx"),
    "Fortran": (".f", ".f77", ".for"),
    "Fortran Free Form": (".f90", ".f95"),
    "Go": (".go",),
    "HTML": (".htm", ".html"),
    "Java": (".java",),
    "JavaScript": (".js", ".mjs"),
    "Jinja": (".j2", ".jinja"),
    "Jupyter Notebook": (".ipynb",),
    "Lua": (".lua",),
    "Metal": (".metal",),
    "Perl": (".pl", ".pm"),
    "PowerShell": (".ps1",),
    "Python": (".py", ".pyi", ".pyw"),
    "R": (".r",),
    "Ruby": (".rb",),
    "Rust": (".rs",),
    "Scheme": (".scm",),
    "SCSS": (".scss",),
    "Shell": (".bash", ".sh"),
    "Tcl": (".tcl",),
    "TeX": (".sty", ".tex"),
    "TypeScript": (".ts", ".tsx"),
}
_LANGUAGE_OF = {suffix: name for name, suffixes in _EXTENSIONS.items() for suffix in suffixes}
_FILE_NAMES = {"CMakeLists.txt": "CMake", "Dockerfile": "Dockerfile", "Makefile": "Makefile"}


def language_bytes(files: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Bytes by language of (path, size) pairs, largest first, ties by name."""
    counts: Counter[str] = Counter()
    for path, size in files:
        if language := language_of(path):
            counts[language] += size
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def language_of(path: str) -> str | None:
    """The language of one file, by its name; None for prose, data and the unknown."""
    file = PurePosixPath(path)
    return _FILE_NAMES.get(file.name) or _LANGUAGE_OF.get(file.suffix.lower())
