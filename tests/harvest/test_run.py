from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corpus.errors import (
    ApiError,
    DiskFullError,
    FileError,
    HarvestError,
    UnreachableError,
    UsageError,
)
from corpus.manifest import read_manifest
from corpus.schema import git_blob_id
from corpus.shards import list_shards
from harvest.database import writing
from harvest.frontier import Frontier
from harvest.loopback.catalog import memory_catalog
from harvest.loopback.faults import (
    Action,
    Blocked,
    Drop,
    Empty,
    Fault,
    Gone,
    HostileArchive,
    Incomplete,
    NotGzip,
    PrimaryLimit,
    Route,
    SecondaryLimit,
    ServerError,
    TakenDown,
    Truncate,
)
from harvest.loopback.server import serve_in_thread
from harvest.resume import spools_of

VICTIM = "owner0/project03"


def test_rows_carry_where_they_come_from(bench: Any) -> None:
    manifest = bench.harvest()
    assert sorted(bench.rows) == [
        "shard-00000.parquet",
        "shard-00001.parquet",
        "shard-00002.parquet",
    ]
    row = next(
        row
        for rows in bench.rows.values()
        for row in rows
        if (row["repo"], row["path"]) == (VICTIM, "pkg/module1.py")
    )
    content = b"# owner0/project03\nvalue = 301\n" * 2
    assert row["content"] == content
    assert row["size"] == len(content)
    assert row["blob_id"] == git_blob_id(content)
    assert (row["stars"], row["license"], row["fork"]) == (997, "MIT", False)
    assert len(row["commit"]) == 40
    assert dict(row["language_bytes"])["Python"] > 0
    assert row["transport"] == "archive"
    assert row["pushed_at"].year == 2020
    assert manifest.counts["repositories_done"] == 12
    assert manifest.counts["files_kept"] == sum(map(len, bench.rows.values()))
    assert manifest.counts["files_not_python"] == 12
    assert manifest.facts["coverage"]["windows"] == {"closed": 1}
    assert read_manifest(bench.folder.raw, "harvest") == manifest
    assert not spools_of(bench.folder).exists()


LICENSED: dict[str, dict[str, bytes]] = {
    "a/b": {"LICENSE": b"MIT License", "c.py": b"1", "vendor/COPYING": b"GPL", "d.md": b""},
    "a/empty": {"LICENSE": b"MIT License"},
}


def test_licence_files_are_rows_that_count_for_no_python(make_bench: Any) -> None:
    with serve_in_thread(memory_catalog(LICENSED), limits=None) as github:
        bench = make_bench(github)
        manifest = bench.harvest(language=None)
        rows = [(row["repo"], row["path"]) for rows in bench.rows.values() for row in rows]
        assert rows.count(("a/empty", "LICENSE")) == 1
        assert sorted(path for repo, path in rows if repo == "a/b") == [
            "LICENSE",
            "c.py",
            "vendor/COPYING",
        ]
        assert sum(entry.rows or 0 for entry in manifest.outputs) == 4
        counted = {"files_kept": 1, "files_kept_license": 3, "bytes_kept": 1}
        assert {name: manifest.counts[name] for name in counted} == counted
        bench.harvest(language=None)
        assert "1 Python files in 1 shards" in bench.log.lines[-1]
        with writing(bench.folder.frontier) as database:
            assert Frontier(bench.folder.frontier, database).totals() == (1, 1)


def test_licence_files_stay_away_where_the_recipe_says_so(make_bench: Any) -> None:
    with serve_in_thread(memory_catalog(LICENSED), limits=None) as github:
        bench = make_bench(github)
        manifest = bench.harvest(language=None, keep_license_files=False)
        assert [row["path"] for rows in bench.rows.values() for row in rows] == ["c.py"]
        assert "files_kept_license" not in manifest.counts


def test_the_most_starred_stand_first_whatever_the_concurrency(bench: Any, expected: Any) -> None:
    bench.harvest(concurrency=8)
    assert bench.rows == expected
    order = [
        (-row["stars"], row["repo_id"]) for name in sorted(bench.rows) for row in bench.rows[name]
    ]
    assert order == sorted(order)


