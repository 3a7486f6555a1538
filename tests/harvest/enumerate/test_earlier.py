from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corpus.errors import FileError
from harvest.certificate import certificate
from harvest.enumerate.earlier import take_earlier
from harvest.frontier import Frontier
from harvest.selection import Judge, OptOut, Rules


def names(frontier: Frontier) -> set[str]:
    return {each.name for each in frontier.with_states("found")}


def test_the_frontier_of_an_earlier_harvest(bench: Any, frontier: Frontier, log: Any) -> None:
    bench.harvest(max_repositories=5)
    take_earlier([bench.folder.root], frontier, Judge(Rules()), log)
    assert names(frontier) == bench.repositories, "what was planned, and not what was left out"
    planned = frontier.with_states("found")[0]
    assert (planned.sources, planned.archived) == (("earlier",), None)
    assert certificate(frontier)["earlier"] == {
        "parts": {"closed": 1},
        "repositories": 5,
        "not_closed": [],
    }
    take_earlier([bench.folder.root], frontier, Judge(Rules()), log)
    assert frontier.found() == 5


def test_shards_alone(bench: Any, frontier: Frontier, log: Any) -> None:
    bench.harvest()
    with_frontier = {each["repo"]: each["repo_id"] for rows in bench.rows.values() for each in rows}
    bench.folder.frontier.unlink()
    judge = Judge(Rules(), OptOut(frozenset({"owner1"})))
    take_earlier([bench.folder.root], frontier, judge, log)
    assert frontier.states() == {"found": 8, "opted_out": 4}
    known = frontier.with_states("found", "opted_out")
    assert {each.name: each.id for each in known} == with_frontier


def test_a_folder_without_a_harvest(tmp_path: Path, frontier: Frontier, log: Any) -> None:
    with pytest.raises(FileError, match="no harvest there"):
        take_earlier([tmp_path / "nothing"], frontier, Judge(Rules()), log)
    assert frontier.count_parts("earlier") == {"open": 1}
