"""What a git server's answer can be instead of what was asked for."""

from __future__ import annotations

from typing import Literal

from harvest.gunzip import DamagedError

Refusal = Literal["no_protocol_v2", "no_filter", "object_format", "not_our_ref", "error_line"]


class RefusedError(Exception):
    """The server says no, in words; `reason` is what gets counted."""

    def __init__(self, reason: Refusal, problem: str) -> None:
        self.reason, self.problem = reason, problem
        super().__init__(problem)


def corrupt(problem: str) -> DamagedError:
    """Bytes that are not what the format says."""
    return DamagedError("corrupt", problem)


def truncated(problem: str) -> DamagedError:
    """Bytes that end too soon."""
    return DamagedError("truncated", problem)
