"""Is it Python? The verdict of the interpreter's `ast`, and a reason of our own if not.

`ast` alone decides whether a file is rejected; everything else here only says why, or gets to the
same verdict sooner. It may take minutes, exhaust the memory or kill the process on hostile files,
so engines run it in workers.
"""

from __future__ import annotations

import ast
import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from clean.signals.document import Document, Row, SignalStage
from clean.signals.grammar import RUNNING, Grammar, find_grammar, is_surely_valid, ruff_version
from clean.signals.newer_syntax import is_newer_syntax
from clean.signals.parameters import SignalParameters
from clean.signals.syntax_reasons import Reject, reason
from corpus.errors import RecipeError

SCHEMA = pa.schema(
    [
        pa.field("syntax_reject", pa.string()),
        pa.field("syntax_detail", pa.string()),
        # Whether `compile` accepts what `ast` does: no `return` at module level, no name twice in
        # a function's arguments. Null where it was not asked, or the file does not parse.
        pa.field("compiles", pa.bool_()),
    ]
)
_MAX_DETAIL = 200
_NO_RUFF = "ruff-format can't be used here, so ast judges every file: same verdicts, more time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """How files are judged: for which grammar, and by what."""

    grammar: Grammar
    ruff: bool = False  # ask ruff's parser first
    compiles: bool = False  # also measure whether it compiles

    def row(self, document: Document) -> Row:
        """The columns of a document."""
        if document.text is None:
            return {}
        verdict = self.verdict(document)
        asked = self.compiles and verdict.reject is None
        return {
            "syntax_reject": verdict.reject,
            "syntax_detail": verdict.detail,
            "compiles": compiles(document.text, self.grammar) if asked else None,
        }

    def verdict(self, document: Document) -> SyntaxVerdict:
        """The verdict of `ast`, by way of ruff's parser where there can be no doubt."""
        if self.ruff and is_surely_valid(document, self.grammar):
            return SyntaxVerdict(None)
        return judge_syntax(document.text or "", self.grammar)


def stage(parameters: SignalParameters) -> SignalStage:
    """The syntax stage. Raises RecipeError for a grammar that can't be parsed here."""
    try:
        grammar = find_grammar(parameters.grammar)
    except ValueError as error:
        raise RecipeError(None, "clean.grammar", str(error).removeprefix("grammar ")) from error
    ruff = ruff_version() if parameters.parser == "ruff" else None
    judge = Judge(grammar=grammar, ruff=ruff is not None, compiles=parameters.measure_compiles)
    # The verdict depends on the interpreter, its messages too. It does not depend on the road to
    # it, so that recipes with another parser share what was measured, and can be compared.
    told: dict[str, Any] = {"python": str(RUNNING), "grammar": str(grammar)}
    if parameters.measure_compiles:
        told["compiles"] = True
    return SignalStage(
        name="syntax",
        version=3,
        parameters=told,
        guess_encoding=parameters.guess_encoding,
        schema=SCHEMA,
        measure=judge.row,
        lost=_lost_row,
        notice=_NO_RUFF if parameters.parser == "ruff" and ruff is None else None,
    )


def _lost_row(why: str) -> Row:
    return {"syntax_reject": why}


@dataclass(frozen=True, slots=True)
class SyntaxVerdict:
    """`reject` is None if the file parses; `detail` names the line and what the parser said."""

    reject: Reject | None
    detail: str | None = None


def judge_syntax(text: str, grammar: Grammar = RUNNING) -> SyntaxVerdict:
    """Parse a decoded file and explain a failure. May crash or hang on hostile input."""
    try:
        with _quietly():
            ast.parse(text, feature_version=_feature_version(grammar))  # and forget the tree here
        return SyntaxVerdict(None)
    except (RecursionError, MemoryError) as error:
        return SyntaxVerdict("too_complex", f"{type(error).__name__}: {error}"[:_MAX_DETAIL])
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        message = getattr(error, "msg", None) or str(error)
        detail = f"line {line}: {message}" if line else message
        reject = reason(text, line or 1, message)
        if reject == "syntax" and is_newer_syntax(text):
            meant = "this Python's" if grammar == RUNNING else f"Python {grammar}'s"
            detail += f"; newer syntax than {meant}"
        return SyntaxVerdict(reject, _printable(detail))


def compiles(text: str, grammar: Grammar = RUNNING) -> bool:
    """Whether `compile` accepts a text that `ast` accepts. May crash or hang as `ast` may."""
    try:
        with _quietly():
            tree = ast.parse(text, feature_version=_feature_version(grammar))
            compile(tree, "<document>", "exec", dont_inherit=True)
            del tree  # before garbage is collected again
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return False
    return True


def parse(text: str) -> ast.Module:
    """`ast.parse` without warnings about the code, and without collecting garbage meanwhile.

    Raises SyntaxError, ValueError, RecursionError or MemoryError.
    """
    with _quietly():
        return ast.parse(text)


def _feature_version(grammar: Grammar) -> tuple[int, int] | None:
    return None if grammar == RUNNING else grammar.feature_version


@contextmanager
def _quietly() -> Iterator[None]:
    """No warnings about the code, no garbage collection.

    A syntax tree has no cycles, and collecting while it grows costs a third of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if was_on:
            gc.enable()


def _printable(detail: str) -> str:
    return detail.encode("utf-8", "replace").decode("utf-8").replace("\0", "")[:_MAX_DETAIL]
