from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harvest.loopback.catalog import memory_catalog
from harvest.loopback.faults import Fault, HostileArchive, SecondaryLimit, Truncate
from harvest.run import harvest
from harvest.switches import ACTIONS, parse_fault
from pycodegpt.__main__ import run


@pytest.fixture
def recipe(bench: Any, tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(
        f'run = "{bench.folder.root}"\n[harvest]\napi_url = "{bench.github.url}"\n'
        "repositories_per_shard = 5\ncreated_until = '2030-01-01'\n"
    )
    return path


def test_run_then_status(
    bench: Any, recipe: Path, expected: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", bench.token)
    assert run(["harvest", "run", "-r", str(recipe)]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{sum(map(len, expected.values()))} Python files, ")
    assert "from 12 repositories in 3 shards" in shown.out
    assert "fetch: 12/12 repositories" in shown.err
    assert bench.token not in shown.out + shown.err
    assert bench.github.requests["graphql", 200] == 1
    assert bench.rows == expected

    assert run(["harvest", "status", "-r", str(recipe), "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["repositories"] == {"done": 12}
    assert (status["shards_written"], status["shards_planned"]) == (3, 3)

    assert run(["harvest", "run", "-r", str(recipe), "--json"]) == 0
    again = capsys.readouterr()
    assert json.loads(again.out)["counts"]["repositories_done"] == 12
    assert "nothing to do" in again.err


def test_a_folder_of_bare_repositories(tmp_path: Path, capsys: Any) -> None:
    work, mirrors = tmp_path / "work", tmp_path / "mirrors" / "me"
    mirrors.mkdir(parents=True)

    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], check=True, capture_output=True)

    git("init", "-q", str(work))
    (work / "a.py").write_bytes(b"a = 1\n")
    (work / "LICENSE").write_bytes(b"MIT License\n")
    git("-C", str(work), "add", ".")
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    git("-C", str(work), *who, "commit", "-qm", "first")
    git("clone", "-q", "--bare", str(work), str(mirrors / "tool.git"))
    git("init", "-q", "--bare", str(mirrors / "hollow.git"))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'run = "{tmp_path / "run"}"\n[harvest]\napi_url = "loopback"\n'
        f'loopback_folder = "{mirrors.parent}"\nlanguage = "off"\n'
    )
    assert run(["harvest", "run", "-r", str(recipe), "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert (counts["repositories_done"], counts["files_kept"]) == (1, 1)
    assert (counts["repositories_empty_no_commits"], counts["files_kept_license"]) == (1, 1)
    assert run(["harvest", "run", "-r", str(recipe)]) == 0
    assert capsys.readouterr().out.startswith("1 Python file, 6B, and 1 licence file, from 1 rep")
    assert run(["harvest", "status", "-r", str(recipe)]) == 0
    assert "Python files kept: 1 (6B), licence files: 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--api-url", "http://127.0.0.1:9"], 1, "http://127.0.0.1:9: no connection"),
        (["--api-url", "github"], 2, "api_url"),
        (["--set", "harvest.min_star=3"], 2, "did you mean 'min_stars'?"),
        (["--set", "harvest.opt_out=/nowhere/list"], 1, "/nowhere/list"),
        (["--set", "harvest.min_stars=9999"], 1, "no repository matches"),
        (["--set", "run=/proc/none/run"], 1, "/proc/none/run"),
    ],
)
def test_bad_input_is_one_line(
    recipe: Path, capsys: Any, arguments: list[str], code: int, told: str
) -> None:
    assert run(["harvest", "run", "-r", str(recipe), *arguments]) == code
    shown = capsys.readouterr()
    errors = [line for line in shown.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert told in errors[0]
    assert not shown.out


def test_a_first_attempt_at_a_wrong_address_binds_nothing(recipe: Path, capsys: Any) -> None:
    assert run(["harvest", "run", "-r", str(recipe), "--api-url", "http://127.0.0.1:9"]) == 1
    assert run(["harvest", "run", "-r", str(recipe)]) == 0


def test_status_before_any_harvest(recipe: Path, capsys: Any) -> None:
    assert run(["harvest", "status", "-r", str(recipe)]) == 1
    assert "no harvest has begun" in capsys.readouterr().err


def test_loopback_refuses_a_port_in_use_and_a_wrong_fault(
    bench: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = memory_catalog({"a/b": {"c.py": b"1"}})
    monkeypatch.setattr("harvest.loopback.catalog.installed_catalog", lambda: catalog)
    port = bench.github.url.rpartition(":")[2]
    assert run(["harvest", "loopback", "--port", port]) == 2
    assert f"port {port} is in use" in capsys.readouterr().err
    assert run(["harvest", "loopback", "--fault", "archive:trunkate"]) == 2
    assert "did you mean 'truncate'?" in capsys.readouterr().err


def test_faults_by_name() -> None:
    assert parse_fault("archive:truncate:3") == Fault(action=Truncate(), route="archive", every=3)
    limit = SecondaryLimit(status=429, retry_after_s=None)
    assert parse_fault("429") == Fault(action=limit)
    assert parse_fault("search:429:2") == Fault(action=limit, route="search", every=2)
    assert parse_fault("429:2") == Fault(action=limit, every=2)
    assert parse_fault("bomb").action == HostileArchive("bomb")
    assert all(parse_fault(name).action == action for name, action in ACTIONS.items())


@pytest.mark.parametrize(
    "text", ["", "drop:0", "nowhere:drop", "a:b:c:d", "archive:", "archive:drop:x"]
)
def test_faults_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"fault|route|every"):
        parse_fault(text)


@pytest.mark.parametrize("name", ["bomb", "many-members", "not-gzip", "500"])
def test_a_harvest_in_which_all_failed_is_an_error_and_may_be_tried_again(
    bench: Any, recipe: Path, capsys: Any, expected: Any, name: str
) -> None:
    bench.github.set_faults(parse_fault(f"archive:{name}"))
    few = ["--set", "harvest.retries=0", "--set", "harvest.max_archive_members=500"]
    assert run(["harvest", "run", "-r", str(recipe), *few]) == 1
    shown = capsys.readouterr()
    (error,) = [line for line in shown.err.splitlines() if line.startswith("error: ")]
    assert "not one of the repositories could be harvested (12 " in error
    assert not shown.out
    bench.github.set_faults()
    assert run(["harvest", "run", "-r", str(recipe), *few]) == 0
    assert bench.rows == expected


def test_status_while_it_runs_and_after_it_was_stopped(
    bench: Any, recipe: Path, capsys: Any
) -> None:
    bench.github.set_faults(parse_fault("archive:500:2"))
    told: list[str] = []

    def look(event: Any) -> None:
        if not told and getattr(event, "task", "") == "fetch" and event.done >= 4:
            assert run(["harvest", "status", "-r", str(recipe)]) == 0
            told.append(capsys.readouterr().out)

    harvest(bench.recipe(retries=0), bench.folder, tokens=["any"], report=look)
    lines = told[0].splitlines()
    assert lines[1] == "  fetch, running"
    assert any(line.startswith("  pending: ") for line in lines)
    assert "  search windows: 1 closed" in lines
    assert run(["harvest", "status", "-r", str(recipe), "--ask"]) == 0
    assert "requests of" not in capsys.readouterr().out  # this server has no limits
    assert run(["harvest", "status", "-r", str(recipe), "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["phase"], status["running"], status["rates"]) == ("finished", False, None)


def test_refresh_and_plan(bench: Any, recipe: Path, capsys: Any) -> None:
    assert run(["harvest", "refresh", "-r", str(recipe)]) == 2
    assert "no finished harvest to refresh" in capsys.readouterr().err
    assert run(["harvest", "plan", "-r", str(recipe), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["requests"]["search"] == 1
    assert not bench.folder.root.exists() or not list(bench.folder.root.glob("raw"))
    assert run(["harvest", "run", "-r", str(recipe)]) == 0
    assert run(["harvest", "refresh", "-r", str(recipe)]) == 0
    shown = capsys.readouterr()
    assert "12 repositories asked for: 0 changed, 0 ended; 0 new shards" in shown.out
    assert run(["harvest", "status", "-r", str(recipe)]) == 0
    assert "finished, refreshed 1 times" in capsys.readouterr().out
