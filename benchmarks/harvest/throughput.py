"""The same repositories harvested by us, by `git clone --depth 1`, and by curl and tar.

Every tool gets the names of the repositories, is allowed as many connections as the others, and has
to end with the Python files on disk. Bytes are counted by relays before the server, which is
charged to nobody, as are the relays.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.claims import Claim, Outcome, ratio
from benchmarks.harvest.mirrors import Mirrors, make_mirrors
from benchmarks.harvest.served import Served, Wire, serving
from benchmarks.processes import Usage, run_measured
from benchmarks.target import Place
from corpus.shards import list_shards, read_rows

CONNECTIONS = 8
ROUNDS = 3  # of each tool, one after the other; the median counts
CURL, GIT = "curl and tar", "git clone --depth 1"
# Python files and nothing else reach the disk, as with us; a server's errors must not go unseen.
_CURL = (
    "set -o pipefail; mkdir -p {out}/$1 && "
    "curl -sSfL {url}/repos/$1/tarball/main | tar -xz -C {out}/$1 --wildcards '*.py'"
)
_GIT = "git clone -q --depth 1 {git_url}/$1.git {out}/$1"


@dataclass(frozen=True, slots=True)
class Measured:
    """One tool's whole cost."""

    tool: str
    usage: Usage
    wire: Wire
    python_files: int

    def as_dict(self) -> dict[str, Any]:
        """For the JSON."""
        return {
            **self.usage.as_dict(),
            "sent_bytes": self.wire.sent,
            "received_bytes": self.wire.received,
            "connections": self.wire.connections,
            "python_files": self.python_files,
        }


Road = Callable[[Served, Mirrors, Path], Measured]


def bench_throughput(place: Place) -> Outcome:
    """Bytes on the wire, CPU-seconds and wall of each tool."""
    limit = None if place.scale == 1 else place.scaled(90)
    mirrors = make_mirrors(place.folder("mirrors"), limit)
    found: dict[str, list[Measured]] = {}
    with serving(mirrors.folder) as served:
        for round_ in range(ROUNDS):
            for name, road in roads().items():
                out = place.folder(f"throughput-{round_}")
                served.wire()
                found.setdefault(name, []).append(road(served, mirrors, out))
                place.say(_line(found[name][-1]))
    best = {name: sorted(each, key=lambda one: one.usage.cpu_s)[len(each) // 2]
            for name, each in found.items()}  # fmt: skip
    details = {
        "input": mirrors.as_dict(),
        "connections": CONNECTIONS,
        "tools": {name: [one.as_dict() for one in each] for name, each in found.items()},
    }
    lines = [_line(one) for one in best.values()]
    return Outcome(list(claims(best, mirrors)), {"throughput": details}, lines)


def roads() -> Mapping[str, Road]:
    """Ours first, then the peers."""
    return {
        "ours, archive": ours("archive"),
        "ours, blobs": ours("blobs"),
        GIT: shell(GIT, _GIT),
        CURL: shell(CURL, _CURL),
    }


def ours(transport: str) -> Road:
    """`harvest run` of all of them, search and details included, into shards."""

    def road(served: Served, mirrors: Mirrors, out: Path) -> Measured:
        recipe = out / "recipe.toml"
        recipe.write_text(
            f'run = "{out / "run"}"\n[harvest]\napi_url = "{served.url}"\nlanguage = "off"\n'
            f'git_url = "{served.git_url}"\n'
            f'transport = "{transport}"\nconcurrency = {CONNECTIONS}\nkeep_license_files = false\n'
            "each_blob_once = false\nmax_file_bytes = 100_000_000\n",
            encoding="utf-8",
        )
        command = [sys.executable, "-m", "pycodegpt", "harvest", "run", "--recipe", str(recipe)]
        usage = run_measured(command, env={"GITHUB_TOKEN": "any"})
        paths = [path for shard in list_shards(out / "run" / "raw")
                 for path in read_rows(shard, columns=["path"])["path"].to_pylist()]  # fmt: skip
        return Measured(f"ours, {transport}", usage, served.wire(), _count(mirrors, len(paths)))

    return road


def shell(tool: str, one: str) -> Road:
    """A command for each repository, as many at once as we are allowed."""

    def road(served: Served, mirrors: Mirrors, out: Path) -> Measured:
        names = out / "names.txt"
        names.write_text("".join(f"{name}\n" for name in mirrors.names), encoding="utf-8")
        each = one.format(
            url=served.url, git_url=served.git_url, out=shlex.quote(str(out / "files"))
        )
        loop = f"xargs -P {CONNECTIONS} -n 1 bash -c {shlex.quote(each)} _ < {names}"
        usage = run_measured(["bash", "-c", loop])
        files = sum(1 for path in (out / "files").rglob("*.py") if path.is_file())
        return Measured(tool, usage, served.wire(), _count(mirrors, files))

    return road


def _count(mirrors: Mirrors, files: int) -> int:
    """Tools that bring something else can't be compared."""
    if files != mirrors.python_files:
        raise ValueError(f"{files} Python files where {mirrors.python_files} were served")
    return files


def claims(best: Mapping[str, Measured], mirrors: Mirrors) -> list[Claim]:
    """Each of our transports beside each peer."""
    found = []
    for name in ("ours, archive", "ours, blobs"):
        mine = best[name]
        found.append(
            Claim(f"throughput, {name}: wire bytes a raw .py byte",
                  round(mine.wire.total / mirrors.python_bytes, 3), None, None, "lower")
        )  # fmt: skip
        for peer in (GIT, CURL):
            other = best[peer]
            found += [
                Claim(f"throughput, {name}: bytes on the wire, times fewer than {peer}",
                      ratio(mine.wire.total, other.wire.total), None, peer, "higher"),
                Claim(f"throughput, {name}: CPU-seconds, times fewer than {peer}",
                      ratio(mine.usage.cpu_s, other.usage.cpu_s), None, peer, "higher"),
                Claim(f"throughput, {name}: wall, times shorter than {peer}",
                      ratio(mine.usage.wall_s, other.usage.wall_s), None, peer, "higher"),
            ]  # fmt: skip
    return found


def _line(one: Measured) -> str:
    return (f"{one.tool:<20} {one.usage.cpu_s:>6.1f} CPU s {one.usage.wall_s:>6.1f} s by the clock "
            f"{one.wire.total / 1e6:>7.1f} MB on the wire, {one.wire.connections} connections, "
            f"peak {one.usage.peak_bytes / 1e6:.0f} MB")  # fmt: skip
