"""While a harvest works: now and then a sample of how far it is, for `harvest status`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from corpus.errors import FileError
from harvest.frontier import Frontier, Sample
from harvest.scheduler import Scheduler

INTERVAL_S = 10.0
_UNDETAILED = ("found", "wanted")
_SETTLED = ("done", "fetched", "gone", "blocked", "empty", "failed", "opted_out")


@asynccontextmanager
async def pulse(
    frontier: Frontier, scheduler: Scheduler, *, interval_s: float = INTERVAL_S
) -> AsyncIterator[None]:
    """Keep samples while the block runs, one at its start and one at its end."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(interval_s)
            with suppress(FileError):  # a full disk is told of by those whose work it is to write
                _keep(frontier, scheduler)

    _keep(frontier, scheduler)
    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
    _keep(frontier, scheduler)


def _keep(frontier: Frontier, scheduler: Scheduler) -> None:
    frontier.keep_sample(sample(frontier, scheduler.clock.now()), limits(scheduler))


def sample(frontier: Frontier, now: float) -> Sample:
    """How far the frontier is; reads counters only."""
    states = frontier.states()
    found, (files, size) = sum(states.values()), frontier.totals()
    return Sample(
        at=now,
        found=found,
        detailed=found - sum(states.get(state, 0) for state in _UNDETAILED),
        settled=sum(states.get(state, 0) for state in _SETTLED),
        files=files,
        bytes=size,
    )


def limits(scheduler: Scheduler) -> dict[str, Any]:
    """What is left, by user and resource, as answers stated it."""
    return {
        user: {
            resource: {
                "limit": window.limit,
                "remaining": window.remaining,
                "reset": window.reset,
            }
            for resource, window in budget.windows.items()
            if window is not None
        }
        for user, budget in scheduler.budgets.items()
    }
