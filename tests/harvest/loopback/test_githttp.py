"""What a real git client makes of the server, and what it says to others."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from harvest.loopback.catalog import git_catalog, memory_catalog
from harvest.loopback.faults import Drop, Fault, Gone, NoFilter, OldProtocol
from harvest.loopback.server import Loopback, serve_in_thread

V2 = {"Git-Protocol": "version=2"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    where = tmp_path / "mirrors" / "ada" / "engine.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", where], check=True)
    script = (
        b"commit refs/heads/main\ncommitter A <a@b> 1577836800 +0000\ndata 1\nx\n"
        b"M 100644 inline a.py\ndata 6\nx = 1\n\nM 100644 inline b.txt\ndata 2\nhi\n"
    )
    git = ["git", "-C", str(where), "fast-import", "--quiet"]
    subprocess.run(git, input=script, check=True)
    facts = '{"ada/engine": {"former_names": ["ada/old"]}}'
    (tmp_path / "mirrors" / "loopback.json").write_text(facts)
    return tmp_path / "mirrors"


@pytest.fixture
def server(folder: Path) -> Iterator[Loopback]:
    with serve_in_thread(git_catalog(folder), limits=None) as github:
        yield github


def clone(url: str, where: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "clone", "-q", *options, url, str(where)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("version", ["0", "1", "2"])
@pytest.mark.parametrize("name", ["ada/engine.git", "ada/engine", "ada/old.git"])
def test_git_clones_from_it(server: Any, tmp_path: Path, name: str, version: str) -> None:
    where = tmp_path / "clone"
    command = ["git", "-c", f"protocol.version={version}", "clone", "-q", "--depth=1"]
    subprocess.run([*command, f"{server.url}/{name}", where], check=True)
    assert (where / "a.py").read_bytes() == b"x = 1\n"


def test_git_fetches_without_blobs(server: Any, tmp_path: Path) -> None:
    where = tmp_path / "clone"
    done = clone(f"{server.url}/ada/engine.git", where, "--bare", "--filter=blob:none")
    assert done.returncode == 0, done.stderr
    listed = ["git", "-C", str(where), "rev-list", "--objects", "--missing=print", "main"]
    told = subprocess.run(listed, capture_output=True, text=True, check=True).stdout
    assert sum(line.startswith("?") for line in told.splitlines()) == 2


def test_a_server_that_filters_nothing_says_so(server: Any) -> None:
    path = f"{server.url}/ada/engine.git/info/refs?service=git-upload-pack"
    assert b"filter" in requests.get(path, headers=V2, timeout=9).content
    server.set_faults(Fault(action=NoFilter(), route="git"))
    told = requests.get(path, headers=V2, timeout=9).content
    assert b"filter" not in told and b"version 2" in told
    server.set_faults(Fault(action=OldProtocol(), route="git"))
    assert b"version 2" not in requests.get(path, headers=V2, timeout=9).content


def test_what_is_not_there(server: Any, tmp_path: Path) -> None:
    path = "info/refs?service=git-upload-pack"
    assert requests.get(f"{server.url}/ada/none.git/{path}", timeout=9).status_code == 404
    pushing = f"{server.url}/ada/engine.git/info/refs?service=git-receive-pack"
    assert requests.get(pushing, timeout=9).status_code == 403
    assert clone(f"{server.url}/ada/none.git", tmp_path / "none").returncode
    with serve_in_thread(memory_catalog({"a/b": {"c.py": b""}}), limits=None) as memory:
        assert requests.get(f"{memory.url}/a/b.git/{path}", timeout=9).status_code == 404
        assert memory.requests["git", 404] == 1


def test_faults_strike_by_repository(server: Any, tmp_path: Path) -> None:
    url = f"{server.url}/ada/engine.git"
    server.set_faults(Fault(action=Gone(), route="git", repository="ada/engine", count=1))
    assert "not found" in clone(url, tmp_path / "gone").stderr
    server.set_faults(Fault(action=Drop(), route="git", count=1))
    assert clone(url, tmp_path / "dropped").returncode
    assert server.requests["git", 0] == 1
    assert clone(url, tmp_path / "well").returncode == 0
