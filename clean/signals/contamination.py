"""Does a file hold problems that the model will be scored on, or their solutions?

Measured is the longest run of words that the file shares with a problem (an n-gram search as in
GPT-3, arXiv:2005.14165, appendix C, and DeepSeek-Coder, arXiv:2401.14196, section 2.4), with the
problem and the lines. How long a run may be is the rule's business: docs/decontamination.md has
what each threshold finds and what it hits by mistake.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa

from clean.signals.contamination_index import Match, ProblemSets, problem_index
from clean.signals.contamination_problems import find_problem_file
from clean.signals.contamination_recipe import ContaminationRecipe
from clean.signals.document import Bytes, Document, Measure, Row, SignalStage, no_row
from clean.signals.parameters import SignalParameters
from corpus.engine import Unit

SCHEMA = pa.schema(
    [
        pa.field("contamination_tokens", pa.int32()),  # the longest run, in words; 0: none
        pa.field("contamination_problem", pa.string()),  # its id
        pa.field("contamination_part", pa.string()),  # prompt, solution, test
        pa.field("contamination_lines", pa.string()),  # "12-31", from 1, of the decoded text
    ]
)
_NEWLINE = 10


def stage(parameters: SignalParameters) -> SignalStage | None:
    """The contamination stage, if problem sets are named.

    Raises ProblemsError or FileError naming the problem file and the line.
    """
    sets = problem_sets(parameters.contamination)
    if sets is None:
        return None
    return SignalStage(
        name="contamination",
        version=1,
        parameters={
            "problems": [file.digest for file in sets.files],
            "parts": sorted(sets.parts),
            "ngram_tokens": sets.ngram_tokens,
            "distinct_words": sets.distinct_words,
        },
        guess_encoding=parameters.guess_encoding,
        schema=SCHEMA,
        measure=partial(_row, sets),
        lost=no_row,
        of_unit=partial(_of_unit, sets),
    )


def problem_sets(recipe: ContaminationRecipe) -> ProblemSets | None:
    """The problem sets that a recipe names, read and checked; None if it names none."""
    if recipe.problems is None:
        return None
    files = tuple(find_problem_file(name) for name in recipe.problems)
    return ProblemSets(files, recipe.parts, recipe.ngram_tokens, recipe.distinct_words)


def _of_unit(sets: ProblemSets, unit: Unit) -> Measure:
    problem_index(sets)  # before the first row's clock runs
    return partial(_row, sets)


def _row(sets: ProblemSets, document: Document) -> Row:
    if document.text is None:
        return {}
    match = problem_index(sets).find(document.data)
    if match is None:
        return {"contamination_tokens": 0}
    return {
        "contamination_tokens": match.tokens,
        "contamination_problem": match.problem,
        "contamination_part": match.part,
        "contamination_lines": _lines(document.data, match),
    }


def _lines(data: Bytes, match: Match) -> str:
    """The first and the last line of the run."""
    first = 1 + np.count_nonzero(data[: match.start] == _NEWLINE)
    last = first + np.count_nonzero(data[match.start : match.stop] == _NEWLINE)
    return f"{first}-{last}"