def test_without_a_token_rest_brings_the_same(bench: Any, expected: Any) -> None:
    bench.harvest(tokens=())
    assert bench.rows == expected
    assert any("no token" in line for line in bench.log.lines)
    assert not any(route == "graphql" for route, _ in bench.github.requests)


def test_below_the_path_of_github_enterprise(bench: Any, expected: Any) -> None:
    bench.harvest(api_url=f"{bench.github.url}/api/v3/")
    assert bench.rows == expected


def test_the_second_run_does_nothing_and_says_so(bench: Any) -> None:
    first = bench.harvest()
    asked = bench.github.requests.total()
    assert bench.harvest() == first
    assert bench.github.requests.total() == asked
    assert "nothing to do" in bench.log.lines[-1]


TRANSIENT: list[Action] = [
    Drop(),
    ServerError(status=502),
    SecondaryLimit(status=403, retry_after_s=3),
    SecondaryLimit(status=403, retry_after_s=None),
    SecondaryLimit(status=429, retry_after_s=3),
    SecondaryLimit(status=429, retry_after_s=None),
    PrimaryLimit(status=403, reset_s=9),
    PrimaryLimit(status=429, reset_s=9),
]


@pytest.mark.parametrize("action", TRANSIENT, ids=repr)
def test_what_passes_costs_nothing(bench: Any, expected: Any, action: Action) -> None:
    routes: list[Route] = ["search", "graphql", "tarball", "archive"]
    bench.github.set_faults(*(Fault(action=action, route=route, count=2) for route in routes))
    bench.harvest(concurrency=1, retries=4)
    assert bench.rows == expected
    assert len(bench.clock.slept) >= 6
    if isinstance(action, SecondaryLimit | PrimaryLimit):
        for resource in ("search", "graphql", "core", "codeload"):
            assert any(f"before the next {resource} request" in line for line in bench.log.lines)


@pytest.mark.parametrize("action", TRANSIENT, ids=repr)
def test_what_passes_costs_nothing_by_rest(bench: Any, expected: Any, action: Action) -> None:
    routes: list[Route] = ["commit", "languages"]
    bench.github.set_faults(*(Fault(action=action, route=route, every=5) for route in routes))
    bench.harvest(tokens=())
    assert bench.rows == expected
    assert len(bench.clock.slept) >= 4


@pytest.mark.parametrize("action", [Truncate(after_bytes=60), NotGzip(), Drop()], ids=repr)
def test_an_archive_that_is_damaged_once_is_fetched_again(
    bench: Any, expected: Any, action: Action
) -> None:
    bench.github.set_faults(Fault(action=action, route="archive", every=3))
    bench.harvest(retries=6)
    assert bench.rows == expected


def test_an_incomplete_search_is_read_again(bench: Any, expected: Any) -> None:
    bench.github.set_faults(Fault(action=Incomplete(missing=3), route="search", count=2))
    bench.harvest()
    assert bench.rows == expected
    assert bench.github.requests["search", 200] == 3


def test_a_search_that_stays_incomplete_ends_and_is_reported(bench: Any) -> None:
    bench.github.set_faults(Fault(action=Incomplete(missing=1), route="search"))
    manifest = bench.harvest()
    assert set(manifest.facts["coverage"]["windows"]) == {"short"}
    assert manifest.facts["coverage"]["not_closed"]
    assert any("short" in line for line in bench.log.lines)


@pytest.mark.parametrize(
    ("action", "route", "state", "reason"),
    [
        (Gone(), "tarball", "gone", "not_found"),
        (TakenDown(), "tarball", "blocked", "legal"),
        (Blocked(), "tarball", "blocked", "blocked"),
        (Empty(), "tarball", "empty", "no_commits"),
        (Gone(), "archive", "gone", "not_found"),
    ],
)
def test_a_repository_that_can_not_be_had_is_a_tombstone(
    bench: Any, action: Action, route: Any, state: str, reason: str
) -> None:
    bench.github.set_faults(Fault(action=action, route=route, repository=VICTIM))
    manifest = bench.harvest()
    [stone] = manifest.facts["tombstones"]
    assert (stone["name"], stone["state"], stone["reason"]) == (VICTIM, state, reason)
    assert len(bench.repositories) == 11
    assert VICTIM not in bench.repositories
    assert manifest.counts[f"repositories_{state}_{reason}"] == 1


