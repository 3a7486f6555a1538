import json
from pathlib import Path

import pytest

from benchmarks.claims import Claim, merge, number, table


@pytest.mark.parametrize(
    ("value", "better", "met"),
    [(10.0, "higher", True), (9.9, "higher", False), (10.0, "lower", True), (10.1, "lower", False)],
)
def test_a_goal_is_met_at_its_own_value(value: float, better: str, met: bool) -> None:
    assert Claim("x", value, 10.0, None, better).met is met  # type: ignore[arg-type]


def test_without_a_goal_nothing_is_met_or_missed() -> None:
    assert Claim("x", 1.0, None, "peer", "higher").met is None


def test_a_second_run_replaces_its_own_claims_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "out" / "clean.json"
    first = [Claim("a", 1.0, None, None, "higher"), Claim("b", 2.0, 3.0, "peer", "lower")]
    assert not merge(path, {"cpu": "x"}, first, {"near": {"n": 1}})
    assert not merge(path, {"cpu": "x"}, [Claim("b", 4.0, 3.0, "peer", "lower")], {"far": {}})
    written = json.loads(path.read_text())
    assert set(written) == {"machine", "claims", "details"}
    assert [(claim["name"], claim["value"]) for claim in written["claims"]] == [
        ("a", 1.0),
        ("b", 4),
    ]
    assert all(
        set(claim) == {"name", "value", "goal", "peer", "better"} for claim in written["claims"]
    )
    assert written["details"] == {"near": {"n": 1}, "far": {}}


def test_figures_of_another_machine_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "clean.json"
    merge(path, {"cpu": "x"}, [Claim("a", 1.0, None, None, "higher")], {})
    assert merge(path, {"cpu": "y"}, [Claim("b", 1.0, None, None, "higher")], {})
    assert [claim["name"] for claim in json.loads(path.read_text())["claims"]] == ["b"]


def test_a_missed_goal_stands_out_in_the_table() -> None:
    (line,) = table([Claim("speed", 2.5, 3.0, "peer 1.0", "higher")])
    assert "MISSED" in line
    assert ">= 3" in line
    assert "peer 1.0" in line


@pytest.mark.parametrize(
    ("value", "shown"), [(3.0, "3"), (0.12341, "0.1234"), (123456.0, "123456")]
)
def test_numbers_are_short(value: float, shown: str) -> None:
    assert number(value) == shown
