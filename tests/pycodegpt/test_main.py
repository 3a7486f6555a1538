import os
import subprocess
import sys
from pathlib import Path

import pytest

from corpus.errors import SidecarError
from pycodegpt import __version__
from pycodegpt.__main__ import run


def test_help_names_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(stage in shown for stage in ("harvest", "clean", "train", "eval", "cards"))


@pytest.mark.parametrize(
    "arguments",
    [["harvst"], ["harvest", "run", "--nope"], ["harvest", "loopback", "--port", "65536"], []],
)
def test_usage_errors_leave_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_recipe_with_a_typo_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text("[harvest]\napi_ulr = 'loopback'\n")
    assert run(["harvest", "run", "--recipe", str(recipe)]) == 2
    error = capsys.readouterr().err
    assert error.strip().count("\n") == 0
    assert "harvest.api_ulr: unknown key; did you mean 'api_url'?" in error


def test_an_error_of_many_lines_is_shown_as_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise SidecarError(Path("s.parquet"), "damaged (bad page\nheader\n); run again")

    monkeypatch.setattr("pycodegpt.session.read_recipe", fail)
    assert run(["clean", "funnel"]) == 1
    assert capsys.readouterr().err == "error: s.parquet: damaged (bad page header ); run again\n"


def test_importing_the_front_door_is_light() -> None:
    """Help must not wait for torch, and eval must run where duckdb is missing."""
    code = "import sys, pycodegpt.cli; print([m for m in ('torch', 'duckdb') if m in sys.modules])"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert shown.stdout.strip() == "[]"


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"pycodegpt {__version__}\n"
