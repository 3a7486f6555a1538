"""Which repositories, and which shard each belongs to: decided before anything is fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from corpus.errors import FileError, HarvestError
from corpus.files import named_errors
from harvest.recipe import HarvestRecipe, moment
from harvest.windows import ANY, Window, range_qualifier

_MAX_NUMBER = 1 << 62  # SQLite keeps less than twice that


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A repository as a source lists it; None: the source doesn't say."""

    id: int
    node_id: str
    name: str  # owner/name
    stars: int | None = None
    fork: bool | None = None
    size_kb: int | None = None
    license: str | None = None
    pushed_at: str | None = None  # ISO 8601, UTC
    created_at: str | None = None
    archived: bool | None = None

    def __post_init__(self) -> None:
        for number in (self.id, self.stars or 0, self.size_kb or 0):
            if not 0 <= number < _MAX_NUMBER:
                problem = f"{self.name!r} is said to have the number {number}"
                raise HarvestError(f"{problem}, which GitHub doesn't give; is api_url right?")


@dataclass(frozen=True, slots=True)
class Judged:
    """A repository that was found, and whether its details will be asked for."""

    found: Found
    state: str = "found"  # or opted_out, rejected
    reason: str | None = None


def search_query(recipe: HarvestRecipe) -> str:
    """What the recipe asks of GitHub's repository search, its dates left out."""
    window = whole_window(recipe, 0)
    ranges = [
        range_qualifier("stars", window.min_stars, window.max_stars),
        range_qualifier("size", window.min_size_kb, window.max_size_kb),
    ]
    return " ".join(part for part in (*_fixed_qualifiers(recipe), *ranges) if part)


def fixed_query(recipe: HarvestRecipe) -> str:
    """The qualifiers that every window has; its own ranges come beside them."""
    return " ".join(_fixed_qualifiers(recipe))


def whole_window(recipe: HarvestRecipe, until: int) -> Window:
    """All that the recipe asks for, created up to the second `until`."""
    return Window(
        int(moment("created_from", recipe.created_from).timestamp()),
        until,
        min_stars=recipe.min_stars or 0,
        max_stars=ANY if recipe.max_stars is None else recipe.max_stars,
        min_size_kb=recipe.min_size_kb or 0,
        max_size_kb=ANY if recipe.max_size_kb is None else recipe.max_size_kb,
    )


def _fixed_qualifiers(recipe: HarvestRecipe) -> list[str]:
    parts = [f"language:{_quoted(recipe.language)}"] if recipe.language else []
    # Search leaves forks out unless told, and takes archived ones in.
    parts += ["fork:true"] if recipe.forks else []
    parts += [] if recipe.archived else ["archived:false"]
    if recipe.pushed_after is not None:
        after = moment("pushed_after", recipe.pushed_after)
        parts.append(f"pushed:>={after:%Y-%m-%dT%H:%M:%SZ}")
    return parts


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text


@dataclass(frozen=True, slots=True)
class OptOut:
    """Owners and repositories whose wish is to be left alone; names in lower case."""

    names: frozenset[str] = frozenset()

    def covers(self, name: str) -> bool:
        """Whether `owner/name` or its owner is listed. GitHub's names ignore case."""
        if not self.names:
            return False
        lowered = name.lower()
        return lowered in self.names or lowered.partition("/")[0] in self.names


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A recipe's limits on repositories. None switches a rule off; moments are POSIX seconds."""

    language: str | None = None
    min_python_bytes: int | None = None
    min_stars: int | None = None
    max_stars: int | None = None
    min_size_kb: int | None = None
    max_size_kb: int | None = None
    created_from: float | None = None
    created_until: float | None = None
    pushed_after: float | None = None
    forks: bool = True
    archived: bool = True
    licenses: frozenset[str] | None = None  # SPDX ids in lower case

    def reject_listing(self, found: Found) -> str | None:
        """Why a repository is left out, by what its listing says; None where it doesn't say."""
        if found.fork and not self.forks:
            return "fork"
        if found.archived and not self.archived:
            return "archived"
        return (
            _outside(found.stars, self.min_stars, self.max_stars, "few_stars", "many_stars")
            or _outside(found.size_kb, self.min_size_kb, self.max_size_kb, "small", "large")
            or _outside(
                posix(found.created_at),
                self.created_from,
                self.created_until,
                "created_early",
                "created_late",
            )
            or _outside(posix(found.pushed_at), self.pushed_after, None, "pushed_early", "")
        )

    def reject(
        self, found: Found, languages: Mapping[str, int], *, searched: bool = False
    ) -> str | None:
        """The same once all is known. What was searched for by language has that language."""
        reason = self.reject_listing(found)
        if reason is not None:
            return reason
        if self.licenses is not None and (found.license or "").lower() not in self.licenses:
            return "license"
        if languages.get("Python", 0) < (self.min_python_bytes or 0):
            return "few_python_bytes"
        if self.language is not None and not searched:
            primary = max(languages, key=lambda name: languages[name], default="")
            if primary.lower() != self.language.lower():
                return "language"
        return None

    @property
    def need_details(self) -> bool:
        """Whether a rule may still reject what search has listed."""
        return self.min_python_bytes is not None or self.licenses is not None


