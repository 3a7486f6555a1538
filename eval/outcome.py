"""What can become of a program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Outcome = Literal[
    "passed",  # all its tests ran and held
    "failed",  # an assertion did not hold
    "error",  # another exception; the detail begins with its type
    "syntax_error",  # it does not compile
    "exited",  # it left before its tests had ended, with whatever exit code
    "timeout",  # over its CPU time, or over the wall-clock guard
    "memory",  # over its memory
    "forbidden",  # ended by a refusal: a file, a socket, a process, a forged verdict
    "killed",  # died of a signal, such as a segmentation fault
    "empty",  # nothing but white space: not run
]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A program's outcome. Only `passed` counts; CPU seconds are no part of the verdict."""

    outcome: Outcome
    detail: str = ""
    cpu_s: float = 0.0

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"


EMPTY = Verdict("empty", "nothing but white space")
