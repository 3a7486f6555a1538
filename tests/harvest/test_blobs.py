"""Whole harvests of git repositories from a real git server on loopback."""

from __future__ import annotations

import errno
import gzip
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest

import harvest.spool
from corpus.errors import DiskFullError, HarvestError
from corpus.schema import git_blob_id
from corpus.shards import list_shards, read_rows, write_shard
from harvest.archive import Limits
from harvest.asking import Host
from harvest.assemble import catch_up
from harvest.blobs import BlobFetcher
from harvest.credentials import users_of
from harvest.frontier import Repository
from harvest.known import NOWHERE, KnownBlobs
from harvest.loopback.catalog import git_catalog
from harvest.loopback.faults import (
    Drop,
    Fault,
    Gone,
    HostilePack,
    HostilePackKind,
    NoFilter,
    OldProtocol,
    PrimaryLimit,
    SecondaryLimit,
    ServerError,
    TakenDown,
    Truncate,
)
from harvest.loopback.server import Loopback, serve_in_thread
from harvest.scheduler import Scheduler
from harvest.spool import Contents

VICTIM = "b/fork"


def without_transport(rows: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    return {
        name: [{key: row[key] for key in row if key != "transport"} for row in shard]
        for name, shard in rows.items()
    }


@pytest.fixture(scope="session")
def by_blobs(mirrors: Path, tmp_path_factory: pytest.TempPathFactory, bench_class: Any) -> Any:
    """The rows of an undisturbed harvest."""
    with serve_in_thread(git_catalog(mirrors), limits=None) as github:
        bench = bench_class(github, tmp_path_factory.mktemp("blobs") / "run")
        bench.harvest(transport="blobs", language=None, forks=True, repositories_per_shard=2)
        return bench.rows


def test_blobs_bring_their_rows(git_bench: Any) -> None:
    manifest = git_bench.harvest()
    rows = [row for shard in git_bench.rows.values() for row in shard]
    assert {row["transport"] for row in rows} == {"blobs"}
    assert all(row["blob_id"] == git_blob_id(row["content"]) for row in rows)
    assert manifest.counts["repositories_done"] == 7
    requests = git_bench.github.requests
    assert not requests["archive", 200]
    # One advertisement, and for each repository its trees and, if it has any new, its blobs.
    assert requests["git", 200] == 1 + 7 + 5
    assert requests.total() == requests["git", 200] + requests["search", 200] + 1
    wire = manifest.facts["wire"]
    assert wire["blobs"]["requests"] == requests["git", 200]
    raw = sum(row["size"] for row in rows)
    assert 0.02 * raw < wire["blobs"]["received_bytes"] < raw + 50_000
    assert wire["blobs"]["sent_bytes"] > 300 * requests["git", 200]
    assert wire["archive"] == {"requests": 0, "sent_bytes": 0, "received_bytes": 0}


def test_both_transports_bring_equal_rows_and_counts(make_git_bench: Any, mirrors: Path) -> None:
    with serve_in_thread(git_catalog(mirrors), limits=None) as github:
        for once in (True, False):
            archive = make_git_bench(github, f"archive-{once}", each_blob_once=once)
            blobs = make_git_bench(github, f"blobs-{once}", each_blob_once=once)
            by_archive = archive.harvest(transport="archive")
            by_blobs = blobs.harvest(transport="blobs")
            assert by_blobs.counts == by_archive.counts
            assert without_transport(blobs.rows) == without_transport(archive.rows)
            assert [out.digest for out in by_blobs.outputs] == [
                out.digest for out in by_archive.outputs
            ]
            if once:
                assert blobs.copies == archive.copies
                assert by_blobs.counts["files_copy"] == sum(map(len, blobs.copies.values()))
            else:
                assert "files_copy" not in by_blobs.counts
                assert not (blobs.folder.raw / "copies").exists()
            assert by_blobs.counts["files_too_large"] == 3
            assert by_blobs.counts["files_link"] == 3
            assert by_blobs.counts["files_bad_path"] == 6


def test_rows_stand_by_path_as_git_sorts_it(git_bench: Any) -> None:
    git_bench.harvest()
    paths = [row["path"] for row in git_bench.rows["shard-00000.parquet"]]
    first = paths[: paths.index("run.py") + 1]
    assert first == ["LICENSE", "café/naïve.py", "pkg.py", "pkg/__init__.py", "pkg/long.py",
                     "pkg/x.py", "run.py"]  # fmt: skip


def test_each_blob_has_one_row_and_stands_where_the_plan_says(git_bench: Any) -> None:
    git_bench.harvest()
    rows = [row for name in sorted(git_bench.rows) for row in git_bench.rows[name]]
    python = [row for row in rows if row["path"].endswith(".py")]
    assert max(Counter(row["blob_id"] for row in python).values()) == 1
    order = [row["repo_id"] for row in rows]
    places = {key: order.index(key) for key in order}
    assert list(places) == sorted(places, key=places.__getitem__)
    stored = {row["blob_id"] for row in rows}
    copies = [row for shard in git_bench.copies.values() for row in shard]
    assert copies and all(copy["blob_id"] in stored for copy in copies)
    [once] = [row for row in python if row["content"] == b"x = 1\n"]
    twice = {(c["repo"], c["path"]) for c in copies if c["blob_id"] == once["blob_id"]}
    everywhere = {("c/other", "deep/down/x.py"), ("c/other", "same.py"), ("a/first", "pkg/x.py"),
                  ("b/exact", "pkg/x.py")}  # fmt: skip
    assert {*twice, (once["repo"], once["path"])} == everywhere


def test_licence_files_are_rows_in_every_repository(git_bench: Any) -> None:
    git_bench.harvest()
    rows = [row for shard in git_bench.rows.values() for row in shard]
    licensed = {row["repo"]: row["content"] for row in rows if row["path"] == "LICENSE"}
    assert set(licensed) == {"a/first", "b/exact", "b/fork", "d/versions"}
    assert len(set(licensed.values())) == 1


@pytest.mark.parametrize(
    "concurrency",
    [pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 7)] + [pytest.param(30)],
)
def test_any_concurrency_brings_equal_shards(
    make_git_bench: Any, mirrors: Path, concurrency: int
) -> None:
    with serve_in_thread(git_catalog(mirrors), limits=None) as github:
        slow = make_git_bench(github, "one")
        slow.harvest(transport="blobs", concurrency=1)
        fast = make_git_bench(github, "many")
        fast.harvest(transport="blobs", concurrency=concurrency)
        assert (fast.rows, fast.copies) == (slow.rows, slow.copies)
        mixed = make_git_bench(github, "mixed")
        # Every other repository's trees are refused: it comes as an archive.
        github.set_faults(
            Fault(action=NoFilter(), route="git", repository="b/*"),
            Fault(action=NoFilter(), route="git", repository="d/versions"),
        )
        manifest = mixed.harvest(transport="blobs", concurrency=concurrency)
        assert without_transport(mixed.rows) == without_transport(slow.rows)
        assert mixed.copies == slow.copies
        assert manifest.counts["repositories_done_archive_no_filter"] == 3


