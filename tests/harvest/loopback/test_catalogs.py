from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from corpus.errors import FileError
from harvest.loopback.catalog import git_catalog, installed_catalog
from harvest.loopback.licenses import license_of_metadata, license_of_text
from harvest.loopback.popularity import made_up_popularity
from harvest.loopback.repository import Repository
from harvest.loopback.server import Loopback
from harvest.loopback.trees import TreeCatalog

Serve = Callable[..., Loopback]
MIT = """Permission is hereby granted, free of charge, to any person obtaining a copy ...
The above copyright notice and this permission notice shall be included in
all copies or substantial portions of the Software."""


def install(site: Path, name: str, files: dict[str, bytes], metadata: str = "") -> None:
    """Lay out a distribution as pip does."""
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    head = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{metadata}"
    files = {**files, f"{info}/METADATA": head.encode()}
    for path, content in files.items():
        target = site / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    (site / info / "RECORD").write_text(record)


def by_name(catalog: TreeCatalog) -> dict[str, Repository]:
    return {each.full_name: each for each in catalog.repositories()}


def paths(catalog: TreeCatalog, known: Repository) -> set[str]:
    return set(catalog._files[known.id])


def test_installed_packages_are_repositories(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(
        site,
        "My_Pkg",
        {
            "my/a.py": b"a = 1\n",
            "my/big.py": b"#" * 3_000,
            "my/big.txt": b"#" * 3_000,
            "my/fast.so": b"\x7fELF",
            "my/lib.so.12": b"\x7fELF",
            "my/__pycache__/a.cpython-311.pyc": b"",
            "../../bin/tool": b"#!",
            "My_Pkg-1.0.dist-info/licenses/LICENSE": MIT.encode(),
            "My_Pkg-1.0.dist-info/licenses/my/vendor/LICENSE": MIT.encode(),
            "My_Pkg-1.0.dist-info/entry_points.txt": b"",
        },
        "Summary: A package\nHome-page: https://example.org\n",
    )
    install(site, "mostly-c", {"m/m.c": b"int x;" * 9, "m/m.py": b"x"}, "License-Expression: ISC\n")
    install(site, "vanished", {})
    (site / "my/gone.py").touch()
    catalog = installed_catalog(paths=[site], standard_library=False, max_file_bytes=2_000)
    known = by_name(catalog)
    assert set(known) == {"installed/my-pkg", "installed/mostly-c", "installed/vanished"}
    package = known["installed/my-pkg"]
    assert paths(catalog, package) == {
        "my/a.py",
        "my/big.py",
        "LICENSE",
        "my/vendor/LICENSE",  # where its sources have it
        "PKG-INFO",
    }
    assert (package.license, package.language) == ("MIT", "Python")
    assert (package.description, package.homepage) == ("A package", "https://example.org")
    assert package.languages == {"Python": 3_006}
    assert known["installed/mostly-c"].language == "C"
    assert known["installed/mostly-c"].license == "ISC"
    assert known["installed/vanished"].license is None
    again = installed_catalog(paths=[site], standard_library=False, max_file_bytes=2_000)
    assert list(again.repositories()) == list(catalog.repositories())
    assert again.commit(package, "HEAD") == catalog.commit(package, "HEAD")
    (site / "my/a.py").write_bytes(b"a = 2\n")
    changed = installed_catalog(paths=[site], standard_library=False, max_file_bytes=2_000)
    assert changed.commit(package, "HEAD") != catalog.commit(package, "HEAD")


def test_of_two_installations_the_one_that_python_imports_is_served(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    install(first, "pkg", {"pkg/a.py": b"first\n"})
    install(second, "PKG", {"pkg/a.py": b"the second\n"})
    (known,) = installed_catalog(paths=[first, second], standard_library=False).repositories()
    assert known.languages == {"Python": 6}


def test_a_file_that_changes_under_a_commit_cuts_the_archive(tmp_path: Path, serve: Serve) -> None:
    install(tmp_path, "pkg", {"pkg/a.py": b"a = 1\n"})
    catalog = installed_catalog(paths=[tmp_path], standard_library=False)
    server = serve(catalog)
    url = f"{server.url}/repos/installed/pkg/tarball"
    assert requests.get(url, timeout=10).status_code == 200
    (tmp_path / "pkg/a.py").write_bytes(b"a = 2\n")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(url, timeout=10)


def test_a_file_that_vanishes_is_named(tmp_path: Path, serve: Serve) -> None:
    install(tmp_path, "pkg", {"pkg/a.py": b"a = 1\n"})
    server = serve(installed_catalog(paths=[tmp_path], standard_library=False))
    (tmp_path / "pkg/a.py").unlink()
    answer = requests.get(f"{server.url}/repos/installed/pkg/commits/HEAD", timeout=10)
    assert answer.status_code == 500
    assert "pkg/a.py" in answer.json()["message"]


def test_the_real_environment(serve: Serve) -> None:
    catalog = installed_catalog()
    known = by_name(catalog)
    python = known["python/cpython"]
    assert python.language == "Python"
    library = paths(catalog, python)
    assert {"Lib/ast.py", "Lib/json/decoder.py"} <= library
    assert not any("site-packages" in path or "__pycache__" in path for path in library)
    assert not any(path.startswith("Lib/test/") for path in library)
    assert known["installed/aiohttp"].languages["Python"] > 100_000
    assert known["installed/pygithub"].license == "LGPL-3.0"
    assert known["installed/requests"].license == "Apache-2.0"
    assert {each.language for each in known.values()} > {"Python"}
    assert sum(each.language == "Python" for each in known.values()) > 40


def test_made_up_facts_are_stable_and_sound() -> None:
    first = made_up_popularity("installed/numpy")
    assert first == made_up_popularity("installed/numpy")
    stars = [made_up_popularity(f"installed/p{number}").stars for number in range(1_000)]
    assert min(stars) >= 1
    assert 550 < sum(each >= 50 for each in stars) < 750
    for number in range(100):
        made = made_up_popularity(f"a/{number}")
        assert made.created_at <= made.pushed_at
        assert made.forks <= made.stars


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MIT, "MIT"),
        ("Apache License\n   Version 2.0, January 2004", "Apache-2.0"),
        ("# Mozilla Public License, version 2.0", "MPL-2.0"),
        ("Redistributions in binary form must reproduce the above copyright", "BSD-2-Clause"),
        (
            "Redistributions in binary form must reproduce the above\ncopyright ... to endorse or "
            "promote products",
            "BSD-3-Clause",
        ),
        (f"{MIT} Apache License Version 2.0", "NOASSERTION"),
        ("PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2", "NOASSERTION"),
        ("All rights reserved", "NOASSERTION"),
        ("", "NOASSERTION"),
    ],
)
def test_licence_texts(text: str, expected: str) -> None:
    assert license_of_text(text) == expected


