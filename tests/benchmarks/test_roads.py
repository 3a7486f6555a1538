"""Every benchmark walked from end to end, so that none rots: on 120 files, without peers."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.clean import growth
from benchmarks.clean.__main__ import main, run
from benchmarks.clean.commands import rules_off, toml
from benchmarks.clean.growth import exponent
from benchmarks.clean.near import bench_near
from benchmarks.clean.setup import Setup
from clean.rules.recipe import RulesRecipe
from corpus.recipe import read_recipe
from pycodegpt.recipe import Recipe


def test_off_is_off_for_every_rule(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("\n".join(toml({"": {"run": "here"}, "clean.rules": rules_off()})))
    rules = read_recipe(path, Recipe).clean.rules
    for name, default in rules_off().items():
        assert getattr(rules, name) in (None, False, ()), (name, default)
    assert rules != RulesRecipe()


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_exponent_is_the_slope(power: float) -> None:
    sizes = [10, 100, 1000]
    assert exponent(sizes, [3.0 * size**power for size in sizes]) == pytest.approx(power)


def test_near_dedup_alone_is_judged_by_the_truth(setup: Setup) -> None:
    outcome = bench_near(setup)
    (mine,) = outcome.details["near-dedup"]["tools"]
    # File 0 has a near copy and an equal one.
    assert (mine["removed"], mine["no_kept_partner"], mine["missed"]) == (2, 0, 0)
    assert [claim.name for claim in outcome.claims] == ["near-dedup, MB a CPU-second"]


def test_a_command_line_that_names_no_benchmark_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--only", "nothing"])
    assert stopped.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pairs", "signals", "parsers", "filters", "decide"])
def test_each_benchmark_leaves_its_claims(setup: Setup, name: str) -> None:
    assert run(setup, [name]) == 0
    written = json.loads((setup.out / "clean-scaled.json").read_text())
    assert written["machine"]["input"]["digest"] == setup.code.digest
    assert written["claims"]
    assert all(np.isfinite(claim["value"]) for claim in written["claims"])


@pytest.mark.slow
def test_growth_walks_every_stage(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "SIZES", (200_000, 400_000, 800_000))
    outcome = growth.bench_growth(setup)
    assert set(outcome.details["growth"]["stages"]) == set(growth.STAGES)
