"""What the loopback server knows of a repository, and what it asks of a catalog."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

# GraphQL's databaseId is a signed 32-bit integer, so every id has to fit one.
_ID_SPACE = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The facts that listings need: they are known without reading any file's content."""

    id: int
    owner: str
    name: str
    created_at: datetime
    pushed_at: datetime
    description: str | None = None
    homepage: str | None = None
    stars: int = 0
    forks: int = 0
    fork: bool = False
    archived: bool = False
    license: str | None = None  # SPDX id, NOASSERTION, or None where there is no licence file
    languages: Mapping[str, int] = field(default_factory=dict)  # name -> bytes, largest first
    size_bytes: int = 0
    default_branch: str = "main"
    empty: bool = False
    owner_is_organization: bool = True
    former_names: tuple[str, ...] = ()  # owner/name before renames

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"

    @property
    def language(self) -> str | None:
        """The primary language: the one with most bytes."""
        return next(iter(self.languages), None)

    @property
    def size_kb(self) -> int:
        """GitHub counts a repository's size in KB."""
        return -(-self.size_bytes // 1024)

    @property
    def node_id(self) -> str:
        """The id that GraphQL's `nodes` takes: `R_` and a packed [0, id], as GitHub makes it."""
        return global_id("R_", self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit as git stores it, less its changes."""

    id: str  # 40 hex digits
    tree_id: str
    parents: tuple[str, ...]
    author: str
    email: str
    date: datetime
    message: str


@dataclass(frozen=True, slots=True)
class TextFile:
    """A licence file: where it lies and what it says."""

    path: str
    content: bytes


class Catalog(Protocol):
    """A set of repositories. Every method but `repositories` may read files and block."""

    def repositories(self) -> Sequence[Repository]:
        """All of them, by rising id."""
        ...

    def commit(self, repository: Repository, ref: str) -> Commit | None:
        """What a branch, tag, `HEAD` or (shortened) commit id stands for; None if nothing."""
        ...

    def tar(self, repository: Repository, commit: Commit, folder: str) -> Iterator[bytes]:
        """The commit's tree as an uncompressed tar whose members lie under `folder`/."""
        ...

    def license_file(self, repository: Repository) -> TextFile | None:
        """The licence file at the root of the default branch."""
        ...


def global_id(prefix: str, number: int) -> str:
    """GitHub's node id: a type prefix and the base64 of the MessagePack array [0, number]."""
    packed = b"\x92\x00\xce" + number.to_bytes(4, "big")
    return prefix + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def stable_number(text: str, space: int) -> int:
    """A number in [0, space) that depends on nothing but `text`."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % space


def assign_ids(full_names: Iterable[str]) -> dict[str, int]:
    """A positive 31-bit id for each name, from its hash; where two meet, the later name moves on.

    Names are taken in sorted order, so that the same set of names always gets the same ids.
    """
    ids: dict[str, int] = {}
    taken: set[int] = set()
    for name in sorted(set(full_names)):
        number = stable_number(f"id:{name.lower()}", _ID_SPACE - 1) + 1
        while number in taken:
            number = number % (_ID_SPACE - 1) + 1
        taken.add(number)
        ids[name] = number
    return ids