@pytest.mark.parametrize(
    ("expression", "text", "classifiers", "named", "expected"),
    [
        ("MIT", None, [], None, "MIT"),
        ("mit", None, [], None, "MIT"),
        ("GPL-3.0-or-later", None, [], None, "GPL-3.0"),
        ("MIT AND ISC", MIT, [], None, "NOASSERTION"),
        (None, MIT, ["License :: OSI Approved :: BSD License"], None, "MIT"),
        (None, "what?", ["License :: OSI Approved :: MIT License"], None, "MIT"),
        (None, None, ["License :: OSI Approved :: BSD License"], None, "NOASSERTION"),
        (None, None, [], "Apache 2.0", "Apache-2.0"),
        (None, None, [], "Proprietary", "NOASSERTION"),
        (None, None, ["Topic :: Software"], None, None),
    ],
)
def test_licences_of_distributions(
    expression: str | None,
    text: str | None,
    classifiers: list[str],
    named: str | None,
    expected: str | None,
) -> None:
    assert license_of_metadata(expression, text, classifiers, named) == expected


def git(folder: Path, *arguments: str) -> str:
    settings = [
        "-c",
        "user.name=Ada",
        "-c",
        "user.email=ada@localhost",
        "-c",
        "core.autocrlf=false",
    ]
    command = ["git", "-C", str(folder), *settings, *arguments]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()


@pytest.fixture
def mirrors(tmp_path: Path) -> Path:
    """own/thing.git with two commits and a tag, flat.git, own/empty.git, and a broken one."""
    work, folder = tmp_path / "work", tmp_path / "mirrors"
    work.mkdir()
    (folder / "own").mkdir(parents=True)
    git(work, "init", "-q", "-b", "trunk")
    (work / "a.py").write_bytes(b"x = 1\r\n")
    (work / "LICENSE").write_text(MIT)
    (work / "link.py").symlink_to("a.py")
    git(work, "add", ".")
    git(work, "commit", "-q", "-m", "One")
    git(work, "tag", "v1")
    (work / "b.c").write_bytes(b"int x = 0;\n")
    git(work, "add", ".")
    git(work, "commit", "-q", "-m", "Two\n\nWith a body")
    git(work, "clone", "-q", "--bare", ".", str(folder / "own/thing.git"))
    git(work, "clone", "-q", "--bare", ".", str(folder / "flat.git"))
    git(folder, "init", "-q", "--bare", "own/empty.git")
    (folder / "broken.git/objects").mkdir(parents=True)
    (folder / "broken.git/HEAD").write_text("nonsense")
    facts = {"own/thing": {"stars": 12, "former_names": ["own/old"]}}
    (folder / "loopback.json").write_text(json.dumps(facts))
    return folder