def test_a_fork_of_what_is_known_costs_its_trees_only(make_git_bench: Any, mirrors: Path) -> None:
    with serve_in_thread(git_catalog(mirrors), limits=None) as github:
        bench = make_git_bench(github, repositories_per_shard=1, transport="blobs")
        bench.harvest()
        sizes = {name: len(rows) for name, rows in bench.rows.items()}
        by_repo = {rows[0]["repo"]: sizes[name] for name, rows in bench.rows.items() if rows}
        assert by_repo["b/exact"] == 1  # its licence
        # a, fork, other, versions and late have new blobs; exact and none have not.
        assert github.requests["git", 200] == 1 + 7 + 5


@pytest.mark.parametrize(
    "action",
    [
        Drop(),
        Truncate(after_bytes=300),
        ServerError(status=502),
        SecondaryLimit(status=429, retry_after_s=3),
        SecondaryLimit(status=403, retry_after_s=None),
        PrimaryLimit(status=429, reset_s=9),
        HostilePack("damaged"),
        HostilePack("missing_object"),
        HostilePack("wrong_blob"),
        HostilePack("not_a_pack"),
    ],
    ids=repr,
)
def test_what_passes_costs_nothing(git_bench: Any, by_blobs: Any, action: Any) -> None:
    git_bench.github.set_faults(Fault(action=action, route="git", every=3))
    manifest = git_bench.harvest(retries=8, concurrency=1)
    assert git_bench.rows == by_blobs
    assert not [name for name in manifest.counts if "archive" in name]
    assert git_bench.clock.slept
    assert not git_bench.github.requests["archive", 200]


