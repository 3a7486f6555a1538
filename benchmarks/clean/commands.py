"""Our commands as a user runs them, on a run folder and a recipe made for a benchmark."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from benchmarks.processes import Usage, run_measured
from clean.rules.recipe import RulesRecipe

Tables = Mapping[str, Mapping[str, Any]]  # of a recipe: by table, by key


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder of raw shards that lie elsewhere."""

    root: Path

    def recipe(self, name: str, tables: Tables) -> Path:
        """Write a recipe whose rules are all off, but for what `tables` states."""
        path = self.root / f"{name}.toml"
        rules = {**rules_off(), **tables.get("clean.rules", {})}
        merged = {"": {"run": str(self.root)}, **tables, "clean.rules": rules}
        path.write_text("\n".join(toml(merged)) + "\n", encoding="utf-8")
        return path


def open_run(root: Path, raw: Path) -> Run:
    """A fresh run over the raw shards in `raw`."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "raw").symlink_to(raw, target_is_directory=True)
    return Run(root)


def rules_off() -> dict[str, Any]:
    """Every key of `[clean.rules]`, set so that the rule drops nothing."""
    hints = get_type_hints(RulesRecipe)
    return {field.name: _off(hints[field.name]) for field in fields(RulesRecipe)}


def _off(kind: Any) -> Any:
    if NoneType in get_args(kind):
        return "off"
    return {bool: False, float: 0.0}.get(kind, [])  # a share of nothing


def toml(tables: Tables) -> list[str]:
    """Lines of a recipe; JSON's scalars and lists are TOML's."""
    lines = []
    for table, values in tables.items():
        lines += [f"[{table}]"] if table else []
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return lines


def pycodegpt(*arguments: str | Path) -> Usage:
    """`python -m pycodegpt ...`, from start to end. Raises WorkerError if it fails."""
    return run_measured([sys.executable, "-m", "pycodegpt", *arguments])
