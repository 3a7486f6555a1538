from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.clean.tools import BRIEF_S, Survivors, steady
from benchmarks.processes import Usage


@pytest.fixture
def runs() -> Callable[..., Callable[[], Survivors]]:
    def made(*cpu_s: float) -> Callable[[], Survivors]:
        costs = iter(cpu_s)

        def measure() -> Survivors:
            usage = Usage(
                cpu_s=next(costs), wall_s=1, peak_bytes=1, peak_private_bytes=1, output=""
            )
            return Survivors("tool", np.ones(1, bool), usage, "")

        return measure

    return made


def test_a_brief_tool_is_measured_three_times_and_the_middle_counts(runs) -> None:
    assert steady(runs(7.5, 6.0, 7.0)).usage.cpu_s == 7.0


def test_a_long_one_is_measured_once(runs) -> None:
    assert steady(runs(BRIEF_S, 1.0)).usage.cpu_s == BRIEF_S
