"""Every source through a whole harvest of GitHub on loopback."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import ApiError, FileError, HarvestError, UnreachableError, UsageError
from corpus.layout import RunFolder
from harvest.loopback.catalog import memory_catalog
from harvest.loopback.faults import Action, Drop, Fault, Gone, Incomplete, Route, ServerError
from harvest.loopback.server import serve_in_thread
from harvest.recipe import HarvestRecipe, SourceName
from harvest.run import harvest

C_CODE = b"int main(void) { return 0; }\n" * 20
FILES: dict[str, dict[str, bytes]] = {
    "ada/engine": {"engine.py": b"x = 1\n"},
    "ada/kernel": {"kernel.c": C_CODE, "tools/check.py": b"y = 2\n"},
    "ada/other": {"other.c": C_CODE},
    "bob/fork": {"fork.py": b"z = 3\n"},
    "bob/old": {"old.py": b"w = 4\n"},
}
FACTS: dict[str, dict[str, Any]] = {
    "ada/engine": {"stars": 50, "license": "MIT", "former_names": ("was/engine",)},
    "ada/kernel": {"stars": 9, "license": "GPL-2.0"},
    "ada/other": {"stars": 7},
    "bob/fork": {"stars": 3, "fork": True},
    "bob/old": {"stars": 2, "archived": True},
}
ANY_PYTHON: dict[str, Any] = {"sources": ("ids",), "language": None, "min_python_bytes": 1}


@pytest.fixture
def mixed(make_bench: Any) -> Iterator[Any]:
    with serve_in_thread(memory_catalog(FILES, FACTS), limits=None) as github:
        yield make_bench(github)


def ids_of() -> dict[str, int]:
    return {each.full_name: each.id for each in memory_catalog(FILES, FACTS).repositories()}


def test_by_id_any_python_is_found_and_by_search_only_what_is_mostly_python(mixed: Any) -> None:
    manifest = mixed.harvest(**ANY_PYTHON)
    assert mixed.repositories == {"ada/engine", "ada/kernel", "bob/old"}
    assert manifest.counts["repositories_rejected_few_python_bytes"] == 1
    assert manifest.counts["repositories_rejected_fork"] == 1
    assert manifest.counts["repositories_rejected"] == 2
    assert manifest.facts["coverage"]["ids"]["listed"] == 5
    assert manifest.facts["coverage"]["windows"] == {}
    assert not mixed.github.requests["search", 200]


def test_by_search_what_is_mostly_something_else_is_missed(mixed: Any) -> None:
    mixed.harvest()
    assert mixed.repositories == {"ada/engine", "bob/old"}


def test_by_id_with_a_language_the_primary_one_decides(mixed: Any) -> None:
    manifest = mixed.harvest(sources=("ids",))
    assert mixed.repositories == {"ada/engine", "bob/old"}
    assert manifest.counts["repositories_rejected_language"] == 2


def test_by_id_without_a_token(mixed: Any) -> None:
    mixed.harvest(**ANY_PYTHON, tokens=())
    assert mixed.repositories == {"ada/engine", "ada/kernel", "bob/old"}
    assert mixed.github.requests["repository_by_id", 200] == 4  # the fork is rejected before


def test_a_range_of_ids(mixed: Any) -> None:
    numbers = sorted(ids_of().values())
    mixed.harvest(**ANY_PYTHON | {"forks": True}, ids_from=numbers[1], ids_until=numbers[3])
    inside = {name for name, number in ids_of().items() if numbers[1] <= number <= numbers[3]}
    assert mixed.repositories == inside - {"ada/other"}


RULES: list[tuple[dict[str, Any], str, str]] = [
    ({"licenses": ("mit",)}, "ada/engine", "license"),
    ({"min_stars": 5}, "ada/engine ada/kernel", "few_stars"),
    ({"max_stars": 8}, "bob/old", "many_stars"),
    ({"archived": False}, "ada/engine ada/kernel", "archived"),
    ({"min_python_bytes": 7}, "", "few_python_bytes"),
    ({"pushed_after": "2100-01-01"}, "", "pushed_early"),
    ({"created_from": "2100-01-01", "created_until": "2101-01-01"}, "", "created_early"),
    ({"max_size_kb": 0}, "", "large"),
]


@pytest.mark.parametrize(("rules", "kept", "reason"), RULES, ids=lambda each: str(each)[:30])
def test_selection_is_counted_by_reason(
    mixed: Any, rules: dict[str, Any], kept: str, reason: str
) -> None:
    if not kept:
        with pytest.raises(HarvestError, match=rf"rejected_{reason}"):
            mixed.harvest(**ANY_PYTHON | rules)
        return
    manifest = mixed.harvest(**ANY_PYTHON | rules)
    assert mixed.repositories == set(kept.split())
    assert manifest.counts[f"repositories_rejected_{reason}"]
    # What is rejected is not fetched.
    assert mixed.github.requests["archive", 200] <= len(mixed.repositories)


def test_the_most_starred_that_the_rules_leave(mixed: Any) -> None:
    manifest = mixed.harvest(**ANY_PYTHON, max_repositories=2)
    assert mixed.repositories == {"ada/engine", "ada/kernel"}
    assert manifest.counts["repositories_left_out"] == 1


def test_who_opted_out_is_not_even_asked_for_details(mixed: Any, tmp_path: Path) -> None:
    wishes = tmp_path / "opt-out.txt"
    wishes.write_text("ada/kernel\nBOB\n")
    mixed.github.set_faults(
        Fault(action=ServerError(), repository="ada/kernel"),
        Fault(action=ServerError(), repository="bob/*"),
    )
    manifest = mixed.harvest(**ANY_PYTHON, opt_out=wishes)
    assert mixed.repositories == {"ada/engine"}
    assert manifest.counts["repositories_opted_out"] == 3


def hour_file(folder: Path, hour: str, *named: tuple[int, str]) -> None:
    lines = [json.dumps({"repo": {"id": number, "name": name}}) for number, name in named]
    folder.mkdir(exist_ok=True)
    (folder / f"{hour}.json.gz").write_bytes(gzip.compress("\n".join(lines).encode()))


def test_hours_name_repositories_that_have_another_name_now(mixed: Any, tmp_path: Path) -> None:
    numbers = ids_of()
    hour_file(tmp_path / "hours", "2015-01-01-0", (numbers["ada/engine"], "was/engine"))
    hour_file(tmp_path / "hours", "2015-01-01-2", (12345, "no/more"))
    manifest = mixed.harvest(
        **ANY_PYTHON | {"sources": ("gharchive",)},
        gharchive=str(tmp_path / "hours"),
        gharchive_from="2015-01-01-0",
        gharchive_until="2015-01-01-2",
    )
    assert mixed.repositories == {"ada/engine"}
    assert manifest.counts["repositories_gone_not_found"] == 1
    assert not manifest.facts["coverage"]["complete"]
    assert manifest.facts["coverage"]["gharchive"]["not_closed"] == [
        {"part": "2015-01-01-1", "state": "missing"}
    ]


def test_a_name_that_an_hour_has_opted_out_under(mixed: Any, tmp_path: Path) -> None:
    hour_file(tmp_path / "hours", "2015-01-01-0", (ids_of()["ada/engine"], "was/engine"))
    wishes = tmp_path / "opt-out.txt"
    wishes.write_text("ada/engine\n")
    with pytest.raises(HarvestError, match="opted_out"):
        mixed.harvest(
            **ANY_PYTHON | {"sources": ("gharchive",)},
            gharchive=str(tmp_path / "hours"),
            gharchive_from="2015-01-01-0",
            gharchive_until="2015-01-01-0",
            opt_out=wishes,
        )
    assert not mixed.github.requests["tarball", 302]


def test_a_list_of_names_addresses_and_ids(mixed: Any, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(
        f"was/engine\nhttps://github.com/ADA/engine\n{ids_of()['ada/kernel']}\nno/more\n"
    )
    manifest = mixed.harvest(**ANY_PYTHON | {"sources": ("list",)}, list_file=listed)
    assert mixed.repositories == {"ada/engine", "ada/kernel"}
    assert manifest.facts["coverage"]["list"]["not_closed"] == [
        {"part": "no/more", "state": "not_found", "line": 4}
    ]


def test_an_earlier_harvest_under_new_rules(mixed: Any, tmp_path: Path) -> None:
    mixed.harvest(**ANY_PYTHON)
    first = mixed.folder.root
    mixed.folder = RunFolder(tmp_path / "second")
    mixed.harvest(**ANY_PYTHON | {"sources": ("earlier",)}, earlier=(first,), min_stars=5)
    assert mixed.repositories == {"ada/engine", "ada/kernel"}


def test_sources_together_bring_each_repository_once(mixed: Any, tmp_path: Path) -> None:
    numbers = ids_of()
    hour_file(tmp_path / "hours", "2015-01-01-0", (numbers["ada/engine"], "was/engine"))
    listed = tmp_path / "list.txt"
    listed.write_text("was/engine\nada/kernel\n")
    manifest = mixed.harvest(
        sources=("search", "ids", "gharchive", "list"),
        language=None,
        min_python_bytes=1,
        gharchive=str(tmp_path / "hours"),
        gharchive_from="2015-01-01-0",
        gharchive_until="2015-01-01-0",
        list_file=listed,
    )
    assert mixed.repositories == {"ada/engine", "ada/kernel", "bob/old"}
    assert manifest.counts["repositories_found"] == 5
    assert manifest.counts["repositories_done"] == 3
    assert manifest.facts["coverage"]["complete"]
    assert set(manifest.facts["coverage"]) == {
        "complete",
        "windows",
        "not_closed",
        "ids",
        "gharchive",
        "list",
    }


def test_killed_in_each_step_and_run_again(mixed: Any) -> None:
    expected: Any = None
    steps: list[tuple[Route | None, int]] = [("repositories", 0), ("graphql", 0), ("tarball", 1)]
    for route, skip in [*steps, (None, 0)]:
        if route:
            mixed.github.set_faults(Fault(action=Drop(), route=route, skip=skip))
            with pytest.raises(UnreachableError):
                mixed.harvest(**ANY_PYTHON, concurrency=1, transport="archive")
        else:
            mixed.github.set_faults()
            expected = mixed.harvest(**ANY_PYTHON, concurrency=1, transport="archive")
    assert mixed.repositories == {"ada/engine", "ada/kernel", "bob/old"}
    assert expected.counts["repositories_found"] == 5
    assert mixed.harvest(**ANY_PYTHON) == expected
    assert "nothing to do" in mixed.log.lines[-1]


def test_a_list_that_is_not_there_stops_before_anything_is_asked(
    mixed: Any, tmp_path: Path
) -> None:
    with pytest.raises(FileError, match=r"none\.txt"):
        mixed.harvest(sources=("list",), list_file=tmp_path / "none.txt")
    assert not mixed.github.requests


def test_a_harvest_from_before_a_key_existed_had_its_default(mixed: Any) -> None:
    mixed.harvest()
    path = mixed.folder.raw / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["parameters"]["sources"], manifest["parameters"]["licenses"]
    path.write_text(json.dumps(manifest))
    mixed.harvest()
    assert "nothing to do" in mixed.log.lines[-1]
    with pytest.raises(UsageError, match=r"licenses: None then"):
        mixed.harvest(licenses=("mit",))


def test_another_source_is_another_harvest(mixed: Any) -> None:
    mixed.harvest()
    with pytest.raises(UsageError, match="sources"):
        mixed.harvest(sources=("ids",))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_any_catalog_under_any_faults_is_found_or_what_is_missing_is_named(seed: int) -> None:
    draw = random.Random(seed)
    names = [f"o{draw.randint(0, 3)}/n{number}" for number in range(draw.randint(1, 40))]
    files = {name: {"a.py": name.encode()} for name in names}
    facts = {name: {"stars": draw.randint(0, 9), "archived": draw.random() < 0.2} for name in names}
    actions: list[Action] = [ServerError(502), Drop(), Incomplete(missing=draw.randint(1, 5))]
    routes: list[Route] = ["search", "repositories", "graphql"]
    faults = [
        Fault(
            action=draw.choice(actions),
            route=draw.choice(routes),
            skip=draw.randint(0, 3),
            every=draw.randint(1, 3),
            count=draw.randint(1, 6),
        )
        for _ in range(3)
    ]
    sources: tuple[SourceName, ...] = draw.choice([("search",), ("search", "ids")])
    with (
        TemporaryDirectory() as folder,
        serve_in_thread(memory_catalog(files, facts), limits=None, faults=faults) as github,
    ):
        for _ in range(30):
            recipe = HarvestRecipe(
                api_url=github.url,
                sources=sources,
                created_until="2030-01-01",
                retries=0,
                concurrency=draw.randint(1, 8),
            )
            try:
                manifest = harvest(recipe, RunFolder(Path(folder) / "run"), tokens=("t",))
            except (ApiError, UnreachableError):
                continue
            break
    coverage = manifest.facts["coverage"]
    if coverage["not_closed"] and sources == ("search",):
        assert {each["state"] for each in coverage["not_closed"]} == {"short"}
        assert manifest.counts["repositories_found"] <= len(names)
    else:
        assert manifest.counts["repositories_found"] == len(names)


def test_a_repository_that_goes_between_listing_and_details_is_a_tombstone(mixed: Any) -> None:
    mixed.github.set_faults(Fault(action=Gone(), route="tarball", repository="ada/kernel"))
    manifest = mixed.harvest(**ANY_PYTHON, transport="archive")
    assert [stone["name"] for stone in manifest.facts["tombstones"]] == ["ada/kernel"]
