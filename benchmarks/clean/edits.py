"""Edits that make a near copy of real code: pure functions of the text and a random source.

Each returns the edited text, or None where the text offers nothing to edit.
"""

from __future__ import annotations

import ast
import io
import keyword
import re
import tokenize
from collections.abc import Callable, Sequence
from random import Random

_KEPT_NAMES = frozenset({"self", "cls", "_"})
_PLAIN_STRING = re.compile(r"'[^'\\\n]*'|\"[^\"\\\n]*\"")

HEADERS = (
    "Licensed under the Apache License, Version 2.0 (the \"License\");\n"
    "you may not use this file except in compliance with the License.\n"
    "You may obtain a copy of the License at\n\n"
    "    http://www.apache.org/licenses/LICENSE-2.0\n\n"
    "Unless required by applicable law or agreed to in writing, software\n"
    "distributed under the License is distributed on an \"AS IS\" BASIS,\n"
    "WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.",
    "This program is free software: you can redistribute it and/or modify\n"
    "it under the terms of the GNU General Public License as published by\n"
    "the Free Software Foundation, either version 3 of the License, or\n"
    "(at your option) any later version.\n\n"
    "This program is distributed in the hope that it will be useful,\n"
    "but WITHOUT ANY WARRANTY; without even the implied warranty of\n"
    "MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.",
    "SPDX-License-Identifier: MIT\n\n"
    "Permission is hereby granted, free of charge, to any person obtaining a copy\n"
    "of this software and associated documentation files (the \"Software\"), to deal\n"
    "in the Software without restriction, including without limitation the rights\n"
    "to use, copy, modify, merge, publish, distribute, sublicense, and/or sell\n"
    "copies of the Software, subject to the above copyright notice.",
)  # fmt: skip


def renamed(text: str, share: float, words: Sequence[str], rng: Random) -> str | None:
    """Other names for a share (at least one) of the names that the code binds."""
    bound = sorted(_bound_names(text) - _KEPT_NAMES)
    if not bound:
        return None
    chosen = rng.sample(bound, _at_least_one(share, len(bound)))
    taken = set(re.findall(r"\w+", text))
    fresh = [word for word in rng.sample(words, min(len(words), 400)) if word not in taken]
    names = dict(zip(chosen, fresh, strict=False))
    return _retokened(text, lambda token, before: names.get(token) if before != "." else None)


def changed_constants(text: str, share: float, words: Sequence[str], rng: Random) -> str | None:
    """Other values for a share (at least one) of the numbers and short plain strings."""
    tokens = _tokens(text)
    prose = _docstring_lines(text)
    places = [
        (token.start, token.end, new)
        for token in tokens
        if token.start[0] not in prose and (new := _other_constant(token, words, rng))
    ]
    if not places:
        return None
    chosen = rng.sample(places, _at_least_one(share, len(places)))
    return _replaced(text, chosen)


def reordered(text: str, share: float, words: Sequence[str], rng: Random) -> str | None:
    """Top-level functions and classes in another order: all of them, or two if `share` is 0."""
    blocks = _top_level(text)
    movable = [i for i, (_, is_definition) in enumerate(blocks) if is_definition]
    if len(movable) < 3:
        return None
    moved = rng.sample(movable, 2 if share == 0 else len(movable))
    order = list(range(len(blocks)))
    for place, source in zip(sorted(moved), moved, strict=True):
        order[place] = source
    if share == 0:
        order[moved[0]], order[moved[1]] = moved[1], moved[0]
    return "".join(blocks[i][0] for i in order)


def other_header(text: str, share: float, words: Sequence[str], rng: Random) -> str | None:
    """A licence in comments on top."""
    lines = rng.choice(HEADERS).split("\n")
    owner = " ".join(rng.sample(words, 2))
    top = [f"Copyright (c) {rng.randrange(1999, 2025)} {owner}", *lines]
    return "".join(f"# {line}".rstrip() + "\n" for line in top) + "\n" + text


def rewritten(text: str, share: float, words: Sequence[str], rng: Random) -> str | None:
    """A share (at least one) of the lines written anew, with words from elsewhere."""
    lines = text.split("\n")
    full = [i for i, line in enumerate(lines) if line.strip() and not line.strip().startswith("#")]
    if len(full) < 4:
        return None
    for i in rng.sample(full, _at_least_one(share, len(full))):
        indent = lines[i][: len(lines[i]) - len(lines[i].lstrip())]
        name, call, first, second = rng.sample(words, 4)
        lines[i] = f"{indent}{name} = {call}({first}, {second})"
    return "\n".join(lines)


def _at_least_one(share: float, of: int) -> int:
    return max(1, round(share * of))


def _bound_names(text: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def _docstring_lines(text: str) -> set[int]:
    """The lines of all statements that are nothing but a string."""
    return {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def _other_constant(token: tokenize.TokenInfo, words: Sequence[str], rng: Random) -> str | None:
    if token.type == tokenize.NUMBER and token.string.isdecimal():
        return str(rng.randrange(2, 10 ** (len(token.string) + 1)))
    if token.type == tokenize.STRING and _PLAIN_STRING.fullmatch(token.string):
        return f'"{rng.choice(words)}"'
    return None


def _tokens(text: str) -> list[tokenize.TokenInfo]:
    return list(tokenize.generate_tokens(io.StringIO(text).readline))


def _retokened(text: str, rename: Callable[[str, str], str | None]) -> str:
    """The text with each name token replaced by `rename(name, token before)`, None: as it is."""
    places, before = [], ""
    for token in _tokens(text):
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
            new = rename(token.string, before)
            if new is not None:
                places.append((token.start, token.end, new))
        before = token.string
    return _replaced(text, places)


_Place = tuple[tuple[int, int], tuple[int, int], str]


def _replaced(text: str, places: Sequence[_Place]) -> str:
    """The text with what stands at (line, column) to (line, column) replaced."""
    lines = text.split("\n")
    for (line, start), (_, stop), new in sorted(places, reverse=True):
        lines[line - 1] = lines[line - 1][:start] + new + lines[line - 1][stop:]
    return "\n".join(lines)


def _top_level(text: str) -> list[tuple[str, bool]]:
    """(source, is it a definition) of each top-level statement, with the lines above it."""
    lines = text.removesuffix("\n").split("\n")
    blocks, start = [], 0
    for node in ast.parse(text).body:
        stop = node.end_lineno or node.lineno
        is_definition = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if stop > start:
            blocks.append(("\n".join(lines[start:stop]) + "\n", is_definition))
            start = stop
    rest = "\n".join(lines[start:])
    return [*blocks, (rest + "\n", False)] if rest.strip() else blocks
