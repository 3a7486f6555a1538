from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.harvest.mirrors import make_mirrors
from benchmarks.harvest.wire import CLONE, Carried, _middle, _outcome, bench_wire
from benchmarks.target import Place
from corpus.errors import WorkerError


def carried(blobs: int, archive: int, clone: int, python: int, rows: int = 3) -> dict[str, Any]:
    return {
        "blobs": Carried(blobs, python, rows),
        "archive": Carried(archive, python, rows),
        CLONE: clone,
    }


FORK = {"parent": "a/b", "parent_wire": 200, "fork_wire": 10}


def test_the_claims_are_of_all_repositories_together() -> None:
    table = {"a/b": carried(100, 500, 400, 1_000), "a/c": carried(300, 700, 400, 1_000)}
    outcome = _outcome(table, FORK, 4_000, goal=0.25)
    found = {claim.name: claim for claim in outcome.claims}
    blobs = found["wire, blobs: bytes a raw .py byte"]
    assert (blobs.value, blobs.goal, blobs.met) == (0.2, 0.25, True)
    assert found["wire, archive: bytes a raw .py byte"].value == 0.6
    assert found["wire, blobs: times the peer's bytes saved"].value == 2.0
    assert found["wire: bytes of a fork of what is known, of its parent's"].value == 0.05
    assert found["wire: kB of a refresh without news, a repository"].value == 2.0
    assert outcome.details["wire"]["repositories"]["a/c"]["python_bytes"] == 1_000


def test_nothing_is_promised_for_repositories_that_are_made_here() -> None:
    outcome = _outcome({"a/b": carried(9, 9, 9, 10)}, FORK, 1, goal=None)
    assert outcome.claims[0].met is None
    assert outcome.details["wire"]["promised"] is False


def test_ways_that_bring_different_rows_are_no_figures() -> None:
    table = {"a/b": carried(9, 9, 9, 10)}
    table["a/b"]["archive"] = Carried(9, 10, 4)
    with pytest.raises(WorkerError, match="a/b"):
        _outcome(table, FORK, 1, goal=None)


def test_the_fork_is_of_a_repository_of_middling_size() -> None:
    table = {f"a/{n}": carried(1, 1, 1, size) for n, size in enumerate((50, 10, 30))}
    assert _middle(table) == "a/2"


@pytest.mark.slow
def test_the_whole_road(tmp_path: Path) -> None:
    mirrors = make_mirrors(tmp_path / "mirrors", 2)
    place = Place(out=tmp_path, scratch=tmp_path / "scratch", data=tmp_path / "data")
    outcome = bench_wire(place, mirrors.folder)
    values = {claim.name: claim.value for claim in outcome.claims}
    assert 0 < values["wire: bytes of a fork of what is known, of its parent's"] < 1
    repositories = outcome.details["wire"]["repositories"]
    assert set(repositories) == set(mirrors.names)
    assert all(each["blobs"] > 0 and each[CLONE] > 0 for each in repositories.values())
