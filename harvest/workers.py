"""Several pieces of work at once in one event loop, where a piece may bring further ones."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def work_off(
    work: Iterable[T], act: Callable[[T], Awaitable[Iterable[T]]], *, at_once: int
) -> None:
    """Act on every piece, `at_once` of them side by side, until none is left.

    `work` is read as there is room; what `act` returns goes first. The first error stops all.
    """
    pieces, more = iter(work), deque[T]()
    running: set[asyncio.Task[Iterable[T]]] = set()
    try:
        while True:
            while len(running) < at_once:
                try:
                    piece = more.popleft() if more else next(pieces)
                except StopIteration:
                    break
                running.add(asyncio.ensure_future(_acted(act, piece)))
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            # All are looked at: several may fail together when the network is gone.
            errors = [error for task in done if (error := task.exception())]
            if errors:
                raise errors[0]
            for task in done:
                more.extend(task.result())
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _acted(act: Callable[[T], Awaitable[Iterable[T]]], piece: T) -> Iterable[T]:
    return await act(piece)
