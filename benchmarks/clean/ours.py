"""Our roads, each as a process of its own: `python -m benchmarks.clean.ours ROAD JOB`.

They call what the commands call, with the rules that a benchmark needs and no others.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from corpus.shards import Shard

Job = dict[str, Any]
MEMORY = 1 << 30  # of the database
WORKER_MODULES = ("clean.signals.measure", "clean.dedup.shingling", "clean.compiled.loaded")


def near(job: Job) -> dict[str, Any]:
    """Fingerprints, the near index and the decision, without rules; saves who stays."""
    from clean.dedup.bands import banding
    from clean.dedup.stage import STAGE, decide_duplicates
    from clean.dedup.update import NearJob, update_near_index
    from clean.recipe import DedupRecipe
    from clean.signals import fingerprint
    from clean.signals.measure import run_signals
    from clean.signals.parameters import SignalParameters
    from corpus.engine.pool import LocalPool
    from corpus.shards import list_shards
    from corpus.sidecars import read_sidecar, sidecar_path

    shards, sidecars = list_shards(Path(job["raw"])), Path(job["sidecars"])
    recipe = DedupRecipe(near=True, min_jaccard=job["min_jaccard"])
    parameters = SignalParameters(
        shingle_tokens=recipe.shingle_tokens, permutations=recipe.permutations
    )
    engine = LocalPool(1, preload=WORKER_MODULES)
    run_signals(shards, sidecars, [fingerprint.stage(parameters)], engine)
    update_near_index(
        NearJob(shards=shards, sidecars=sidecars, recipe=recipe, guess_encoding=False,
                engine=engine, memory_bytes=MEMORY, threads=1)
    )  # fmt: skip
    pass_all(shards, sidecars)
    decide_duplicates(shards, sidecars, sidecars, recipe, memory_bytes=MEMORY, threads=1)
    kept = [
        read_sidecar(sidecar_path(sidecars, STAGE, shard), shard, ["reason"])["reason"].is_null()
        for shard in shards
    ]
    np.save(job["kept"], np.concatenate([one.to_numpy() for one in kept]))
    bands, rows = banding(recipe)
    return {"settings": f"{bands} bands x {rows} rows, each edge verified by exact Jaccard"}


def parse_alone(job: Job) -> dict[str, Any]:
    """CPU-seconds inside `ast.parse`, each tree dropped at once."""
    import ast
    import gc
    import warnings

    from corpus.shards import iter_row_groups, list_shards

    warnings.simplefilter("ignore")
    if not job["collecting"]:
        gc.disable()
    seconds, parsed = 0.0, 0
    for shard in list_shards(Path(job["raw"])):
        for table in iter_row_groups(shard, ["content"]):
            for value in table.column(0):
                content = value.as_py()
                started = time.process_time()
                # Whatever it says of a file, it took its time.
                with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
                    ast.parse(content)
                    parsed += 1
                seconds += time.process_time() - started
    return {"seconds": seconds, "parsed": parsed}


def ruff_alone(job: Job) -> dict[str, Any]:
    """Which files ruff's parser accepts, nothing else asked; null where a file is no text."""
    from ruff_format import is_valid_syntax

    from clean.signals.decode import decode
    from corpus.shards import iter_row_groups, list_shards

    accepted: list[bool | None] = []
    for shard in list_shards(Path(job["raw"])):
        for table in iter_row_groups(shard, ["content"]):
            for value in table.column(0):
                text = decode(value.as_py()).text
                accepted.append(None if text is None else is_valid_syntax(text))
    return {"accepted": accepted}


def warm_up(job: Job) -> dict[str, Any]:
    """Compile the kernels, which every installation does once and keeps."""
    import clean.dedup.update
    import clean.signals.stages  # noqa: F401 - warm() takes the kernels of imported modules
    from clean.compiled.warm import warm

    started = time.process_time()
    warm()
    return {"seconds": time.process_time() - started}


def pass_all(shards: Sequence[Shard], sidecars: Path) -> None:
    """Verdicts that drop nothing, as no rule would give: dedup asks for verdicts."""
    import pyarrow as pa

    from clean.rules.verdicts import SCHEMA, STAGE, VERSION
    from corpus.sidecars import Stamp, sidecar_path, write_sidecar

    for shard in shards:
        nothing = [pa.nulls(shard.rows, kind) for kind in SCHEMA.types[:-1]]
        failed = pa.array([[]] * shard.rows, SCHEMA.types[-1])
        table = pa.table([*nothing, failed], schema=SCHEMA)
        stamp = Stamp(STAGE, VERSION, "no rules", shard.digest)
        write_sidecar(sidecar_path(sidecars, STAGE, shard), table, stamp, shard.rows)


ROADS: dict[str, Callable[[Job], dict[str, Any]]] = {
    "near": near,
    "ast": parse_alone,
    "ruff": ruff_alone,
    "warm": warm_up,
}


def main() -> None:
    """Walk the road, and leave its answer where the benchmark looks for it."""
    road, job = sys.argv[1], json.loads(sys.argv[2])
    answer = ROADS[road](job)
    Path(job["answer"]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