@pytest.mark.parametrize("kind", get_args(HostilePackKind))
def test_a_hostile_pack_costs_its_repository_the_transport_alone(
    git_bench: Any, by_blobs: Any, kind: Any
) -> None:
    """Never a wrong row: the archive is fetched instead, and the reason is counted."""
    fault = Fault(action=HostilePack(kind), route="git", repository=VICTIM)
    git_bench.github.set_faults(fault)
    manifest = git_bench.harvest(retries=1, max_archive_bytes=64 << 20, max_archive_members=500)
    assert without_transport(git_bench.rows) == without_transport(by_blobs)
    transports = {row["repo"]: row["transport"] for rows in git_bench.rows.values() for row in rows}
    assert transports[VICTIM] == "archive"
    assert {how for repo, how in transports.items() if repo != VICTIM} == {"blobs"}
    reasons = [name for name in manifest.counts if name.startswith("repositories_done_archive_")]
    assert len(reasons) == 1
    assert manifest.counts["repositories_done"] == 7


@pytest.mark.parametrize("kind", ["wrong_blob", "bomb", "missing_object", "error_line"])
def test_a_pack_that_is_hostile_from_the_second_request_on(
    git_bench: Any, by_blobs: Any, kind: Any
) -> None:
    """The trees came; the blobs do not."""
    fault = Fault(action=HostilePack(kind), route="git", repository=VICTIM, skip=1)
    git_bench.github.set_faults(fault)
    git_bench.harvest(retries=1, concurrency=1)
    assert without_transport(git_bench.rows) == without_transport(by_blobs)


@pytest.mark.parametrize(
    ("action", "reason"), [(NoFilter(), "no_filter"), (OldProtocol(), "no_protocol_v2")]
)
def test_a_host_that_can_not_do_it_is_told_once_and_asked_no_more(
    git_bench: Any, by_blobs: Any, action: Any, reason: str
) -> None:
    git_bench.github.set_faults(Fault(action=action, route="git"))
    manifest = git_bench.harvest()
    assert without_transport(git_bench.rows) == without_transport(by_blobs)
    assert manifest.counts[f"repositories_done_archive_{reason}"] == 7
    assert sum("archives are fetched instead" in line for line in git_bench.log.lines) == 1
    assert git_bench.github.requests["git", 200] <= 7


def test_where_there_is_no_git_archives_come_quietly(bench: Any, expected: Any) -> None:
    manifest = bench.harvest(transport="auto")
    assert bench.rows == expected
    assert bench.github.requests["git", 404] == 5
    assert sum("archives are fetched instead" in line for line in bench.log.lines) == 1
    assert not [name for name in manifest.counts if "archive" in name]


@pytest.mark.parametrize(
    ("action", "state"), [(Gone(), "gone"), (TakenDown(), "blocked")], ids=repr
)
def test_the_api_has_the_last_word_on_what_is_gone(git_bench: Any, action: Any, state: str) -> None:
    git_bench.github.set_faults(
        Fault(action=action, route="git", repository="a/first"),
        Fault(action=action, route="tarball", repository="a/first"),
    )
    manifest = git_bench.harvest()
    [stone] = manifest.facts["tombstones"]
    assert (stone["name"], stone["state"]) == ("a/first", state)
    rows = [row for shard in git_bench.rows.values() for row in shard]
    # What only the lost one would have brought now stands with those that share it.
    assert {row["repo"] for row in rows if row["path"] == "pkg/long.py"} & {"b/fork", "b/exact"}
    stored = {row["blob_id"] for row in rows}
    copies = [row for shard in git_bench.copies.values() for row in shard]
    assert all(copy["blob_id"] in stored and copy["repo"] != "a/first" for copy in copies)


