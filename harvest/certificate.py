"""What was read of each source, and what was not: the manifest's certificate of coverage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from harvest.frontier import Frontier, Part
from harvest.windows import ANY, Window

WHOLE = ("closed", "found", "opted_out")
MAX_NAMED = 10_000  # of one source; the frontier has the others


def certificate(frontier: Frontier) -> dict[str, Any]:
    """Windows by state, with every one that was not closed; then the parts of other sources.

    Closed windows need no list: every repository that the server counted there was seen.
    `complete` says that nothing at all is known to be missing.
    """
    shown = _windows(frontier)
    for source in ("ids", "gharchive", "list", "earlier"):
        parts = frontier.count_parts(source)
        if parts:
            shown[source] = _parts(frontier, source, parts)
    parts_read = [each for each in shown.values() if isinstance(each, dict) and "parts" in each]
    named = [shown["not_closed"], *(each["not_closed"] for each in parts_read)]
    return {"complete": not any(named), **shown}


def _windows(frontier: Frontier) -> dict[str, Any]:
    windows = sorted(frontier.coverage(), key=lambda pair: pair[0].window)
    return {
        "windows": dict(sorted(Counter(state for _, state in windows).items())),
        "not_closed": [
            {
                **_bounds(reading.window),
                "state": state,
                "total": reading.total,
                "seen": reading.seen_count,
            }
            for reading, state in windows
            if state != "closed"
        ],
    }


def _parts(frontier: Frontier, source: str, counted: Mapping[str, int]) -> dict[str, Any]:
    """A source's parts by state, what came of them together, and those that are not whole."""
    totals: Counter[str] = Counter()
    incomplete: list[dict[str, Any]] = []
    for part in frontier.parts(source):
        totals.update(part.facts)
        if part.state not in WHOLE and len(incomplete) < MAX_NAMED:
            incomplete.append(_named(part))
    shown: dict[str, Any] = {"parts": dict(sorted(counted.items())), **totals}
    return {**shown, "not_closed": incomplete}


def _named(part: Part) -> dict[str, Any]:
    named = {"part": part.key, "state": part.state}
    if part.source == "ids":
        return {**named, "read_to": part.position}
    if part.source == "list":
        return {**named, "line": part.position}
    damaged = part.facts.get("damaged_lines")
    return {**named, "damaged_lines": damaged} if damaged else named


def _bounds(window: Window) -> dict[str, Any]:
    """A window as people read it; ranges of stars and sizes only where it was split by them."""
    bounds: dict[str, Any] = {"from": _iso(window.start), "until": _iso(window.stop)}
    ranges = {
        "stars": (window.min_stars, window.max_stars),
        "size_kb": (window.min_size_kb, window.max_size_kb),
    }
    for name, (low, high) in ranges.items():
        if (low, high) != (0, ANY):
            bounds[name] = [low, None if high == ANY else high]
    return bounds


def _iso(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()
