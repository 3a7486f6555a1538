"""Repository search: from GitHub's query language to a test for one repository.

Source: GitHub documentation, "Searching for repositories" and "Understanding the search syntax".
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from harvest.loopback.problems import invalid_query, missing_query
from harvest.loopback.repository import Repository

MAX_QUERY_CHARS = 256
MAX_OPERATORS = 5
MAX_RESULTS = 1_000
Test = Callable[[Repository], bool]

_NUMBERS: dict[str, Callable[[Repository], int]] = {
    "stars": lambda each: each.stars,
    "forks": lambda each: each.forks,
    "size": lambda each: each.size_kb,
    "followers": lambda each: 0,
    "topics": lambda each: 0,
    "good-first-issues": lambda each: 0,
    "help-wanted-issues": lambda each: 0,
}
_DATES: dict[str, Callable[[Repository], datetime]] = {
    "created": lambda each: each.created_at,
    "pushed": lambda each: each.pushed_at,
    "updated": lambda each: each.pushed_at,
}
_NAMES: dict[str, Callable[[Repository, str], bool]] = {
    "language": lambda each, value: (each.language or "").lower() == _plain_language(value),
    "license": lambda each, value: _license_key(each) == value.lower(),
    "user": lambda each, value: each.owner.lower() == value.lower(),
    "org": lambda each, value: each.owner.lower() == value.lower(),
    "repo": lambda each, value: each.full_name.lower() == value.lower(),
    "is": lambda each, value: value.lower() == "public",
    "topic": lambda each, value: False,
    "mirror": lambda each, value: value.lower() == "false",
    "template": lambda each, value: value.lower() == "false",
    "archived": lambda each, value: each.archived == (value.lower() == "true"),
    "fork": lambda each, value: each.fork if value.lower() == "only" else True,
}
_SHORT_LANGUAGES = {"py": "python", "js": "javascript", "ts": "typescript", "cpp": "c++"}
_IN_FIELDS = frozenset({"name", "description", "topics", "readme"})
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}$")


@dataclass(slots=True)
class Query:
    """A query taken apart. Values of one qualifier are alternatives; all else must hold."""

    words: list[str] = field(default_factory=list)
    unwanted: list[Test] = field(default_factory=list)
    wanted: dict[str, list[Test]] = field(default_factory=dict)
    forks: str = "false"

    def matches(self, repository: Repository) -> bool:
        """True if the repository is a result. Forks are left out unless asked for."""
        if repository.fork and self.forks == "false":
            return False
        text = f"{repository.full_name} {repository.description or ''}".lower()
        return (
            all(word in text for word in self.words)
            and all(any(test(repository) for test in tests) for tests in self.wanted.values())
            and not any(test(repository) for test in self.unwanted)
        )


def parse_query(text: str) -> Query:
    """Take a query apart. Raises ProblemError 422 as GitHub does.

    A qualifier that GitHub doesn't know is searched for as text.
    """
    if not text.strip():
        raise missing_query()
    if len(text) > MAX_QUERY_CHARS:
        raise invalid_query(f"The search is longer than {MAX_QUERY_CHARS} characters.")
    query = Query()
    terms = _terms(text)
    if sum(term in ("AND", "OR", "NOT") for term in terms) > MAX_OPERATORS:
        raise invalid_query("More than five AND / OR / NOT operators were used.")
    negate = False
    for term in terms:
        if term in ("AND", "OR", "NOT"):
            negate = term == "NOT"
            continue
        _add_term(query, term.removeprefix("-"), negate=negate or term.startswith("-"))
        negate = False
    return query


def ordered(found: Sequence[Repository], sort: str | None, order: str | None) -> list[Repository]:
    """Results in the asked order; without one, most stars first. Ties go by id."""
    by_id = sorted(found, key=lambda each: each.id)
    rising = order == "asc" and sort is not None
    if sort == "updated":
        return sorted(by_id, key=lambda each: each.pushed_at, reverse=not rising)
    if sort == "forks":
        return sorted(by_id, key=lambda each: each.forks, reverse=not rising)
    return sorted(by_id, key=lambda each: each.stars, reverse=not rising)


def _terms(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.commenters, lexer.quotes, lexer.escape = True, "", '"', ""
    try:
        return list(lexer)
    except ValueError:  # an open quotation mark: GitHub takes it as a letter
        return text.replace('"', " ").split()


def _add_term(query: Query, term: str, *, negate: bool) -> None:
    name, colon, value = term.partition(":")
    name = name.lower()
    if colon and name == "in" and set(value.lower().split(",")) <= _IN_FIELDS:
        return
    test = _qualifier(name, value) if colon else None
    if test is None:
        word = term.lower()
        if negate:
            query.unwanted.append(lambda each: word in each.full_name.lower())
        else:
            query.words.append(word)
    elif negate:
        query.unwanted.append(test)
    else:
        query.wanted.setdefault(name, []).append(test)
        if name == "fork":
            query.forks = value.lower()


def _qualifier(name: str, value: str) -> Test | None:
    """A test for one qualifier; None if GitHub has none of that name."""
    if name in _NUMBERS:
        return _number_test(_NUMBERS[name], name, value)
    if name in _DATES:
        return _date_test(_DATES[name], value)
    if name in _NAMES:
        known = _NAMES[name]
        return lambda each: known(each, value)
    return None


def _number_test(read: Callable[[Repository], int], name: str, value: str) -> Test:
    try:
        low, high = _bounds(value, lambda text: (int(text), int(text)), 1)
    except (ValueError, OverflowError):
        raise invalid_query(f'"{value}" is not a number or range for {name}.') from None
    return lambda each: (low is None or read(each) >= low) and (high is None or read(each) <= high)


def _date_test(read: Callable[[Repository], datetime], value: str) -> Test:
    try:
        low, high = _bounds(value, _moments, timedelta(seconds=1))
    except (ValueError, OverflowError):
        raise invalid_query(
            f'"{value}" is not a recognized date/time format. Please provide an ISO 8601 '
            "date/time value, such as YYYY-MM-DD."
        ) from None
    return lambda each: (low is None or read(each) >= low) and (high is None or read(each) <= high)


def _bounds(text, parse, step):  # type: ignore[no-untyped-def]
    """(lowest, highest) of a range, each None if open; `parse` gives a value's first and last."""
    if ".." in text:
        low, _, high = text.partition("..")
        return (
            None if low == "*" else parse(low)[0],
            None if high == "*" else parse(high)[1],
        )
    for sign in (">=", "<=", ">", "<"):
        if text.startswith(sign):
            first, last = parse(text.removeprefix(sign))
            bounds = {">=": (first, None), "<=": (None, last)}
            return bounds.get(sign) or (
                (last + step, None) if sign == ">" else (None, first - step)
            )
    return parse(text)


def _moments(text: str) -> tuple[datetime, datetime]:
    """The first and the last second that a date or time stands for."""
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if _DAY.match(text):
        return moment, moment + timedelta(days=1, seconds=-1)
    return moment, moment


def _plain_language(value: str) -> str:
    lower = value.lower().replace("-", " ")
    return _SHORT_LANGUAGES.get(lower, lower)


def _license_key(repository: Repository) -> str | None:
    if repository.license is None:
        return None
    return "other" if repository.license == "NOASSERTION" else repository.license.lower()
