from __future__ import annotations

import asyncio
import threading
import time

import pytest

from harvest.threads import in_daemon, outlast


async def test_what_a_daemon_returns_or_raises_comes_back() -> None:
    assert await in_daemon(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await in_daemon(lambda: 1 // 0)


def test_a_daemon_is_left_behind_when_its_task_is_cancelled() -> None:
    end = threading.Event()

    async def main() -> None:
        task = asyncio.create_task(in_daemon(lambda: end.wait(20)))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    started = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - started < 5
    end.set()  # and it ends in silence, though its loop is closed
    for thread in threading.enumerate():
        if thread.name == "api":
            thread.join(5)
            assert not thread.is_alive()


async def test_a_thread_that_writes_is_waited_for() -> None:
    written: list[int] = []

    def write() -> None:
        time.sleep(0.2)
        written.append(1)

    task = asyncio.create_task(outlast(asyncio.ensure_future(asyncio.to_thread(write))))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert written == [1]