def rules_of(recipe: HarvestRecipe, until: int) -> Rules:
    """The recipe's rules; nothing created after the second `until`."""
    pushed, licenses = recipe.pushed_after, recipe.licenses
    return Rules(
        language=recipe.language,
        min_python_bytes=recipe.min_python_bytes,
        min_stars=recipe.min_stars,
        max_stars=recipe.max_stars,
        min_size_kb=recipe.min_size_kb,
        max_size_kb=recipe.max_size_kb,
        created_from=moment("created_from", recipe.created_from).timestamp(),
        created_until=until,
        pushed_after=None if pushed is None else moment("pushed_after", pushed).timestamp(),
        forks=recipe.forks,
        archived=recipe.archived,
        licenses=None if licenses is None else frozenset(each.lower() for each in licenses),
    )


@dataclass(frozen=True, slots=True)
class Judge:
    """What becomes of a repository before it is fetched. A wish to be left alone goes first."""

    rules: Rules
    opt_out: OptOut = OptOut()

    def listed(self, found: Found) -> Judged:
        """By its listing."""
        if self.opt_out.covers(found.name):
            return Judged(found, "opted_out")
        reason = self.rules.reject_listing(found)
        return Judged(found, "rejected", reason) if reason else Judged(found)

    def detailed(
        self, found: Found, languages: Mapping[str, int], *, known_as: str, searched: bool
    ) -> tuple[str, str | None]:
        """State and reason by its details; the wish may have named it by its former name."""
        if self.opt_out.covers(found.name) or self.opt_out.covers(known_as):
            return "opted_out", None
        reason = self.rules.reject(found, languages, searched=searched)
        return ("rejected", reason) if reason else ("eligible", None)


def _outside(
    value: float | None, low: float | None, high: float | None, below: str, above: str
) -> str | None:
    if value is None:
        return None
    if low is not None and value < low:
        return below
    return above if high is not None and value > high else None


def posix(text: str | None) -> float | None:
    """An ISO 8601 moment in seconds since the epoch."""
    return None if text is None else datetime.fromisoformat(text).timestamp()


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


def plan_shards(
    candidates: Sequence[tuple[int, int, int]],
    *,
    limit: int | None = None,
    repositories: int | None,
    max_bytes: int | None,
) -> list[list[int]]:
    """Cut (id, stars, bytes) into shards: the `limit` most starred, of equals the older (lower) id.

    They stand in that order, so that of a blob that several hold, the most starred one's is first.

    A shard ends before it would hold more than `repositories` or `max_bytes`; one repository
    that is larger than that stands alone.
    """
    ranked = sorted(candidates, key=lambda each: (-each[1], each[0]))
    shards: list[list[int]] = []
    room = 0
    for repository, _, size in ranked[:limit]:
        full = not shards or (repositories is not None and len(shards[-1]) >= repositories)
        if full or (max_bytes is not None and size > room):
            shards.append([])
            room = max_bytes or 0
        shards[-1].append(repository)
        room -= size
    return shards
