"""Time that jumps: an event loop that never sleeps, and the harvest's clock on it.

As in trio's MockClock with autojump and SimPy: when nobody has anything to do, time goes to the
moment when somebody has.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from harvest.scheduler import Clock

T = TypeVar("T")
START = 1_790_000_000.0  # the virtual epoch: in September 2026


class _Jump(selectors.SelectSelector):
    """Waits for nothing: the loop's time goes on by what would have been waited."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everybody waits, and nobody will come")
        self.elapsed += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop for one thread and no files: only timers make it go on."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._jump.elapsed


class VirtualClock(Clock):
    """The harvest's clock on a virtual loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> float:
        return START + self._loop.time()


def run_virtually(make: Callable[[VirtualClock], Coroutine[Any, Any, T]]) -> T:
    """Run `make(clock)`, a coroutine, to its end on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        work = make(VirtualClock(loop))
        return runner.run(work)