def test_git_folders_are_repositories(mirrors: Path, serve: Serve) -> None:
    catalog = git_catalog(mirrors)
    known = {each.full_name: each for each in catalog.repositories()}
    assert set(known) == {"own/thing", "own/empty", "local/flat"}
    (broken,) = catalog.skipped
    assert broken.name == "broken.git"
    thing = known["own/thing"]
    assert (thing.stars, known["local/flat"].stars) == (12, 0)
    assert (thing.license, thing.default_branch) == ("MIT", "trunk")
    assert thing.languages == {"C": 11, "Python": 7}  # the link is no file
    assert known["own/empty"].empty
    where = mirrors / "own/thing.git"
    head, tag = git(where, "rev-parse", "HEAD"), git(where, "rev-parse", "v1")
    server = serve(catalog)
    body = requests.get(f"{server.url}/repos/own/old/commits/trunk", timeout=10).json()
    assert (body["sha"], body["commit"]["message"]) == (head, "Two\n\nWith a body")
    assert [parent["sha"] for parent in body["parents"]] == [tag]
    for ref in ("v1", tag, tag[:8]):
        body = requests.get(f"{server.url}/repos/own/thing/commits/{ref}", timeout=10).json()
        assert body["sha"] == tag
    archive = requests.get(f"{server.url}/repos/own/thing/tarball/v1", timeout=10)
    assert archive.status_code == 200
    packed = subprocess.run(["gzip", "-dc"], input=archive.content, capture_output=True, check=True)
    prefix = f"--prefix=own-thing-{tag[:7]}/"
    expected = subprocess.run(
        ["git", "-C", str(where), "archive", "--format=tar", prefix, tag],
        capture_output=True,
        check=True,
    )
    assert packed.stdout == expected.stdout
    licence = requests.get(f"{server.url}/repos/local/flat/license", timeout=10).json()
    assert licence["license"]["spdx_id"] == "MIT"
    empty = requests.get(f"{server.url}/repos/own/empty/commits/HEAD", timeout=10)
    assert empty.status_code == 409


@pytest.mark.parametrize(
    "ref", ["--output=x", "v1..trunk", "@{u}", "HEAD:a.py", "nowhere", "v1^{tree}"]
)
def test_refs_are_names_and_not_options(mirrors: Path, ref: str) -> None:
    catalog = git_catalog(mirrors)
    thing = next(each for each in catalog.repositories() if each.name == "thing")
    assert catalog.commit(thing, ref) is None


@pytest.mark.parametrize(
    ("facts", "part"),
    [
        ("{", "can't be read as JSON"),
        ("[]", "must be an object"),
        ('{"own/nothing": {}}', "own/nothing: no such repository"),
        ('{"own/thing": {"star": 1}}', "own/thing: star: no such fact"),
        ('{"own/thing": {"stars": "1"}}', "own/thing: stars: '1' is of the wrong type"),
        ('{"own/thing": {"stars": true}}', "stars: True is of the wrong type"),
        ('{"own/thing": {"former_names": [1]}}', "former_names"),
        ('{"own/thing": 1}', "own/thing: must be an object"),
    ],
)
def test_bad_facts_are_named(mirrors: Path, facts: str, part: str) -> None:
    (mirrors / "loopback.json").write_text(facts)
    with pytest.raises(FileError, match=r"loopback\.json") as caught:
        git_catalog(mirrors)
    assert part in str(caught.value)


def test_folders_without_repositories_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="holds no git repository"):
        git_catalog(tmp_path)
    with pytest.raises(FileError, match="is not a folder"):
        git_catalog(tmp_path / "nowhere")


def test_a_folder_that_is_named_like_a_licence_is_none(
    tmp_path: Path, commit: Callable[..., str]
) -> None:
    commit(tmp_path / "expression.git", {"license_expression/__init__.py": b"1\n"})
    catalog = git_catalog(tmp_path)
    assert [each.license for each in catalog.repositories()] == [None]
    assert not catalog.skipped
