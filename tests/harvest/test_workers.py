from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest.workers import work_off


@given(st.lists(st.integers(0, 4), max_size=12), st.integers(1, 4))
def test_every_piece_and_what_it_brings_is_acted_on_once(work: list[int], at_once: int) -> None:
    acted: list[int] = []
    running = most = 0

    async def act(piece: int) -> Iterable[int]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        acted.append(piece)
        return [piece - 1] * 2 if piece else []

    asyncio.run(work_off(iter(work), act, at_once=at_once))
    assert len(acted) == sum(2 ** (piece + 1) - 1 for piece in work)
    assert most <= at_once
    assert running == 0


async def test_work_is_read_as_there_is_room() -> None:
    read: list[int] = []

    def source() -> Iterable[int]:
        for piece in range(5):
            read.append(piece)
            yield piece

    async def act(piece: int) -> Iterable[int]:
        assert len(read) <= piece + 2
        await asyncio.sleep(0)
        return ()

    await work_off(source(), act, at_once=2)
    assert read == [0, 1, 2, 3, 4]


async def test_the_first_error_stops_all(caplog: pytest.LogCaptureFixture) -> None:
    cancelled: list[int] = []

    async def act(piece: int) -> Iterable[int]:
        if piece < 2:
            await asyncio.sleep(0)
            raise ValueError(piece)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(piece)
            raise
        return ()

    with pytest.raises(ValueError):
        await work_off(range(9), act, at_once=4)
    assert sorted(cancelled) == [2, 3]
    assert not caplog.records, "no error of the others is left unread"
