"""When a file's evidence grants less than its repository says: a conflict, in one line.

The repository's statement is what GitHub reports; where GitHub names no licence, the licence file
at the root; where there is none, the licence file nearest to the file. Evidence is the file's own
head and the licence file nearest to it. Only less is a conflict: a permissive file in a copyleft
repository is none, and neither is another version of the same kind of licence.
"""

from __future__ import annotations

from clean.signals.license_terms import OTHER, UNKNOWN_WORDS, decisive, is_stated, rank


def find_conflict(
    header: str | None, nearest: str | None, root: str | None, github: str | None
) -> str | None:
    """Which two contradict, all four being SPDX expressions; None if nothing does.

    Few distinct values come out: each names at most two licences, of those that SPDX knows.
    """
    statement = next((each for each in (github, root, nearest) if is_stated(each)), None)
    if statement is None or rank(statement) == OTHER:
        return None
    under = f"in a repository under {decisive(statement)}"
    if header is not None and rank(header) > rank(statement):
        return f"{_named(header, 'header')} {under}"
    if nearest is None or rank(nearest) <= rank(statement):
        return None
    place = "licence file" if nearest == root else "licence file of a folder"
    return f"{_named(nearest, place)} {under}"


def _named(expression: str, place: str) -> str:
    name = decisive(expression)
    return f"{place} of {name}" if name == UNKNOWN_WORDS else f"{name} {place}"
