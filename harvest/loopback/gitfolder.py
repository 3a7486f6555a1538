"""A folder of git repositories as a catalog, read with the `git` command.

Found are `name.git` and `owner/name.git`, bare or not, with or without the suffix; a repository
without an owner gets `local`. Commits, dates, sizes, languages and licences are real. What git
does not know (stars, forks, former names) may be told in `loopback.json` in the folder:

    {"owner/name": {"stars": 120, "license": "MIT", "former_names": ["owner/old"]}}
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from corpus.errors import FileError, UsageError
from harvest.loopback.languages import language_bytes
from harvest.loopback.licenses import license_of_text, license_path
from harvest.loopback.repository import Commit, Repository, TextFile, assign_ids

FACTS_FILE = "loopback.json"
_OWNER = "local"
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_REF = re.compile(r"[A-Za-z0-9_][\w./+-]*")
# Archives hold what the commit holds: no line ends changed, no large files fetched.
_SETTINGS = (
    *("-c", "core.autocrlf=false"),
    *("-c", "filter.lfs.smudge="),
    *("-c", "filter.lfs.process="),
    *("-c", "filter.lfs.required=false"),
)
_COMMIT_FORMAT = "%H%x00%T%x00%P%x00%an%x00%ae%x00%cI%x00%B"
_PIECE_BYTES = 1 << 16
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_FACT_TYPES: dict[str, type] = {
    "stars": int,
    "forks": int,
    "fork": bool,
    "archived": bool,
    "license": str,
    "description": str,
    "homepage": str,
    "owner_is_organization": bool,
}


class GitCatalog:
    """Git repositories in one folder. `skipped` says which could not be read, and why."""

    def __init__(
        self, repositories: Sequence[tuple[Repository, Path]], skipped: Mapping[Path, str]
    ) -> None:
        self._repositories = sorted((each for each, _ in repositories), key=lambda each: each.id)
        self._folders = {each.id: folder for each, folder in repositories}
        self.skipped = dict(skipped)

    def repositories(self) -> Sequence[Repository]:
        """All that could be read, by rising id."""
        return self._repositories

    def folder(self, repository: Repository) -> Path:
        """Where it lies."""
        return self._folders[repository.id]

    def commit(self, repository: Repository, ref: str) -> Commit | None:
        """What git itself says that `ref` stands for. Raises FileError."""
        return _commit(self._folders[repository.id], ref)

    def tar(self, repository: Repository, commit: Commit, folder: str) -> Iterator[bytes]:
        """`git archive`, as it comes. Raises FileError while it runs."""
        prefix = f"--prefix={folder}/"
        where = self._folders[repository.id]
        return _streamed(where, "archive", "--format=tar", prefix, commit.id)

    def license_file(self, repository: Repository) -> TextFile | None:
        """The licence file at the root of HEAD. Raises FileError."""
        where = self._folders[repository.id]
        return None if repository.empty else _license_file(where, _root_files(where))


def git_catalog(folder: Path) -> GitCatalog:
    """Serve the git repositories in `folder`. Raises FileError or UsageError."""
    if not folder.is_dir():
        raise FileError(folder, "is not a folder; name one that holds bare git repositories")
    facts = _read_facts(folder / FACTS_FILE)
    found = dict(_find(folder))
    if not found:
        raise FileError(folder, "holds no git repository (looked for name.git, owner/name.git)")
    unknown = sorted(set(facts) - set(found))
    if unknown:
        raise FileError(folder / FACTS_FILE, f"{unknown[0]}: no such repository in this folder")
    ids = assign_ids(found)
    skipped: dict[Path, str] = {}
    read = []
    with ThreadPoolExecutor(4) as pool:
        futures = {name: pool.submit(_read, name, ids[name], found[name]) for name in found}
    for name, future in futures.items():
        try:
            read.append((replace(future.result(), **facts.get(name, {})), found[name]))
        except FileError as error:
            skipped[found[name]] = error.problem
    return GitCatalog(read, skipped)


def _find(folder: Path) -> Iterator[tuple[str, Path]]:
    """(owner/name, git folder) of what lies in `folder`, one or two levels down."""
    for path in _folders(folder):
        if git := _git_folder(path):
            yield f"{_OWNER}/{path.name.removesuffix('.git')}", git
        elif _NAME.fullmatch(path.name):
            for below in _folders(path):
                if git := _git_folder(below):
                    yield f"{path.name}/{below.name.removesuffix('.git')}", git


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        raise FileError(folder, error.strerror or str(error)) from error


def _git_folder(path: Path) -> Path | None:
    for candidate in (path, path / ".git"):
        if (candidate / "HEAD").is_file() and (candidate / "objects").is_dir():
            return candidate
    return None


def _read(full_name: str, number: int, where: Path) -> Repository:
    """Everything that listings need. Raises FileError if git can't read the repository."""
    owner, name = full_name.split("/")
    if not _NAME.fullmatch(name):
        raise FileError(where, "its name has characters that GitHub does not allow")
    branch = _git(where, "symbolic-ref", "--short", "-q", "HEAD", missing=b"HEAD").decode().strip()
    plain = Repository(
        id=number,
        owner=owner,
        name=name,
        created_at=_NEVER,
        pushed_at=_NEVER,
        default_branch=branch,
        empty=True,
    )
    head = _commit(where, "HEAD")
    return plain if head is None else _measured(plain, where, head)