def test_a_repository_lost_after_its_trees_came_is_made_up_for_by_the_next(
    git_bench: Any,
) -> None:
    """Others counted on its blobs; they are asked for after all."""
    git_bench.github.set_faults(
        Fault(action=Gone(), route="git", repository="a/first", skip=2),
        Fault(action=Gone(), route="tarball", repository="a/first"),
    )
    git_bench.harvest(concurrency=1, repositories_per_shard=10)
    rows = [row for shard in git_bench.rows.values() for row in shard]
    assert "a/first" not in {row["repo"] for row in rows}
    assert [row["repo"] for row in rows if row["path"] == "pkg/long.py"] == ["b/fork"]
    exact = [
        row for shard in git_bench.copies.values() for row in shard if row["repo"] == "b/exact"
    ]
    assert {row["path"] for row in exact} >= {"pkg/long.py", "run.py"}


def test_a_host_that_worked_and_then_fails_ends_the_run(
    git_bench: Any, by_blobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harvest.blobs.MAX_FAILED_IN_A_ROW", 3)
    git_bench.github.set_faults(Fault(action=ServerError(status=503), route="git", skip=4))
    with pytest.raises(HarvestError, match="in a row"):
        git_bench.harvest(concurrency=1, retries=0)
    git_bench.github.set_faults()
    git_bench.harvest()
    assert without_transport(git_bench.rows) == without_transport(by_blobs)


@pytest.mark.parametrize("transport", ["blobs", "archive"])
@pytest.mark.parametrize("lost", ["*.blobs", "*.list", "*"])
def test_spools_that_are_lost_are_fetched_again(
    git_bench: Any, by_blobs: Any, monkeypatch: pytest.MonkeyPatch, transport: str, lost: str
) -> None:
    def fail(*arguments: Any, **how: Any) -> None:
        raise HarvestError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("harvest.pipeline.assemble", fail)
        with pytest.raises(HarvestError, match="killed"):
            git_bench.harvest(transport=transport, concurrency=1)
    spool = git_bench.folder.root / "frontier.spool"
    assert list(spool.glob("*.blobs"))
    for path in spool.glob(lost):
        path.unlink()
    git_bench.harvest(transport=transport)
    assert without_transport(git_bench.rows) == without_transport(by_blobs)
    assert not spool.exists()


def test_a_lost_shard_is_made_again_as_it_was(git_bench: Any, by_blobs: Any) -> None:
    """Though the later ones' blobs, and its own, are known."""
    git_bench.harvest()
    copies = git_bench.copies
    (git_bench.folder.raw / "shard-00001.parquet").unlink()
    (git_bench.folder.raw / "copies" / "shard-00002.parquet").write_bytes(b"damaged")
    git_bench.harvest()
    assert git_bench.rows == by_blobs
    assert git_bench.copies == copies
    assert sum("made again" in line for line in git_bench.log.lines) == 2


def test_blobs_that_a_takedown_emptied_are_unknown_again(git_bench: Any) -> None:
    git_bench.harvest()
    [first, *later] = list_shards(git_bench.folder.raw)
    rows = read_rows(first).to_pylist()
    [victim] = {row["repo_id"] for row in rows if row["repo"] == "a/first"}
    known = KnownBlobs.open(git_bench.folder.root / "frontier.known")
    ids = {row["path"]: bytes.fromhex(row["blob_id"]) for row in rows if row["repo_id"] == victim}
    assert (known.find(list(ids.values())).shard == 0).all()
    with write_shard(first.path) as writer:
        writer.write(read_rows(first))
        writer.notes = {**first.notes, "taken_down": [victim]}
    catch_up(known, range(len(later) + 1), git_bench.folder.raw)
    again = dict(zip(ids, known.find(list(ids.values())).shard.tolist(), strict=True))
    # Licences are rows elsewhere too: here of the fork in the same shard.
    assert {path: shard for path, shard in again.items() if shard != NOWHERE} == {"LICENSE": 0}
    assert set(known.shards) == set(range(len(later) + 1))


def test_the_set_of_known_blobs_may_be_lost(git_bench: Any, by_blobs: Any) -> None:
    git_bench.harvest()
    copies = git_bench.copies
    for path in (git_bench.folder.root / "frontier.known").iterdir():
        path.write_bytes(b"damaged")
    (git_bench.folder.raw / "shard-00003.parquet").unlink()
    git_bench.harvest()
    assert (git_bench.rows, git_bench.copies) == (by_blobs, copies)


def test_the_token_reaches_the_git_host_of_the_site_and_no_other(
    git_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, bool]] = []
    send = BlobFetcher._question

    def spy(self: Any, *arguments: Any, **how: Any) -> Any:
        question = send(self, *arguments, **how)
        seen.append((question.hop.url, question.hop.with_token))
        return question

    monkeypatch.setattr(BlobFetcher, "_question", spy)
    git_bench.harvest()
    assert seen and all(with_token for _, with_token in seen)
    assert not any(git_bench.token in url for url, _ in seen)
    seen.clear()
    other = git_bench.github.url.replace("127.0.0.1", "localhost")
    git_bench.folder = type(git_bench.folder)(git_bench.folder.root.with_name("other"))
    git_bench.harvest(git_url=other)
    assert seen and not any(with_token for _, with_token in seen)


