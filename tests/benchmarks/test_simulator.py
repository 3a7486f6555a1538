from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.harvest.simulator import bench
from benchmarks.harvest.simulator.github import Answered, GitHub, Mood
from benchmarks.harvest.simulator.run import Simulated, simulate
from benchmarks.harvest.simulator.search import SearchIndex
from benchmarks.harvest.simulator.virtual import VirtualClock, run_virtually
from benchmarks.harvest.simulator.world import World, make_world
from benchmarks.target import Place
from harvest.loopback.limits import Limits
from harvest.policy import Answer
from harvest.windows import SEARCH_CAP

ROUGH = Mood(secondary=1 / 50, failing=1 / 30, incomplete=1 / 20, partial=1 / 10)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(2_000, seed=11)


@pytest.mark.parametrize("name", ["by search", "by id"])
def test_all_is_found_and_nothing_sent_inside_a_penalty(
    world: World, tmp_path: Path, name: str
) -> None:
    done = simulate(world, bench.recipes(world)[name], tmp_path, seed=1, mood=ROUGH)
    assert done.coverage.share == 1.0
    assert done.coverage.wrongly_planned == 0
    assert done.coverage.to_fetch > 500
    assert done.tally.penalties > 0
    assert done.tally.in_penalty == done.tally.limited == 0
    assert done.forecast.repositories == pytest.approx(done.coverage.findable, rel=0.1)
    assert done.traffic.requests["git"] > 1_000


def test_limits_that_nobody_can_ask_for_are_found_by_trying(world: World, tmp_path: Path) -> None:
    """CPU seconds a minute: requests at once fall until they fit, and nothing is lost."""
    mood = Mood(secondary=0, cpu_s_per_minute=4.0)
    done = simulate(world, bench.recipes(world)["by id"], tmp_path, seed=1, mood=mood)
    assert done.coverage.share == 1.0
    assert done.tally.limited > 0
    assert done.tally.in_penalty == 0
    assert done.tally.limited < done.spans["graphql"].requests / 2


def test_the_same_seed_is_the_same_harvest(world: World, tmp_path: Path) -> None:
    def run(folder: str) -> Simulated:
        (tmp_path / folder).mkdir()
        recipe = bench.recipes(world)["by search"]
        return simulate(world, recipe, tmp_path / folder, seed=5, mood=ROUGH)

    first, second = run("a"), run("b")
    assert first.seconds == second.seconds
    assert (first.tally, first.spans) == (second.tally, second.spans)


def test_claims_are_made_at_any_scale(tmp_path: Path) -> None:
    said: list[str] = []
    outcome = bench.bench_simulator(
        Place(out=tmp_path, scratch=tmp_path, scale=0.0001, say=said.append)
    )
    claims = {claim.name: claim for claim in outcome.claims}
    for name in ("by search", "by id"):
        assert claims[f"simulator {name}: share of what can be found"].met
        assert claims[f"simulator {name}: sent inside a penalty"].met
        told = outcome.details[f"simulator {name}"]["forecast"]["hours"]
        taken = claims[f"simulator {name}: virtual hours"].value
        assert told == pytest.approx(taken, rel=0.5, abs=0.05)
    assert len(said) == 2


def test_a_worlds_repositories_are_skewed_as_githubs_are(world: World) -> None:
    large = make_world(50_000, seed=1)
    assert (large.stars == 0).mean() > 0.5
    assert large.stars.max() > 1_000
    assert 0.7 < (large.python > 0).mean() < 0.76
    assert 0.5 < large.primary.mean() < 0.58
    assert (np.diff(large.ids) > 0).all()
    assert (np.diff(large.created) >= 0).all()
    assert np.array_equal(make_world(2_000, seed=11).ids, world.ids)
    assert not np.array_equal(make_world(2_000, seed=12).ids, world.ids)


def test_search_has_ranges_an_order_and_a_cap() -> None:
    world = make_world(5_000, seed=2)
    index = SearchIndex(world)
    first = index.page("language:Python fork:true created:1970-01-01..2030-01-01", 0)
    assert first.total == (world.primary & ~world.blocked).sum() > SEARCH_CAP
    stars = [each.stars or 0 for each in first.found]
    assert len(stars) == 100
    assert stars == sorted(stars, reverse=True)
    few = index.page("language:Python stars:5..9 size:>=100", 0)
    assert {each.fork for each in few.found} == {False}
    assert all(5 <= (each.stars or 0) <= 9 and (each.size_kb or 0) >= 100 for each in few.found)
    assert index.page("language:Python", 9).found
    with pytest.raises(ValueError, match="1000"):
        index.page("language:Python", 10)
    hidden = index.page("language:Python", 0, hidden=3)
    assert hidden.incomplete
    assert len(hidden.found) == 97


def server(clock: VirtualClock, **limits: Any) -> GitHub:
    return GitHub(clock, seed=1, limits=Limits(**limits), mood=Mood(secondary=0, failing=0))


def ask(github: GitHub) -> Any:
    return github.exchange("me", "search", 0.1, lambda: Answered(Answer(200), "found"))


def test_who_asks_on_after_a_limit_is_noticed() -> None:
    async def main(clock: VirtualClock) -> None:
        github = server(clock, search_per_minute=2)
        statuses = [(await ask(github)).answer.status for _ in range(4)]
        assert statuses == [200, 200, 403, 403]
        assert (github.tally.limited, github.tally.in_penalty) == (2, 1)
        await asyncio.sleep(61)
        assert (await ask(github)).answer.status == 200
        assert github.tally.in_penalty == 1

    run_virtually(main)


def test_too_many_at_once_are_a_secondary_limit() -> None:
    async def main(clock: VirtualClock) -> None:
        github = server(clock, concurrent=5)
        answers = await asyncio.gather(*(ask(github) for _ in range(8)))
        assert sum(each.answer.status in (403, 429) for each in answers) == 3
        assert github.tally.limited == 3

    run_virtually(main)


def test_virtual_time_costs_none() -> None:
    async def main(clock: VirtualClock) -> list[float]:
        started, moments = clock.now(), []

        async def tick(seconds: float) -> None:
            for _ in range(3):
                await clock.pause(seconds)
                moments.append(clock.now() - started)

        await asyncio.gather(tick(86_400), tick(40_000))
        return moments

    moments = run_virtually(main)
    assert moments == sorted(moments)
    assert moments[-1] == 3 * 86_400
    assert all(a <= b for a, b in itertools.pairwise(moments))


def test_a_loop_where_all_wait_for_nobody_ends() -> None:
    async def main(clock: VirtualClock) -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="everybody waits"):
        run_virtually(main)