@pytest.mark.parametrize("action", [Gone(), TakenDown(), Blocked(), Empty()], ids=repr)
def test_the_same_without_a_token(bench: Any, action: Action) -> None:
    bench.github.set_faults(Fault(action=action, route="commit", repository=VICTIM))
    manifest = bench.harvest(tokens=())
    assert [stone["name"] for stone in manifest.facts["tombstones"]] == [VICTIM]
    assert len(bench.repositories) == 11


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (NotGzip(), "not_gzip"),
        (Truncate(after_bytes=60), "connection_lost"),
        (Drop(), "connection_lost"),
        (ServerError(status=503), "http_503"),
        (HostileArchive("bomb"), "too_large"),
        (HostileArchive("many_members"), "too_many_members"),
        (HostileArchive("huge_header"), "corrupt"),
        (HostileArchive("claimed_size"), "truncated"),
    ],
    ids=str,
)
def test_an_archive_that_can_not_be_used_costs_its_repository_alone(
    bench: Any, action: Action, reason: str
) -> None:
    bench.github.set_faults(Fault(action=action, route="archive", repository=VICTIM))
    limits = {"max_archive_bytes": 64 << 20, "max_archive_members": 500}
    manifest = bench.harvest(**limits)
    [failed] = manifest.facts["failed"]
    assert (failed["name"], failed["reason"]) == (VICTIM, reason)
    assert len(bench.repositories) == 11
    assert manifest.counts[f"repositories_failed_{reason}"] == 1


@pytest.mark.parametrize(
    ("kind", "counted"),
    [
        ("absolute_path", {"files_bad_path": 1}),
        ("parent_path", {"files_bad_path": 2}),
        ("symbolic_link", {"files_link": 2}),
        ("hard_link", {"files_link": 1}),
        ("device", {"files_device": 3}),
        ("duplicate_names", {"files_duplicate": 1}),
    ],
)
def test_hostile_members_are_counted_and_honest_ones_kept(
    bench: Any, kind: Any, counted: dict[str, int]
) -> None:
    bench.github.set_faults(Fault(action=HostileArchive(kind), route="archive", repository=VICTIM))
    manifest = bench.harvest()
    rows = [row for rows in bench.rows.values() for row in rows if row["repo"] == VICTIM]
    assert b"print('honest')\n" in [row["content"] for row in rows]
    assert all(".." not in row["path"] and not row["path"].startswith("/") for row in rows)
    assert {name: manifest.counts[name] for name in counted} == counted
    outside = [p for p in bench.folder.root.parent.rglob("*") if "escaped" in p.name]
    assert not outside


def test_a_server_that_asks_for_more_patience_than_we_have(bench: Any, expected: Any) -> None:
    fault = Fault(action=PrimaryLimit(status=403, reset_s=90_000), route="tarball", count=1)
    bench.github.set_faults(fault)
    with pytest.raises(ApiError, match="max_wait_s"):
        bench.harvest()
    bench.harvest()
    assert bench.rows == expected


def test_limits_without_end_are_given_up(bench: Any) -> None:
    bench.github.set_faults(Fault(action=SecondaryLimit(retry_after_s=None), route="search"))
    with pytest.raises(ApiError, match="secondary rate limit"):
        bench.harvest(max_wait_s=1e9)
    waits = [round(wait) for wait in bench.clock.slept]
    assert waits == sorted(waits)
    assert waits[0] == 60
    assert len(waits) <= 7


def test_nobody_listens(bench: Any) -> None:
    with pytest.raises(UnreachableError, match="api_url") as caught:
        bench.harvest(api_url="http://127.0.0.1:9")
    assert "\n" not in str(caught.value)


def test_the_server_goes_away_and_comes_back(bench: Any, expected: Any) -> None:
    bench.github.set_faults(
        Fault(action=Drop(), route="tarball", skip=4), Fault(action=Drop(), route="archive", skip=4)
    )
    with pytest.raises(UnreachableError):
        bench.harvest(concurrency=1)
    bench.github.set_faults()
    bench.harvest()
    assert bench.rows == expected


