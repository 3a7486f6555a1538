"""Every file on which a fast parser and `ast` of the running Python disagree.

Two lists: what our `parser = "ruff"` says otherwise than `parser = "ast"` (there should be none,
reasons included), and what ruff's parser alone would say otherwise, which is why ours asks `ast`
about the doubtful.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pyarrow.parquet as pq

from benchmarks.claims import Claim, Outcome
from benchmarks.clean.setup import Setup, ours
from benchmarks.clean.signals import signal_pass
from corpus.files import write_text
from corpus.shards import read_rows

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def bench_parsers(setup: Setup) -> Outcome:
    """Compare verdicts file by file, and leave both lists in `disagreements-VERSION.txt`."""
    verdicts = {parser: list(_verdicts(setup, parser)) for parser in ("ast", "ruff")}
    names = list(_names(setup))
    by_ast, by_ours = verdicts["ast"], verdicts["ruff"]
    folder = setup.folder("alone")
    job = {"raw": str(setup.code.folder), "answer": str(folder / "answer.json")}
    alone = ours("ruff", job)[1]["accepted"]
    differ = [
        _line(name, said, f"ours {_said(other)}")
        for name, said, other in zip(names, by_ast, by_ours, strict=True)
        if said != other
    ]
    raw = [
        _line(name, said, "ruff accepts" if fine else "ruff refuses")
        for name, said, fine in zip(names, by_ast, alone, strict=True)
        if fine is not None and fine != (said is None)
    ]
    path = setup.out / f"disagreements-{VERSION}.txt"
    head = f"# Python {VERSION}, {len(names)} files, digest {setup.code.digest}"
    settings = f'# parser = "ruff" against parser = "ast": {len(differ)}'
    parser = f"# ruff's parser alone against ast: {len(raw)}"
    write_text(path, "\n".join([head, settings, *differ, parser, *raw, ""]))
    peer = f"ast of Python {VERSION}"
    claims = [
        Claim("files on which parser = ruff and ast disagree", len(differ), 0, peer, "lower"),
        Claim("files on which ruff's parser alone and ast disagree", len(raw), None, peer, "lower"),
    ]
    details = {"files": len(names), "ours": differ[:100], "alone": len(raw)}
    text = [f"{len(names)} files; listed in {path}"]
    return Outcome(claims, {"parsers": details}, text)


def _verdicts(setup: Setup, parser: str) -> Iterator[str | None]:
    """The syntax verdict on each file: a reason, or None."""
    root = setup.folder(f"parser-{parser}")
    signal_pass(root, setup.code.folder, {"parser": parser})
    for path in sorted((root / "run" / "sidecars" / "syntax").glob("*.parquet")):
        yield from pq.read_table(path, columns=["syntax_reject"]).column(0).to_pylist()


def _names(setup: Setup) -> Iterator[str]:
    for shard in setup.code.shards:
        table = read_rows(shard, columns=["repo", "path"])
        for repo, path in zip(*(column.to_pylist() for column in table.columns), strict=True):
            yield f"{repo}:{path}"


def _said(reject: str | None) -> str:
    return f"rejects ({reject})" if reject else "accepts"


def _line(name: str, by_ast: str | None, other: str) -> str:
    return f"{name}\tast {_said(by_ast)}\t{other}"
