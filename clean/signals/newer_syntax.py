"""Is it newer syntax? A second opinion on a file that `ast` refuses, by a parser that knows more.

ruff's parser where it can be used, else libcst's, which takes thirty times as long. Only the detail
of a rejection says so: the verdict is `ast`'s.
"""

from __future__ import annotations

import re

from clean.signals.grammar import ruff_parser

# Both parsers die of deep nesting and of long chains: they are asked about small and flat files
# only. Whatever slips through costs its own file, as any crash does.
_MAX_CHARS = 50_000
_MAX_CHAIN = 200
_CHAIN = re.compile(rf"(?:[-+~(\[{{][ \t]*+){{{_MAX_CHAIN}}}|(?:not[ \t]++){{{_MAX_CHAIN}}}")
_LINKS = re.compile(r"\belif\b|[-+*/%&|^]|\band\b|\bor\b|\.")


def is_newer_syntax(text: str) -> bool:
    """Whether a parser of the newest grammar accepts the text; False if it can't be asked."""
    if len(text) > _MAX_CHARS or _CHAIN.search(text):
        return False
    if max(len(_LINKS.findall(part)) for part in text.split("\n\n")) > 10 * _MAX_CHAIN:
        return False
    accepts = ruff_parser()
    return accepts(text) if accepts and "\0" not in text else parses_with_libcst(text)


def parses_with_libcst(text: str) -> bool:
    """Whether libcst accepts the text. May crash or hang on what `is_newer_syntax` keeps away."""
    import libcst  # costs a third of a second, and most files never need it

    try:
        libcst.parse_module(text)
    except Exception:  # the native parser raises what it likes
        return False
    return True
