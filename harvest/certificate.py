"""What was read of each source, and what was not: the manifest's certificate of coverage."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from harvest.frontier import Frontier
from harvest.windows import ANY, Window


def certificate(frontier: Frontier) -> dict[str, Any]:
    """Windows by state, with every one that was not closed; then the parts of other sources.

    Closed windows need no list: every repository that the server counted there was seen.
    """
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