def _measured(plain: Repository, where: Path, head: Commit) -> Repository:
    roots = _git(where, "log", "--max-parents=0", "--format=%ct", head.id).split()
    sizes = _sizes(where, head.id)
    legal = _license_file(where, _root_files(where))
    return replace(
        plain,
        empty=False,
        created_at=min(datetime.fromtimestamp(int(each), UTC) for each in roots),
        pushed_at=head.date,
        languages=language_bytes(sizes.items()),
        size_bytes=sum(sizes.values()),
        license=license_of_text(legal.content.decode("utf-8", "replace")) if legal else None,
    )


def _commit(where: Path, ref: str) -> Commit | None:
    if not _REF.fullmatch(ref):
        return None
    found = _git(where, "rev-parse", "-q", "--verify", f"{ref}^{{commit}}", missing=b"")
    if not found:
        return None
    shown = _git(where, "log", "-1", f"--format={_COMMIT_FORMAT}", found.decode().strip())
    fields = shown.decode("utf-8", "replace").split("\0", 6)
    commit_id, tree, parents, author, email, date, message = fields
    return Commit(
        id=commit_id,
        tree_id=tree,
        parents=tuple(parents.split()),
        author=author,
        email=email,
        date=datetime.fromisoformat(date).astimezone(UTC),
        message=message.strip(),
    )


def _sizes(where: Path, commit_id: str) -> dict[str, int]:
    """Bytes by path of the files of a commit; links and submodules are none."""
    listed = _git(where, "ls-tree", "-r", "-l", "-z", commit_id)
    sizes = {}
    for entry in filter(None, listed.split(b"\0")):
        about, _, path = entry.partition(b"\t")
        mode, _, blob, size = about.split()
        if not size.isdigit() and mode.startswith(b"100"):
            raise FileError(where, f"blob {blob.decode()} is missing, as in a partial clone")
        if mode.startswith(b"100"):
            sizes[path.decode("utf-8", "surrogateescape")] = int(size)
    return sizes


def _root_files(where: Path) -> list[str]:
    entries = _git(where, "ls-tree", "-z", "HEAD").split(b"\0")  # MODE TYPE ID\tNAME
    names = [name for kind, _, name in (entry.partition(b"\t") for entry in entries)
             if b" blob " in kind]  # fmt: skip
    return [name.decode("utf-8", "surrogateescape") for name in names]


def _license_file(where: Path, names: Sequence[str]) -> TextFile | None:
    path = license_path(names)
    if path is None:
        return None
    content = _git(where, "cat-file", "blob", f"HEAD:{path}", missing=None)
    return TextFile(path, content)


def _git(where: Path, *arguments: str, missing: bytes | None = None) -> bytes:
    """A git command's output; `missing` where it fails quietly. Raises FileError, UsageError."""
    try:
        done = subprocess.run(
            _command(where, arguments), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise _no_git() from None
    if done.returncode == 0:
        return done.stdout
    if missing is not None and not done.stderr:
        return missing
    raise FileError(where, _complaint(done.stderr))


def _streamed(where: Path, *arguments: str) -> Iterator[bytes]:
    with subprocess.Popen(
        _command(where, arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            while piece := process.stdout.read(_PIECE_BYTES):
                yield piece
            complaint = process.stderr.read()
            if process.wait() != 0:
                raise FileError(where, _complaint(complaint))
        finally:
            process.kill()  # nobody may be left to read the rest


def _command(where: Path, arguments: Sequence[str]) -> list[str]:
    return ["git", f"--git-dir={where}", *_SETTINGS, *arguments]


def _complaint(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return f"git can't read it: {lines[0] if lines else 'no reason given'}"


def _no_git() -> UsageError:
    return UsageError("git is not installed; it is needed to serve a folder of repositories")


def _read_facts(path: Path) -> dict[str, dict[str, Any]]:
    """What the facts file says, checked. Raises FileError naming the repository and the key."""
    if not path.is_file():
        return {}
    try:
        facts = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise FileError(path, f"can't be read as JSON: {error}") from error
    if not isinstance(facts, dict):
        raise FileError(path, "must be an object with a key for each owner/name")
    return {name: _checked_facts(path, name, given) for name, given in facts.items()}


def _checked_facts(path: Path, name: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise FileError(path, f"{name}: must be an object")
    checked: dict[str, Any] = {}
    for key, value in given.items():
        if key == "former_names":
            fits = isinstance(value, list) and all(isinstance(each, str) for each in value)
            value = tuple(value) if fits else value
        elif key in _FACT_TYPES:
            # True is an int to Python, but no number of stars.
            fits = type(value) is _FACT_TYPES[key]
        else:
            known = ", ".join((*_FACT_TYPES, "former_names"))
            raise FileError(path, f"{name}: {key}: no such fact; known are {known}")
        if not fits:
            raise FileError(path, f"{name}: {key}: {value!r} is of the wrong type")
        checked[key] = value
    return checked
