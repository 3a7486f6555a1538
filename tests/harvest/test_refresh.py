"""A later harvest of the same repositories: only what changed is fetched, what ended is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from corpus.errors import ApiError, FileError, HarvestError, UsageError
from corpus.layout import RunFolder
from corpus.shards import list_shards, read_rows
from harvest.loopback.catalog import memory_catalog
from harvest.loopback.faults import Fault, Gone, PrimaryLimit, ServerError, TakenDown
from harvest.loopback.repository import assign_ids
from harvest.loopback.server import Loopback, serve_in_thread
from harvest.refresh import Refreshed, refresh

Contents = dict[str, dict[str, bytes]]
FIRST: Contents = {
    f"owner/project{number}": {
        "same.py": b"same = %d\n" % number,
        "turn.py": b"before = %d\n" % number,
        "LICENSE": b"licence of %d\n" % number,
    }
    for number in range(6)
}
CHANGED = "owner/project2"


def changed(name: str = CHANGED) -> Contents:
    """The same with another file in one repository, and hence another commit."""
    return {**FIRST, name: {**FIRST[name], "turn.py": b"after = 1\n", "new.py": b"new = 1\n"}}


class Place:
    """One run folder, and servers that come and go at one address, as GitHub changes."""

    def __init__(self, make_bench: Callable[[Loopback], Any], stack: ExitStack) -> None:
        self._make_bench, self._stack = make_bench, stack
        self.github: Loopback | None = None
        self.bench: Any = None

    def serve(self, contents: Contents, facts: Mapping[str, Any] | None = None) -> None:
        """Serve other contents from here on, at the same address."""
        port = 0
        if self.github is not None:
            port = int(self.github.url.rpartition(":")[2])
            self._stack.pop_all().close()
        every = {name: {"stars": 50 - i} for i, name in enumerate(FIRST)}
        told = {name: {**every.get(name, {}), **(facts or {}).get(name, {})} for name in contents}
        server = serve_in_thread(memory_catalog(contents, told), limits=None, port=port)
        self.github = self._stack.enter_context(server)
        self.bench = self._make_bench(self.github)

    def refresh(self, **changes: Any) -> Refreshed:
        recipe = self.bench.recipe(**{"repositories_per_shard": 2, **changes})
        return refresh(
            recipe,
            self.bench.folder,
            tokens=changes.pop("tokens", (self.bench.token,)),
            report=self.bench.log,
            clock=self.bench.clock,
        )

    def harvest(self, **changes: Any) -> Any:
        return self.bench.harvest(**{"repositories_per_shard": 2, **changes})


@pytest.fixture
def place(make_bench: Any) -> Iterator[Place]:
    with ExitStack() as stack:
        place = Place(make_bench, stack)
        place.serve(FIRST)
        place.harvest()
        yield place


def shards_of(folder: RunFolder) -> list[list[tuple[str, str]]]:
    """(repository, path) of the rows of every shard."""
    return [
        list(zip(*(read_rows(shard)[name].to_pylist() for name in ("repo", "path")), strict=True))
        for shard in list_shards(folder.raw)
    ]


def bytes_of(folder: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.raw.glob("*.parquet")}


def test_nothing_changed_costs_one_question_and_no_shard(place: Place) -> None:
    before = bytes_of(place.bench.folder)
    asked = dict(place.github.requests)
    refreshed = place.refresh()
    assert (refreshed.asked, refreshed.changed, refreshed.ended, refreshed.shards) == (6, 0, 0, 0)
    new = {key: n - asked.get(key, 0) for key, n in place.github.requests.items()}
    assert {key: n for key, n in new.items() if n} == {("graphql", 200): 1}
    assert bytes_of(place.bench.folder) == before
    facts = refreshed.manifest.facts
    assert (facts["tombstones"], facts["superseded"]) == ([], [])
    assert [one["generation"] for one in facts["refreshes"]] == [1]


def test_what_changed_comes_into_a_new_shard(place: Place) -> None:
    before = bytes_of(place.bench.folder)
    place.serve(changed())
    refreshed = place.refresh()
    assert (refreshed.asked, refreshed.changed, refreshed.shards) == (6, 1, 1)
    after = bytes_of(place.bench.folder)
    assert {name: after[name] for name in before} == before
    # What is equal to what an older shard has is a line in the list of copies.
    assert shards_of(place.bench.folder)[3] == [
        (CHANGED, "LICENSE"),  # licence files are always rows
        (CHANGED, "new.py"),
        (CHANGED, "turn.py"),
    ]
    (one,) = refreshed.manifest.facts["superseded"]
    old, new = (
        {row["commit"] for shard in list_shards(place.bench.folder.raw)[part]
         for row in read_rows(shard).to_pylist() if row["repo"] == CHANGED}
        for part in (slice(3), slice(3, 4))
    )  # fmt: skip
    assert (one["name"], {one["from"]}, {one["to"]}) == (CHANGED, old, new)
    assert [entry.path for entry in refreshed.manifest.outputs] == sorted(after)
    assert refreshed.manifest.counts["files_kept"] == 6 * 2 + 2  # rows, as in the shards


def test_again_and_again(place: Place) -> None:
    place.serve(changed())
    place.refresh()
    place.serve({**changed(), CHANGED: {"only.py": b"third = 1\n"}})
    refreshed = place.refresh()
    assert (refreshed.changed, refreshed.shards) == (1, 1)
    superseded = refreshed.manifest.facts["superseded"]
    assert len({one["from"] for one in superseded}) == 2
    assert len({one["to"] for one in superseded}) == 1
    assert place.refresh().changed == 0
    assert len(place.refresh().manifest.facts["refreshes"]) == 4


@pytest.mark.parametrize(
    ("action", "state", "reason"),
    [(Gone(), "gone", "not_found"), (TakenDown(), "blocked", "legal")],
    ids=["404", "451"],
)
def test_what_ended_is_a_tombstone_with_its_moment(
    place: Place, action: Any, state: str, reason: str
) -> None:
    left = {name: files for name, files in FIRST.items() if name != CHANGED}
    if state == "gone":
        place.serve(left)
    else:
        place.github.set_faults(
            Fault(action=ServerError(502), route="graphql"),
            Fault(action=action, repository=CHANGED),
        )
    refreshed = place.refresh()
    (grave,) = refreshed.manifest.facts["tombstones"]
    assert (grave["name"], grave["state"], grave["reason"], grave["rows"]) == (
        CHANGED,
        state,
        reason,
        3,
    )
    assert grave["since"].endswith("Z")
    assert refreshed.ended == 1
    assert place.refresh().ended == 0
    # It comes back as it was: nothing is fetched, and nothing is dead.
    place.serve(FIRST)
    back = place.refresh()
    assert (back.changed, back.manifest.facts["tombstones"]) == (0, [])


def test_a_wish_is_honoured_before_any_question(place: Place, tmp_path: Path) -> None:
    wishes = tmp_path / "wishes"
    wishes.write_text(f"{CHANGED}\n")
    refreshed = place.refresh(opt_out=wishes)
    (grave,) = refreshed.manifest.facts["tombstones"]
    assert (grave["name"], grave["state"], grave["rows"]) == (CHANGED, "opted_out", 3)
    assert refreshed.manifest.counts["files_kept"] == 12  # its rows are in their shard still


def test_a_repository_is_known_by_its_number_through_a_rename(place: Place) -> None:
    files = dict(FIRST)
    files["other/name"] = files.pop(CHANGED)
    same = {"other/name": {"id": assign_ids(FIRST)[CHANGED], "former_names": (CHANGED,)}}
    place.serve(files, same)
    refreshed = place.refresh()
    assert (refreshed.asked, refreshed.changed, refreshed.ended) == (6, 0, 0)
    place.serve({**files, "other/name": changed()[CHANGED]}, same)
    refreshed = place.refresh()
    assert [one["name"] for one in refreshed.manifest.facts["superseded"]] == ["other/name"]
    assert {repo for repo, _ in shards_of(place.bench.folder)[3]} == {"other/name"}


def test_one_failure_is_no_end(place: Place) -> None:
    place.github.set_faults(
        Fault(action=ServerError(502), route="graphql"),
        Fault(action=ServerError(500), repository=CHANGED),
    )
    refreshed = place.refresh()
    assert refreshed.manifest.facts["tombstones"] == []
    assert "1 repositories gave no answer" in " ".join(place.bench.log.lines)
    place.serve(changed())
    assert place.refresh().changed == 1


def test_no_answer_at_all_is_an_error_and_the_next_refresh_asks_anew(place: Place) -> None:
    place.github.set_faults(Fault(action=ServerError(502)))
    with pytest.raises(HarvestError, match="not one of 6 repositories gave an answer"):
        place.refresh()
    place.serve(changed())
    assert place.refresh().changed == 1


def test_without_a_token_by_rest(place: Place) -> None:
    place.serve(changed())
    refreshed = refresh(
        place.bench.recipe(repositories_per_shard=2),
        place.bench.folder,
        report=place.bench.log,
        clock=place.bench.clock,
    )
    assert (refreshed.asked, refreshed.changed) == (6, 1)


def test_a_run_names_a_refresh_that_has_not_ended(place: Place) -> None:
    place.github.set_faults(Fault(action=PrimaryLimit(reset_s=100_000)))
    with pytest.raises(ApiError, match="run again later"):
        place.refresh()
    place.github.set_faults()
    place.harvest()
    assert any("harvest refresh goes on" in line for line in place.bench.log.lines)
    place.refresh()
    before = len(place.bench.log.lines)
    place.harvest()
    assert not any("goes on" in line for line in place.bench.log.lines[before:])


def test_what_there_is_nothing_to_refresh(place: Place, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="another recipe"):
        place.refresh(min_stars=3)
    place.bench.folder = RunFolder(tmp_path / "nowhere")
    with pytest.raises((UsageError, FileError), match="finish it first"):
        place.refresh()


def test_a_lost_shard_with_superseded_rows_is_refused(place: Place) -> None:
    place.serve(changed())
    refreshed = place.refresh()
    (one,) = refreshed.manifest.facts["superseded"]
    for shard in list_shards(place.bench.folder.raw)[:3]:
        if one["from"] in read_rows(shard)["commit"].to_pylist():
            shard.path.unlink()
    with pytest.raises(FileError, match="superseded"):
        place.refresh()