@pytest.fixture
def wide_bench(make_bench: Any, catalog_of: Any) -> Iterator[Any]:
    with serve_in_thread(catalog_of(40), limits=None) as github:
        yield make_bench(github)


def test_a_server_in_trouble_ends_the_run_and_costs_no_repository(wide_bench: Any) -> None:
    wide_bench.github.set_faults(Fault(action=ServerError(status=503), route="archive"))
    with pytest.raises(HarvestError, match="in a row"):
        wide_bench.harvest(retries=0, repositories_per_shard=40)
    wide_bench.github.set_faults()
    manifest = wide_bench.harvest(repositories_per_shard=40)
    assert manifest.counts["repositories_done"] == 40


def test_many_unusable_archives_are_no_reason_to_stop(wide_bench: Any) -> None:
    wide_bench.github.set_faults(Fault(action=NotGzip(), route="archive", skip=1))
    manifest = wide_bench.harvest(retries=0)
    assert manifest.counts["repositories_failed_not_gzip"] == 39


def test_a_refused_token_is_one_clear_line(bench: Any) -> None:
    catalog = memory_catalog({"a/b": {"c.py": b"1"}})
    with (
        serve_in_thread(catalog, users={"another": "someone"}) as strict,
        pytest.raises(ApiError, match="GITHUB_TOKEN") as caught,
    ):
        bench.harvest(api_url=strict.url)
    assert bench.token not in str(caught.value)


def test_what_is_no_github(bench: Any) -> None:
    with pytest.raises(ApiError, match="404"):
        bench.harvest(api_url=bench.github.archive_url)


def test_nothing_found_says_what_was_asked(bench: Any) -> None:
    with pytest.raises(HarvestError, match="stars:>=5000"):
        bench.harvest(min_stars=5000)


def test_few_repositories_need_the_first_pages_only(bench: Any) -> None:
    manifest = bench.harvest(max_repositories=3)
    assert {name.partition("/")[2] for name in bench.repositories} == {
        "project00",
        "project01",
        "project02",
    }
    assert manifest.facts["coverage"]["windows"] == {"enough": 1}
    assert manifest.counts["repositories_left_out"] == 9


def test_who_opted_out_is_never_asked_for(bench: Any, tmp_path: Path) -> None:
    wishes = tmp_path / "opt-out.txt"
    wishes.write_text(f"owner1\n{VICTIM}\n")
    # Any request about them would fail the harvest.
    bench.github.set_faults(
        Fault(action=ServerError(), repository=VICTIM),
        Fault(action=ServerError(), repository="owner1/*"),
    )
    manifest = bench.harvest(opt_out=wishes)
    assert manifest.counts["repositories_opted_out"] == 5
    assert not manifest.facts["failed"]
    assert len(bench.repositories) == 7


def test_a_list_that_grows_is_honoured_by_the_next_run(bench: Any, tmp_path: Path) -> None:
    bench.github.set_faults(Fault(action=Drop(), route="tarball"))
    with pytest.raises(UnreachableError):
        bench.harvest()
    bench.github.set_faults()
    wishes = tmp_path / "opt-out.txt"
    wishes.write_text(VICTIM)
    manifest = bench.harvest(opt_out=wishes)
    assert VICTIM not in bench.repositories
    assert manifest.counts["repositories_opted_out"] == 1


def test_what_was_taken_down_is_not_harvested_again(bench: Any) -> None:
    bench.harvest()
    assert VICTIM in bench.repositories
    line = f'{VICTIM} # {{"id": 1, "date": "2024-01-01", "files": 1, "was_in_corpus": 1}}'
    bench.folder.takedowns.write_text(f"# a list\n{line}\n")
    for shard in list_shards(bench.folder.raw):
        shard.path.unlink()
    manifest = bench.harvest()
    assert VICTIM not in bench.repositories
    assert len(bench.repositories) == 11
    assert manifest.counts["repositories_opted_out"] == 1
    assert not any("opted out, but" in line for line in bench.log.lines)


