"""Fingerprinted raw folders without a whole run around them, and what came of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clean.dedup.stage import decide_duplicates
from clean.dedup.update import NearJob, update_near_index
from clean.recipe import DedupRecipe
from clean.rules.verdicts import SCHEMA as VERDICTS
from clean.rules.verdicts import STAGE as VERDICT
from clean.signals.fingerprint import stage as fingerprint
from clean.signals.measure import run_signals
from clean.signals.parameters import SignalParameters
from corpus.engine import Engine
from corpus.events import Report, silent
from corpus.recipe import digest
from corpus.shards import Shard, list_shards, read_rows
from corpus.sidecars import Stamp, sidecar_path, write_sidecar

MEMORY = 128 << 20
# Fewer permutations than by default, and few bands: a fraction of the statements a grouping takes.
RECIPE = DedupRecipe(near=True, permutations=64, bands=12, band_rows=4)
SIGNALS = SignalParameters(permutations=64)

Outcome = tuple[str | None, str | None, float | None]  # reason, the survivor's path, similarity


@dataclass(frozen=True)
class Folder:
    """Raw shards and sidecars, and the steps of deduplication on them."""

    root: Path
    engine: Engine
    recipe: DedupRecipe = RECIPE

    @property
    def sidecars(self) -> Path:
        return self.root / "sidecars"

    @property
    def shards(self) -> list[Shard]:
        return list_shards(self.root / "raw")

    def fingerprint(self, signals: SignalParameters = SIGNALS) -> None:
        run_signals(self.shards, self.sidecars, (fingerprint(signals),), self.engine)

    def index(
        self,
        report: Report = silent,
        *,
        engine: Engine | None = None,
        memory_bytes: int = MEMORY,
        threads: int = 1,
    ) -> int:
        job = NearJob(
            shards=self.shards,
            sidecars=self.sidecars,
            recipe=self.recipe,
            guess_encoding=False,
            engine=engine or self.engine,
            memory_bytes=memory_bytes,
            threads=threads,
        )
        return update_near_index(job, report)

    def judge(self, decisions: Path | None = None, *, out: Sequence[str] = ()) -> None:
        """Verdicts that reject the documents at the paths `out`."""
        for shard in self.shards:
            paths = read_rows(shard, columns=["path"]).column(0).to_pylist()
            reasons = pa.array(["out" if path in out else None for path in paths], pa.string())
            table = pa.table([reasons, reasons, pa.nulls(len(paths), VERDICTS.types[2])], VERDICTS)
            stamp = Stamp(VERDICT, 0, digest(sorted(out)), shard.digest)
            path = sidecar_path(decisions or self.sidecars, VERDICT, shard)
            write_sidecar(path, table, stamp, shard.rows)

    def decide(
        self,
        decisions: Path | None = None,
        *,
        memory_bytes: int = MEMORY,
        threads: int = 1,
        shards: Sequence[Shard] | None = None,
    ) -> int:
        return decide_duplicates(
            shards or self.shards,
            self.sidecars,
            decisions or self.sidecars,
            self.recipe,
            memory_bytes=memory_bytes,
            threads=threads,
        )

    def run(self, *, out: Sequence[str] = ()) -> dict[str, Outcome]:
        """Everything, from raw shards to outcomes."""
        self.fingerprint()
        if self.recipe.near:
            self.index()
        self.judge(out=out)
        self.decide()
        return self.outcomes()

    def outcomes(self, decisions: Path | None = None) -> dict[str, Outcome]:
        """By path, whatever the shards are called and in what order they stand."""
        paths = {
            shard.name: read_rows(shard, columns=["path"]).column(0).to_pylist()
            for shard in self.shards
        }
        found: dict[str, Outcome] = {}
        for name, names in paths.items():
            rows = pq.read_table((decisions or self.sidecars) / "dedup" / name).to_pylist()
            for path, row in zip(names, rows, strict=True):
                survivor = row["survivor_shard"]
                survivor = paths[survivor][row["survivor_row"]] if survivor else None
                found[path] = (row["reason"], survivor, row["similarity"])
        return found

    def files(self, *folders: str) -> dict[str, bytes]:
        """The bytes of all files below some folders of the sidecars."""
        paths = [path for name in folders for path in (self.sidecars / name).rglob("*")]
        return {
            str(path.relative_to(self.sidecars)): path.read_bytes()
            for path in paths
            if path.is_file()
        }


@pytest.fixture
def folder(tmp_path: Path, engine: Engine) -> Folder:
    return Folder(tmp_path, engine)


@pytest.fixture
def family(good_code: Callable[[int], str]) -> Callable[[int], list[dict[str, Any]]]:
    """`family(n)`: a file, two near duplicates of it, a copy of each, from different places."""

    def made(number: int) -> list[dict[str, Any]]:
        code = good_code(number)
        contents = [code, code.replace("result = 0", "result = 1"), code + "\n\nLAST = 1\n"]
        return [
            {
                "content": content,
                "path": f"{number}-{place}-{copy}.py",
                "repo_id": 10 * number + 3 * copy + place,
                "stars": (7 * number + 5 * place + 3 * copy) % 11,
            }
            for place, content in enumerate(contents)
            for copy in range(2)
        ]

    return made


def kept(outcomes: Mapping[str, Outcome]) -> set[str]:
    """The paths of the documents that stay."""
    return {path for path, (reason, _, _) in outcomes.items() if reason is None}
