"""Jinja templates with the few filters that cards need."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def environment() -> Environment:
    """The templates of this package; a value that is missing is an error, not an empty cell."""
    made = Environment(
        loader=PackageLoader("data_cards"),
        undefined=StrictUndefined,
        autoescape=lambda name: bool(name and ".html" in name),
        keep_trailing_newline=True,
    )
    made.filters |= {
        "number": lambda value: f"{value:,}",
        "megabytes": megabytes,
        "share": share,
        "listing": listing,
        "duration": duration,
        "cell": cell,
    }
    return made


def megabytes(size: int) -> str:
    """Bytes as `12.3 MB` or `1.2 GB`."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def share(part: int, whole: int) -> str:
    """`part` of `whole` in percent; nothing of nothing is nothing."""
    return f"{100 * part / whole:.1f}%" if whole else "0.0%"


def listing(counts: Mapping[str, int]) -> str:
    """`kept 12, too_large 3`; names that hold nothing are left out."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count) or "none"


def duration(seconds: float) -> str:
    """Seconds as `2 min 5 s` or `3 h 20 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def cell(value: object) -> str:
    """A value as one cell of a Markdown table."""
    return str(value).replace("|", "\\|").replace("\n", " ")