def test_a_folder_holds_one_harvest(bench: Any) -> None:
    bench.harvest()
    with pytest.raises(UsageError, match="min_stars: None then, 3 now"):
        bench.harvest(min_stars=3)
    bench.harvest(concurrency=7)  # pace is free to change


def test_an_unfinished_folder_too(bench: Any) -> None:
    bench.github.set_faults(Fault(action=Drop(), route="tarball"))
    with pytest.raises(UnreachableError):
        bench.harvest()
    with pytest.raises(UsageError, match="max_file_bytes"):
        bench.harvest(max_file_bytes=5)


def test_a_damaged_or_missing_shard_is_made_again(bench: Any, expected: Any) -> None:
    bench.harvest()
    path = bench.folder.raw / "shard-00001.parquet"
    path.write_bytes(path.read_bytes()[:500])
    (bench.folder.raw / "shard-00002.parquet").unlink()
    before = bench.github.requests["archive", 200]
    bench.harvest()
    assert bench.rows == expected
    assert bench.github.requests["archive", 200] == before + 7
    assert sum("made again" in line for line in bench.log.lines) == 2


def test_killed_between_the_shard_and_the_frontier(bench: Any, expected: Any) -> None:
    manifest = bench.harvest()
    with writing(bench.folder.frontier) as database:
        database.execute("DELETE FROM shards WHERE id = 1")
        database.execute("UPDATE repositories SET state = 'fetched' WHERE shard = 1")
        database.commit()
    (bench.folder.raw / "manifest.json").unlink()
    before = bench.github.requests["archive", 200]
    again = bench.harvest()
    assert bench.github.requests["archive", 200] == before
    assert bench.rows == expected
    assert (again.counts, again.outputs) == (manifest.counts, manifest.outputs)


def test_shards_of_someone_else_are_not_touched(bench: Any) -> None:
    bench.folder.raw.mkdir(parents=True)
    stranger = bench.folder.raw / "shard-00000.parquet"
    stranger.write_bytes(b"precious")
    with pytest.raises(FileError, match="not a shard of this harvest"):
        bench.harvest()
    assert stranger.read_bytes() == b"precious"


def test_a_full_disk_loses_nothing(
    bench: Any, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import harvest.spool

    fsync, calls = harvest.spool.fsync, []

    def fill_up(path: Path) -> None:
        calls.append(path)
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(path)

    monkeypatch.setattr(harvest.spool, "fsync", fill_up)
    with pytest.raises(DiskFullError, match="space"):
        bench.harvest()
    monkeypatch.undo()
    bench.harvest()
    assert bench.rows == expected


def test_two_harvests_in_one_folder(bench: Any) -> None:
    with writing(bench.folder.frontier), pytest.raises(HarvestError, match="another harvest"):
        bench.harvest()


def test_a_frontier_that_is_none(bench: Any) -> None:
    bench.folder.root.mkdir()
    bench.folder.frontier.write_bytes(b"this is no database, however long it may be" * 99)
    with pytest.raises(FileError, match=r"frontier\.sqlite"):
        bench.harvest()


def test_a_run_folder_that_is_a_file(bench: Any) -> None:
    bench.folder.root.write_text("in the way")
    with pytest.raises(FileError, match="run"):
        bench.harvest()


def test_waits_hold_back_every_worker(bench: Any, expected: Any) -> None:
    fault = Fault(
        action=SecondaryLimit(status=429, retry_after_s=30), route="tarball", skip=3, count=1
    )
    bench.github.set_faults(fault)
    bench.harvest(concurrency=1)
    # One limit met, one wait, and nothing sent in between: the next request was let through.
    assert [round(wait) for wait in bench.clock.slept] == [30]
    assert bench.github.requests["tarball", 429] == 1
    assert bench.rows == expected


def test_the_frontier_tells_states(bench: Any) -> None:
    bench.harvest()
    with writing(bench.folder.frontier) as database:
        frontier = Frontier(bench.folder.frontier, database)
        assert frontier.states() == {"done": 12}
        assert sorted(frontier.written()) == [0, 1, 2]
