"""Two harvests of 1.2 million repositories on a virtual clock: by search, and by id."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from benchmarks.claims import Claim, Outcome
from benchmarks.harvest.simulator.run import Simulated, simulate
from benchmarks.harvest.simulator.world import EMPTY, WITH_PYTHON, World, make_world
from benchmarks.target import Place
from harvest.recipe import HarvestRecipe

REPOSITORIES = 1_200_000  # with any Python
_SEED = 20_260_901
_CONCURRENCY = 50
_LEAST = 2_000  # so that even a small world has windows to split


def bench_simulator(place: Place) -> Outcome:
    """Requests, hours, coverage and penalties, and how near `harvest plan` came."""
    started, began = time.process_time(), time.monotonic()
    listed = round(REPOSITORIES / (WITH_PYTHON * (1 - EMPTY)))
    world = make_world(max(_LEAST, place.scaled(listed)), _SEED)
    harvests = {}
    for name, recipe in recipes(world).items():
        place.say(f"  {len(world):,} repositories, {name}")
        harvests[name] = simulate(world, recipe, place.folder(name), seed=_SEED)
    own_minutes = (time.process_time() - started) / 60
    outcome = Outcome(claims=list(_claims(harvests, own_minutes)))
    outcome.details["simulator"] = {
        "repositories": len(world),
        "with Python": int((world.python > 0).sum()),
        "CPU minutes": round(own_minutes, 2),
        "minutes": round((time.monotonic() - began) / 60, 2),
    }
    for name, each in harvests.items():
        outcome.details[f"simulator {name}"] = details(each)
        outcome.text += [f"{name}:", *(f"  {line}" for line in lines(each))]
    return outcome


def recipes(world: World) -> dict[str, HarvestRecipe]:
    """By search: primary language Python, no forks. By id: any Python, as PyCodeGPT did."""
    both = {"concurrency": _CONCURRENCY, "created_until": "2026-09-01"}
    by_id = {
        "sources": ("ids",), "ids_until": int(world.ids[-1]), "language": None,
        "min_python_bytes": 1, "forks": True,
    }  # fmt: skip
    return {
        "by search": HarvestRecipe(**both),  # type: ignore[arg-type]
        "by id": HarvestRecipe(**both, **by_id),  # type: ignore[arg-type]
    }


def _claims(harvests: Mapping[str, Simulated], own_minutes: float) -> list[Claim]:
    claims = [Claim("simulator: CPU minutes of its own", round(own_minutes, 3), 10, None, "lower")]
    for name, each in harvests.items():
        head = f"simulator {name}"
        claims += [
            Claim(f"{head}: share of what can be found", each.coverage.share, 1, None, "higher"),
            Claim(f"{head}: sent inside a penalty", each.tally.in_penalty, 0, None, "lower"),
            Claim(f"{head}: refused for limits", each.tally.limited, 0, None, "lower"),
            Claim(f"{head}: virtual hours", round(each.seconds / 3600, 3), None, None, "lower"),
            Claim(f"{head}: hours told by plan, off by", _off(each), 0.1, None, "lower"),
        ]
        if each.bound:
            used = round(each.budget_used, 4)
            claims.append(Claim(f"{head}: share of the budget used", used, 0.95, None, "higher"))
    return claims


def _off(each: Simulated) -> float:
    return round(abs(each.forecast.hours * 3600 / each.seconds - 1), 4)


def details(each: Simulated) -> dict[str, Any]:
    """All figures of one harvest."""
    return {
        "coverage": {
            name: getattr(each.coverage, name) for name in each.coverage.__dataclass_fields__
        },
        "answers": {
            f"{resource} {status}": number
            for (resource, status), number in sorted(each.tally.answers.items())
        },
        "fetch requests": dict(each.traffic.requests),
        "wire GB": round(each.traffic.wire_bytes / 1e9, 3),
        "Python GB of all": round(each.traffic.python_bytes / 1e9, 3),
        "archives": each.traffic.archives,
        "penalties": each.tally.penalties,
        "hours of all": round(each.seconds / 3600, 3),
        "hours": {kind: round(span.seconds / 3600, 3) for kind, span in each.spans.items()},
        "requests": {kind: span.requests for kind, span in each.spans.items()},
        "waits announced": each.waits,
        "windows": dict(each.windows),
        "forecast": each.forecast.as_json(),
        "own seconds": round(each.own_seconds, 1),
    }


def lines(each: Simulated) -> list[str]:
    """Forecast beside what was taken."""
    told = {step.name: step for step in each.forecast.steps}
    kinds = {"search": "search", "ids": "ids", "graphql": "details"}
    shown = [f"{'':<10} {'requests':>10} {'told':>10} {'hours':>8} {'told':>8}"]
    for kind, step in kinds.items():
        if kind in each.spans and step in told:
            span = each.spans[kind]
            shown.append(
                f"{step:<10} {span.requests:>10,} {sum(told[step].requests.values()):>10,} "
                f"{span.seconds / 3600:>8.2f} {told[step].seconds / 3600:>8.2f}"
            )
    fetch = told["fetch"]
    shown.append(
        f"{'fetch':<10} {sum(each.traffic.requests.values()):>10,} "
        f"{sum(fetch.requests.values()):>10,} "
        f"{each.fetch_seconds / 3600:>8.2f} "
        f"{fetch.seconds / 3600:>8.2f}"
    )
    shown.append(
        f"wire {each.traffic.wire_bytes / 1e9:,.1f} GB, told {each.forecast.wire_bytes / 1e9:,.1f}"
    )
    return shown
