"""Threads beside the event loop: those that write are never left behind, those that ask may be."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def outlast(work: asyncio.Future[T]) -> T:
    """Await what a thread does; a cancelled task still waits for the thread's end.

    Else a thread would go on writing after the harvest has stopped.
    """
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        work.exception()  # else asyncio complains that nobody looked at it
        raise


async def in_daemon(work: Callable[[], T]) -> T:
    """Await `work` in a thread that may be left behind: one that waits for a server, say.

    A cancelled task goes on at once, and the thread does not hold up the end of the process.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as caught:  # raised where the task waits
            error = caught
        with suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="api", daemon=True).start()
    return await future
