"""Which repositories, and which shard each belongs to: decided before anything is fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpus.errors import FileError
from corpus.files import named_errors
from harvest.recipe import HarvestRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A repository as search describes it."""

    id: int
    node_id: str
    name: str  # owner/name
    stars: int
    fork: bool
    size_kb: int
    license: str | None
    pushed_at: str | None  # ISO 8601, UTC


def search_query(recipe: HarvestRecipe) -> str:
    """The qualifiers of GitHub's repository search, the window's left out."""
    parts = [f"language:{_quoted(recipe.language)}"] if recipe.language else []
    parts += _range("stars", recipe.min_stars, recipe.max_stars)
    parts += _range("size", recipe.min_size_kb, recipe.max_size_kb)
    # Search leaves forks out unless told, and takes archived ones in.
    parts += ["fork:true"] if recipe.forks else []
    parts += [] if recipe.archived else ["archived:false"]
    return " ".join(parts)


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text


def _range(name: str, low: int | None, high: int | None) -> list[str]:
    if low is None and high is None:
        return []
    if high is None:
        return [f"{name}:>={low}"]
    return [f"{name}:{low or 0}..{high}"]


@dataclass(frozen=True, slots=True)
class OptOut:
    """Owners and repositories whose wish is to be left alone; names in lower case."""

    names: frozenset[str] = frozenset()

    def covers(self, name: str) -> bool:
        """Whether `owner/name` or its owner is listed. GitHub's names ignore case."""
        lowered = name.lower()
        return lowered in self.names or lowered.partition("/")[0] in self.names


def read_opt_out(path: Path | None) -> OptOut:
    """Read a list of OWNER or OWNER/NAME lines; `#` begins a comment. Raises FileError."""
    if path is None:
        return OptOut()
    try:
        with named_errors(path):
            lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise FileError(path, "the opt-out list is not UTF-8 text") from error
    entries = {}
    for number, line in enumerate(lines, start=1):
        entry = line.partition("#")[0].strip().removeprefix("https://github.com/").strip("/")
        if not entry:
            continue
        # A line that is misread is a wish that is ignored: refuse instead.
        if entry.count("/") > 1 or any(c.isspace() for c in entry):
            raise FileError(path, f"line {number}: neither OWNER nor OWNER/NAME: {entry!r}")
        entries[entry.lower()] = number
    return OptOut(frozenset(entries))


def most_starred(found: Iterable[tuple[int, int]], limit: int | None) -> set[int]:
    """The ids of the `limit` most starred among (id, stars); of equals, the older (lower) id."""
    ranked = sorted(found, key=lambda pair: (-pair[1], pair[0]))
    return {repository for repository, _ in ranked[:limit]}


def plan_shards(
    sizes: Sequence[tuple[int, int]], *, repositories: int | None, max_bytes: int | None
) -> list[list[int]]:
    """Cut (id, bytes) pairs into shards, by id, so that the plan follows from the list alone.

    A shard ends before it would hold more than `repositories` or `max_bytes`; one repository
    that is larger than that stands alone.
    """
    shards: list[list[int]] = []
    room = 0
    for repository, size in sorted(sizes):
        full = not shards or (repositories is not None and len(shards[-1]) >= repositories)
        if full or (max_bytes is not None and size > room):
            shards.append([])
            room = max_bytes or 0
        shards[-1].append(repository)
        room -= size
    return shards
