"""The Python packages installed here, and the standard library, as repositories.

Every distribution becomes `installed/<name>`, the standard library `python/cpython`. Files and
licences are the real ones; stars, forks and dates are made up (see `popularity`).
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageMetadata
from pathlib import Path, PurePosixPath

from harvest.loopback.licenses import (
    NOASSERTION,
    is_license_file,
    license_of_metadata,
    license_path,
)
from harvest.loopback.popularity import made_up_popularity
from harvest.loopback.repository import Repository, assign_ids
from harvest.loopback.trees import DiskFile, Files, TreeCatalog, measured

OWNER = "installed"
STANDARD_LIBRARY = "python/cpython"
_COMPILED = re.compile(
    r"\.(so|pyd|dll|dylib|a|lib|o|exe|pyc|pyo|whl|egg)(\.[\d.]+)?$|\.so\.|-nspkg\.pth$"
)
_METADATA_FOLDER = re.compile(r"[^/]+\.(dist|egg)-info/")
_NOT_LIBRARY = frozenset({"__pycache__", "site-packages", "dist-packages", "test", "tests"})


@dataclass(frozen=True, slots=True)
class _Found:
    """A repository to be: its name, its files, and what its metadata says."""

    full_name: str
    files: Files
    description: str | None
    homepage: str | None
    license: str | None


def installed_catalog(
    *,
    paths: Iterable[Path] | None = None,
    standard_library: bool = True,
    library_tests: bool = False,
    max_file_bytes: int = 2_000_000,
) -> TreeCatalog:
    """Serve the distributions found on `paths` (default: where this Python looks for them).

    `library_tests` adds the standard library's own test folders. A file larger than
    `max_file_bytes` is left out unless it is Python; compiled files always are.
    """
    found = list(_distributions(paths, max_file_bytes))
    if standard_library:
        found.append(_standard_library(library_tests, max_file_bytes))
    ids = assign_ids(each.full_name for each in found)
    return TreeCatalog([(_repository(each, ids[each.full_name]), each.files) for each in found])


def _repository(found: _Found, number: int) -> Repository:
    owner, name = found.full_name.split("/")
    made_up = made_up_popularity(found.full_name)
    plain = Repository(
        id=number,
        owner=owner,
        name=name,
        description=found.description,
        homepage=found.homepage,
        stars=made_up.stars,
        forks=made_up.forks,
        created_at=made_up.created_at,
        pushed_at=made_up.pushed_at,
        license=found.license,
    )
    return measured(plain, found.files)


def _distributions(paths: Iterable[Path] | None, max_bytes: int) -> Iterator[_Found]:
    everywhere = importlib.metadata.distributions()
    chosen = paths and importlib.metadata.distributions(path=[str(path) for path in paths])
    seen: set[str] = set()
    for distribution in chosen or everywhere:
        name = _repository_name(distribution)
        # The first on the path is the one that Python imports.
        if name and name not in seen:
            seen.add(name)
            yield _found(distribution, f"{OWNER}/{name}", max_bytes)


def _repository_name(distribution: Distribution) -> str | None:
    # A half-removed distribution has a folder but no name.
    name = _value(distribution.metadata, "Name") if distribution.metadata else None
    return re.sub(r"[-_.]+", "-", name).lower() if name else None


def _found(distribution: Distribution, full_name: str, max_bytes: int) -> _Found:
    metadata = distribution.metadata
    files = dict(sorted(_distribution_files(distribution, max_bytes).items()))
    legal = license_path(files)
    text = files[legal].read().decode("utf-8", "replace") if legal else None
    return _Found(
        full_name=full_name,
        files=files,
        description=_value(metadata, "Summary"),
        homepage=_value(metadata, "Home-page"),
        license=license_of_metadata(
            _value(metadata, "License-Expression"),
            text,
            metadata.get_all("Classifier") or [],
            _value(metadata, "License"),
        ),
    )


def _value(metadata: PackageMetadata, key: str) -> str | None:
    # Not every Python's metadata has `get`.
    return next(iter(metadata.get_all(key) or ()), None)


def _distribution_files(distribution: Distribution, max_bytes: int) -> dict[str, DiskFile]:
    files: dict[str, DiskFile] = {}
    for recorded in distribution.files or ():
        path = _path_in_repository(recorded.as_posix())
        if path is None or path in files:
            continue
        file = _disk_file(Path(str(distribution.locate_file(recorded))), max_bytes)
        if file is not None:
            files[path] = file
    return _without_clashes(files)


def _path_in_repository(recorded: str) -> str | None:
    """Where a recorded file lies in the repository; None if it doesn't belong there."""
    if recorded.startswith(("/", "../")) or "/../" in recorded or "__pycache__/" in recorded:
        return None
    if not _METADATA_FOLDER.match(recorded):
        return recorded
    _, _, inside = recorded.partition("/")
    # Licence texts go where the repository has them, which is said below `licenses/` (PEP 639);
    # the rest is pip's bookkeeping.
    if is_license_file(PurePosixPath(inside).name):
        return inside.removeprefix("licenses/")
    return "PKG-INFO" if inside == "METADATA" else None


def _disk_file(path: Path, max_bytes: int) -> DiskFile | None:
    if _COMPILED.search(path.name) or path.is_symlink():
        return None
    try:
        size = path.stat().st_size
    except OSError:
        return None  # recorded, but removed since
    readable = path.is_file() and os.access(path, os.R_OK)
    small = size <= max_bytes or path.suffix == ".py"
    return DiskFile(path, size) if readable and small else None


def _without_clashes(files: dict[str, DiskFile]) -> dict[str, DiskFile]:
    """Drop a file whose path is also a folder: no tree can hold both."""
    folders = {
        str(parent) for path in files for parent in PurePosixPath(path).parents if parent.name
    }
    return {path: file for path, file in files.items() if path not in folders}


def _standard_library(tests: bool, max_bytes: int) -> _Found:
    root = Path(sysconfig.get_path("stdlib"))
    skipped = _NOT_LIBRARY - {"test", "tests"} if tests else _NOT_LIBRARY
    files: dict[str, DiskFile] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            each for each in folders if each not in skipped and not each.startswith("config-")
        )
        for name in sorted(names):
            path = Path(folder) / name
            file = _disk_file(path, max_bytes)
            if file is not None:
                files[_library_path(path.relative_to(root).as_posix())] = file
    return _Found(
        full_name=STANDARD_LIBRARY,
        files=dict(sorted(files.items())),
        description="The standard library of the Python that runs this server",
        homepage="https://www.python.org",
        # GitHub does not know the text of Python's own licence.
        license=NOASSERTION,
    )


def _library_path(path: str) -> str:
    return "LICENSE" if path == "LICENSE.txt" else f"Lib/{path}"
