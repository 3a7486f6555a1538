"""`harvest plan` asks the loopback server and the simulator's world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.harvest.simulator.api import SimulatedApi
from benchmarks.harvest.simulator.github import HARSH, GitHub
from benchmarks.harvest.simulator.virtual import VirtualClock, run_virtually
from benchmarks.harvest.simulator.world import UNTIL, World, make_world
from corpus.events import silent
from harvest.api import Listed
from harvest.credentials import users_of
from harvest.github import GitHubApi
from harvest.loopback.limits import Limits
from harvest.plan import Plan
from harvest.recipe import HarvestRecipe
from harvest.sample import count_ids, plan, spread
from harvest.scheduler import Scheduler
from harvest.windows import Window


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(20_000, seed=3)


def plan_in(world: World, *, by_graphql: bool = True, **changes: Any) -> Plan:
    recipe = HarvestRecipe(created_until="2026-09-01", **changes)

    async def main(clock: VirtualClock) -> Plan:
        github = GitHub(clock, seed=5, limits=Limits(), mood=HARSH)
        scheduler = Scheduler(users_of(["t"]), clock=clock, report=silent, max_wait_s=7200)
        api = SimulatedApi(world, github, scheduler)
        return await plan(recipe, api, until=UNTIL, by_graphql=by_graphql)

    return run_virtually(main)


def test_a_search_is_counted_and_sampled(world: World) -> None:
    told = plan_in(world)
    found = world.primary & ~world.fork & ~world.blocked
    wanted = found & ~world.gone & (world.python > 0)
    assert told.repositories == found.sum()
    assert told.to_fetch == pytest.approx(wanted.sum(), rel=0.03)
    assert 200 < len(told.asked.sample) < 1500
    assert sum(told.asked.requests.values()) < 60


@pytest.mark.parametrize("open_end", [False, True])
def test_ids_are_counted_by_how_far_apart_they_are(world: World, open_end: bool) -> None:
    last = None if open_end else int(world.ids[-1])
    told = plan_in(
        world, sources=("ids",), ids_until=last, language=None, min_python_bytes=1, forks=True
    )
    wanted = (world.python > 0) & ~world.gone & ~world.blocked
    assert told.repositories == pytest.approx(len(world), rel=0.03)
    assert told.to_fetch == pytest.approx(wanted.sum(), rel=0.05)
    assert told.asked.requests["core"] < 80


def test_without_a_token_nobody_is_looked_at(world: World) -> None:
    told = plan_in(world, by_graphql=False)
    assert told.asked.requests == {"search": 1}
    assert told.asked.looked_at == 0
    assert told.to_fetch == told.repositories > 0
    assert told.wire_bytes > told.to_fetch * 275_000 * 0.05
    assert "all are taken to be as the recipe wants" in told.notes[0]


def test_each_source_is_looked_at_for_itself(world: World) -> None:
    both = plan_in(world, sources=("search", "ids"), ids_until=int(world.ids[-1]))
    assert both.repositories == pytest.approx(both.asked.search_total + len(world), rel=0.03)
    found = (world.primary & ~world.fork & ~world.blocked & ~world.gone & (world.python > 0)).sum()
    assert both.to_fetch == pytest.approx(2 * found, rel=0.1)  # found twice, says a note
    assert "sources overlap" in both.notes[0]


def test_rules_and_wishes_thin_out_the_plan(world: World, tmp_path: Path) -> None:
    path = tmp_path / "opt-out.txt"
    path.write_text("\n".join(f"owner{number}" for number in range(0, 99_991, 2)))
    told, fewer = plan_in(world), plan_in(world, opt_out=path)
    assert fewer.to_fetch == pytest.approx(told.to_fetch / 2, rel=0.15)
    assert plan_in(world, max_repositories=150).requests["search"] == 2
    with_licence = plan_in(world, licenses=("MIT",))
    assert with_licence.to_fetch == pytest.approx(told.to_fetch / 4, rel=0.3)


def test_list_files_and_hours_need_no_request(world: World, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a/b\nc/d\n# e/f\n")
    told = plan_in(
        world,
        sources=("list", "gharchive"),
        list_file=tmp_path / "list.txt",
        gharchive_from="2020-01-01-0",
        gharchive_until="2020-01-02-23",
    )
    assert told.repositories == 2
    assert told.requests["hour files"] == 48
    assert not told.asked.requests
    assert any("GH Archive" in note for note in told.notes)


async def test_the_loopback_server_can_be_asked(bench: Any) -> None:
    scheduler = Scheduler(
        users_of([bench.token]), clock=bench.clock, report=bench.log, max_wait_s=9
    )
    api = GitHubApi(bench.github.url, scheduler, timeout_s=9, retries=0)
    told = await plan(bench.recipe(), api, until=1_900_000_000)
    api.close()
    assert (told.repositories, told.to_fetch) == (12, 12)
    assert told.wire_bytes > 0


def test_windows_are_spread_and_do_not_overlap() -> None:
    windows = spread(Window(0, 9_999), 3_000, 10)
    assert [window.start for window in windows] == list(range(0, 10_000, 1_000))
    assert {window.stop - window.start + 1 for window in windows} == {100}
    tiny = spread(Window(0, 9), 10**9, 3)
    assert [(window.start, window.stop) for window in tiny] == [(0, 0), (3, 3), (6, 6)]


def test_ids_that_nobody_has_are_not_counted() -> None:
    def page(*ids: int) -> list[Listed]:
        return [Listed(number, f"R_{number}", f"o/{number}", False) for number in ids]

    assert count_ids(1, 100, [page(1, 3, 5), page(50, 52, 54)]) == 50
    assert count_ids(1, 100, [page(7), []]) == 1
