"""What the harvest commands print for people."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pycodegpt.terminal import duration, quantity

if TYPE_CHECKING:
    from harvest.plan import Plan

# The states that say it all; the others are shown with their reasons.
_PLAIN_STATES = ("found", "rejected", "done", "left_out", "gone", "blocked", "empty", "failed")


def plan(planned: Plan) -> str:
    """A line a step, the sum, and what it rests on."""
    lines = [
        f"{planned.repositories:,} repositories to look at, about {planned.to_fetch:,} to fetch",
        *(_step(step.name, step.requests, step.seconds, step.wire_bytes) for step in planned.steps),
        _step("altogether", planned.requests, planned.hours * 3_600, planned.wire_bytes),
        f"  on disk: about {quantity(planned.disk_bytes)}B",
        f"  looked at {_number(planned.asked.looked_at, 'repository')} to say so",
    ]
    return "\n".join([*lines, *(f"  note: {note}" for note in planned.notes)])


def _step(name: str, requests: Mapping[str, int], seconds: float, wire: float) -> str:
    named = ", ".join(f"{number:,} {key}" for key, number in requests.items() if number)
    carried = f", {quantity(wire)}B over the wire" if wire else ""
    return f"  {name}: about {duration(seconds)}, requests: {named or 'none'}{carried}"


def harvested(result: dict[str, Any]) -> str:
    """What a harvest brought, and what it left out and why."""
    counts = result["counts"]
    lines = [
        f"{_number(result['files'], 'Python file')}, {quantity(result['bytes'])}B, and "
        f"{_number(result['license_files'], 'licence file')}, from "
        f"{_number(counts.get('repositories_done', 0), 'repository')} in "
        f"{_number(result['shards'], 'shard')}: {result['raw']}"
    ]
    lines += _without_files(counts, "repositories_", _PLAIN_STATES, "repositories")
    lines += _without_files(counts, "files_", ("kept", "kept_license"), "files left out")
    return "\n".join(lines)


def _number(number: int, noun: str) -> str:
    if number != 1:
        noun = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun}"


def _without_files(
    counts: dict[str, int], prefix: str, usual: tuple[str, ...], title: str
) -> list[str]:
    rest = {
        name.removeprefix(prefix).replace("_", " "): number
        for name, number in counts.items()
        if name.startswith(prefix) and name.removeprefix(prefix) not in usual and number
    }
    listed = ", ".join(f"{number} {name}" for name, number in rest.items())
    return [f"  {title}: {listed}"] if listed else []


def refreshed(result: dict[str, Any]) -> str:
    """What a refresh brought."""
    lines = [
        f"{_number(result['asked'], 'repository')} asked for: {result['changed']} changed, "
        f"{result['ended']} ended; {_number(result['new_shards'], 'new shard')}: {result['raw']}",
        f"  altogether {_number(result['files'], 'Python file')}, {quantity(result['bytes'])}B, in "
        f"{_number(result['shards'], 'shard')}",
    ]
    if result["changed"]:
        lines.append("  clean run drops what is superseded")
    return "\n".join(lines)


def status(result: dict[str, Any]) -> str:
    """How a harvest stands."""
    lines = [result["frontier"], f"  {_standing(result)}"]
    planned = result["shards_planned"]
    if planned is None:
        lines.append("  shards are planned when everything is found and its details are known")
    else:
        lines.append(f"  shards: {result['shards_written']} of {planned} written")
    lines.append(
        f"  Python files kept: {result['files_kept']} ({quantity(result['bytes_kept'])}B), "
        f"licence files: {result['files'].get('kept_license', 0)}"
    )
    lines += _rates(result)
    lines += [f"  {state}: {number}" for state, number in result["repositories"].items()]
    lines += [f"  {reason}: {number}" for reason, number in result["reasons"].items()]
    lines += _coverage(result)
    lines += _limits(result["limits"])
    return "\n".join(lines)


def _standing(result: dict[str, Any]) -> str:
    phase, running = result["phase"], result["running"]
    if phase == "finished":
        times = len(result["refreshes"])
        return f"finished, refreshed {times} times" if times else "finished"
    command = "refresh" if phase.startswith("refresh") else "run"
    return f"{phase}, running" if running else f"{phase}, stopped: harvest {command} goes on"


def _rates(result: dict[str, Any]) -> list[str]:
    rates = result["rates"]
    if rates is None:
        return []
    text = (
        f"  an hour: {quantity(rates['repositories'])} repositories, {quantity(rates['files'])} "
        f"files, {quantity(rates['bytes'])}B (over the last {duration(rates['span_s'])})"
    )
    left = result["left_s"]
    return [text] if left is None else [text, f"  about {duration(left)} left at this rate"]


def _coverage(result: dict[str, Any]) -> list[str]:
    windows = {name: number for name, number in result["windows"].items() if name != "split"}
    shown = {"search windows": windows, **result["parts"]}
    return [
        f"  {name}: {', '.join(f'{number} {state}' for state, number in counted.items())}"
        for name, counted in shown.items()
        if counted
    ]


def _limits(limits: dict[str, Any] | None) -> list[str]:
    if not limits:
        return []
    now = time.time()
    lines = []
    for user, resources in limits["users"].items():
        for resource, one in resources.items():
            when = one["reset"] - now
            until = f"new in {duration(when)}" if when > 0 else "new by now"
            left = f"{one['remaining']} of {one['limit']} left, {until}"
            lines.append(f"  {resource} requests of {user}: {left}")
    return lines
