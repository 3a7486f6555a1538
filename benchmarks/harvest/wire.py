"""What travels for a byte of Python: our two transports beside `git clone --depth 1`.

Every figure counts all bytes between client and server, both ways, HTTP headers and the API's
answers included, by relays before a loopback server that runs git's own upload-pack.

The repositories are bare git mirrors: the folder that PYCODEGPT_MIRRORS names, or `mirrors/` among
the benchmarks' data (docs/harvest.md says which six the goal speaks of), or else repositories made
of the packages that are installed here, with which no goal was promised.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.claims import Claim, Outcome, ratio
from benchmarks.harvest.mirrors import make_mirrors
from benchmarks.harvest.served import Served, serving
from benchmarks.processes import run_measured
from benchmarks.target import Place
from corpus.errors import WorkerError
from corpus.shards import list_shards, read_rows
from harvest.loopback.gitfolder import FACTS_FILE

ENVIRONMENT = "PYCODEGPT_MIRRORS"
GOAL = 0.25  # wire bytes a raw byte of Python, on the six repositories
CLONE = "git clone --depth 1"
MADE = 12  # repositories of installed packages, where there are no mirrors
_WHO = b"committer Bench <bench@example.org> 1577836800 +0000\n"


@dataclass(frozen=True, slots=True)
class Carried:
    """One repository by one way."""

    wire: int
    python_bytes: int
    rows: int


def bench_wire(place: Place, mirrors: Path | None = None) -> Outcome:
    """Wire bytes a byte of Python, by repository and way; of a fork; of a refresh without news."""
    given = mirrors or _given(place)
    folder = given or make_mirrors(place.folder("wire-mirrors"), MADE).folder
    names = _names(folder)
    table: dict[str, dict[str, Carried | int]] = {}
    with serving(folder) as served:
        for name in names:
            table[name] = {
                way: _harvested(place, served, [name], f"{way}-{name}", transport=way)
                for way in ("blobs", "archive")
            }
            table[name][CLONE] = _cloned(place, served, name)
            place.say(_line(name, table[name]))
        refresh = _refreshed(place, served, names)
    fork = _fork(place, folder, _middle(table))
    return _outcome(table, fork, refresh, goal=GOAL if given else None)


def _given(place: Place) -> Path | None:
    named = os.environ.get(ENVIRONMENT)
    folder = Path(named) if named else place.data / "mirrors"
    return folder if folder.is_dir() else None


def _names(folder: Path) -> list[str]:
    return sorted(f"{each.parent.name}/{each.name.removesuffix('.git')}"
                  for each in folder.glob("*/*.git") if each.is_dir())  # fmt: skip


def _harvested(
    place: Place, served: Served, names: Sequence[str], run: str, *, transport: str
) -> Carried:
    """A whole harvest of these repositories, alone in its folder."""
    out = place.folder(f"wire-{run.replace('/', '-')}")
    _run(out, served, names, transport)
    return _carried(out, served.wire().total)


def _run(out: Path, served: Served, names: Sequence[str], transport: str) -> None:
    listed, recipe = out / "names.txt", out / "recipe.toml"
    listed.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    recipe.write_text(
        f'run = "{out / "run"}"\n[harvest]\napi_url = "{served.url}"\n'
        f'git_url = "{served.git_url}"\nlanguage = "off"\nforks = true\n'
        f'sources = ["list"]\nlist_file = "{listed}"\ntransport = "{transport}"\n'
        "repositories_per_shard = 1\n",
        encoding="utf-8",
    )
    served.wire()
    _command("run", recipe)


def _command(verb: str, recipe: Path) -> None:
    command = [sys.executable, "-m", "pycodegpt", "harvest", verb, "--recipe", str(recipe)]
    run_measured(command, env={"GITHUB_TOKEN": "any"})


def _carried(out: Path, wire: int) -> Carried:
    """The bytes of Python that stand in rows, or in copies of rows, are what was wanted."""
    python, rows = 0, 0
    for shard in list_shards(out / "run" / "raw"):
        table = read_rows(shard, columns=["path", "size"])
        rows += table.num_rows
        python += sum(size for path, size in zip(*table.to_pydict().values(), strict=True)
                      if path.endswith(".py"))  # fmt: skip
    return Carried(wire, python, rows)


def _cloned(place: Place, served: Served, name: str) -> int:
    """What a shallow clone of the same repository costs."""
    served.wire()
    target = place.folder("wire-clone") / "clone"
    command = ["git", "clone", "-q", "--bare", "--depth", "1", f"{served.git_url}/{name}.git"]
    run_measured([*command, target])
    return served.wire().total


def _refreshed(place: Place, served: Served, names: Sequence[str]) -> int:
    """What a refresh costs where nothing changed."""
    out = place.folder("wire-refresh")
    _run(out, served, names, "blobs")
    served.wire()
    _command("refresh", out / "recipe.toml")
    return served.wire().total


def _middle(table: Mapping[str, Mapping[str, Carried | int]]) -> str:
    """The repository of middling size: neither the smallest nor the largest tells most."""
    by_size = sorted(table, key=lambda name: _of(table[name]["blobs"]).python_bytes)
    return by_size[len(by_size) // 2]


def _fork(place: Place, folder: Path, name: str) -> dict[str, Any]:
    """What a fork with one new commit costs where its parent was harvested before."""
    mirrors = place.folder("wire-fork")
    parent, fork = mirrors / f"{name}.git", mirrors / "fork" / "fork.git"
    parent.parent.mkdir(parents=True)
    parent.symlink_to((folder / f"{name}.git").resolve())
    _make_fork(parent, fork)
    facts = {name: {"stars": 9}, "fork/fork": {"fork": True}}
    (mirrors / FACTS_FILE).write_text(json.dumps(facts), encoding="utf-8")
    with serving(mirrors) as served:
        alone = _harvested(place, served, [name], "alone", transport="blobs")
        both = _harvested(place, served, [name, "fork/fork"], "both", transport="blobs")
    return {"parent": name, "parent_wire": alone.wire, "fork_wire": both.wire - alone.wire}


def _make_fork(parent: Path, fork: Path) -> None:
    command = ["git", "clone", "-q", "--bare", "--shared", str(parent), str(fork)]
    subprocess.run(command, check=True)
    git = ["git", "-C", str(fork)]
    told = subprocess.run(
        [*git, "symbolic-ref", "HEAD"], capture_output=True, text=True, check=True
    )
    branch = told.stdout.strip().encode()
    script = b"commit %s\n%sdata 4\nfork\nfrom %s^0\n" % (branch, _WHO, branch)
    script += b"M 100644 inline only_in_the_fork.py\ndata 9\nfork = 1\n\n"
    subprocess.run([*git, "fast-import", "--quiet", "--force"], input=script, check=True)


def _outcome(
    table: Mapping[str, Mapping[str, Carried | int]],
    fork: Mapping[str, Any],
    refresh: int,
    *,
    goal: float | None,
) -> Outcome:
    python = sum(_of(each["archive"]).python_bytes for each in table.values())
    sums = {way: sum(_bytes(each[way]) for each in table.values())
            for way in ("blobs", "archive", CLONE)}  # fmt: skip
    for name, each in table.items():
        if _of(each["blobs"]).rows != _of(each["archive"]).rows:
            raise WorkerError(f"{name}: the transports brought different rows")
    claims = [
        Claim("wire, blobs: bytes a raw .py byte", round(sums["blobs"] / python, 4), goal,
              None, "lower"),
        Claim("wire, archive: bytes a raw .py byte", round(sums["archive"] / python, 4), None,
              None, "lower"),
        Claim("wire, blobs: times the peer's bytes saved", ratio(sums["blobs"], sums[CLONE]),
              None, CLONE, "higher"),
        Claim("wire: bytes of a fork of what is known, of its parent's",
              round(fork["fork_wire"] / fork["parent_wire"], 4), None, None, "lower"),
        Claim("wire: kB of a refresh without news, a repository",
              round(refresh / 1e3 / len(table), 2), None, None, "lower"),
    ]  # fmt: skip
    rows = {
        name: {way: _bytes(carried) for way, carried in each.items()}
        | {"python_bytes": _of(each["archive"]).python_bytes}
        for name, each in table.items()
    }
    details = {"repositories": rows, "python_bytes": python, "sums": sums, "fork": dict(fork),
               "refresh_bytes": refresh, "promised": goal is not None}  # fmt: skip
    lines = [f"fork of {fork['parent']}: {fork['fork_wire'] / 1e3:.1f} kB beside "
              f"{fork['parent_wire'] / 1e6:.2f} MB; a refresh without news of all "
              f"{len(table)}: {refresh / 1e3:.1f} kB"]  # fmt: skip
    return Outcome(claims, {"wire": details}, lines)


def _of(carried: Carried | int) -> Carried:
    assert isinstance(carried, Carried)
    return carried


def _bytes(carried: Carried | int) -> int:
    return carried if isinstance(carried, int) else carried.wire


def _line(name: str, each: Mapping[str, Carried | int]) -> str:
    python = max(1, _of(each["archive"]).python_bytes)
    ways = ", ".join(f"{way} {_bytes(each[way]) / 1e6:.2f} MB ({_bytes(each[way]) / python:.3f})"
                     for way in each)  # fmt: skip
    return f"{name:<34} {python / 1e6:>6.2f} MB of Python: {ways}"