def test_long_requests_are_compressed(git_bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    compress = gzip.compress

    def spy(data: bytes, **how: Any) -> bytes:
        lengths.append(len(data))
        return compress(data, **how)

    monkeypatch.setattr("harvest.blobs.gzip.compress", spy)
    monkeypatch.setattr("harvest.blobs._GZIP_FROM_BYTES", 400)
    git_bench.harvest()
    assert lengths and min(lengths) >= 400


def test_many_wants_are_several_requests(
    git_bench: Any, by_blobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harvest.blobs.MAX_WANTS", 2)
    git_bench.harvest()
    assert git_bench.rows == by_blobs
    assert git_bench.github.requests["git", 200] > 15


async def test_a_renamed_repository_is_followed_with_its_token(
    tmp_path: Path, commit: Any, bench: Any
) -> None:
    head = commit(tmp_path / "mirrors" / "new" / "name.git", {"a.py": b"x = 1\n"})
    facts = '{"new/name": {"former_names": ["old/name"]}}'
    (tmp_path / "mirrors" / "loopback.json").write_text(facts)
    scheduler = Scheduler(
        users_of([bench.token]), clock=bench.clock, report=bench.log, max_wait_s=9
    )
    repository = Repository(
        id=7, node_id="R_7", name="old/name", stars=1, fork=False, license=None, pushed_at=None,
        shard=0, commit=head, languages=None, state="pending",
    )  # fmt: skip
    limits = Limits(max_file_bytes=99, max_archive_bytes=1 << 20, max_archive_members=9)
    async with Loopback(git_catalog(tmp_path / "mirrors"), limits=None) as github:
        with ThreadPoolExecutor(1) as executor:
            async with aiohttp.ClientSession(auto_decompress=False) as session:
                fetcher = BlobFetcher(
                    Host(session, scheduler, retries=0), executor, git_url=github.url,
                    with_token=True, spools=tmp_path / "spools", limits=limits, report=bench.log,
                )  # fmt: skip
                listing = await fetcher.list(repository)
                assert [file.path for file in listing.files] == ["a.py"]
                assert await fetcher.fill(repository, [listing.files[0].blob_id]) == 6
        assert github.requests["git", 301] == 3
    with Contents(tmp_path / "spools", 7) as contents:
        assert contents.read(listing.files[0].blob_id) == b"x = 1\n"


def test_a_full_disk_loses_nothing(
    git_bench: Any, by_blobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, calls = harvest.spool.fsync, []

    def fill_up(path: Path) -> None:
        calls.append(path)
        if len(calls) > 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(path)

    with monkeypatch.context() as patch:
        patch.setattr(harvest.spool, "fsync", fill_up)
        with pytest.raises(DiskFullError, match="space"):
            git_bench.harvest()
    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", lambda *_: fill_up(Path()))
        with pytest.raises(DiskFullError, match="space"):
            git_bench.harvest()
    git_bench.harvest()
    assert git_bench.rows == by_blobs
