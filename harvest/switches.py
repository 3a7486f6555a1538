"""Faults of the loopback server by name: `archive:truncate`, `search:403:3`, `drop`."""

from __future__ import annotations

from typing import get_args

from corpus.recipe import nearest
from harvest.loopback.faults import (
    Action,
    Blocked,
    Delay,
    Drop,
    Empty,
    Fault,
    Gone,
    Hostile,
    HostileArchive,
    HostilePack,
    HostilePackKind,
    Incomplete,
    NoFilter,
    NotGzip,
    OldProtocol,
    PrimaryLimit,
    Route,
    SecondaryLimit,
    ServerError,
    TakenDown,
    Truncate,
)

ACTIONS: dict[str, Action] = {
    "drop": Drop(),
    "truncate": Truncate(),
    "delay": Delay(wait_s=2.0),
    "limit": PrimaryLimit(status=403, reset_s=5),
    "403": SecondaryLimit(status=403, retry_after_s=None),
    "403-retry-after": SecondaryLimit(status=403, retry_after_s=2),
    "429": SecondaryLimit(status=429, retry_after_s=None),
    "429-retry-after": SecondaryLimit(status=429, retry_after_s=2),
    "500": ServerError(status=500),
    "502": ServerError(status=502),
    "503": ServerError(status=503),
    "504": ServerError(status=504),
    "404": Gone(),
    "409": Empty(),
    "451": TakenDown(),
    "blocked": Blocked(),
    "incomplete": Incomplete(),
    "not-gzip": NotGzip(),
    "no-filter": NoFilter(),
    "old-protocol": OldProtocol(),
    **{kind.replace("_", "-"): HostileArchive(kind) for kind in get_args(Hostile)},
    **{f"pack-{kind.replace('_', '-')}": HostilePack(kind) for kind in get_args(HostilePackKind)},
}


def parse_fault(text: str) -> Fault:
    """`[ROUTE:]NAME[:EVERY]`: strike each EVERY-th request of a route. Raises ValueError."""
    parts = text.split(":")
    every = parts.pop() if len(parts) > 1 and parts[-1].isdigit() and parts[-2] in ACTIONS else "1"
    route, name = parts if len(parts) == 2 else ("*", parts[0])
    if len(parts) > 2 or name not in ACTIONS:
        raise ValueError(f"{text!r}: no such fault; {nearest(name, list(ACTIONS))}")
    for known in get_args(Route):
        if known == route:
            return Fault(action=ACTIONS[name], route=known, every=int(every))
    raise ValueError(f"{text!r}: no such route; {nearest(route, list(get_args(Route)))}")
