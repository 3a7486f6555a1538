"""Threads beside the event loop that are never left behind."""

from __future__ import annotations

import asyncio
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
