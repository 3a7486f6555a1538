import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from corpus.manifest import Manifest, file_entry, write_manifest
from corpus.schema import DOCUMENT, git_blob_id
from corpus.shards import write_shard
from pycodegpt.__main__ import run

GOOD = (
    "def total(numbers):\n    for n in numbers:\n        if n:\n            n += {}\n    return n\n"
)


@pytest.fixture
def recipe(tmp_path):
    """A recipe over three harvested files: two good ones and one that is too short."""
    contents = {"a.py": GOOD.format(1), "b.py": GOOD.format("'two'"), "short.py": "x = 1\n"}
    when = datetime(2024, 1, 1, tzinfo=UTC)
    rows = [
        {
            "repo_id": number,
            "repo": f"owner/repo{number}",
            "commit": f"{number:040x}",
            "path": path,
            "blob_id": git_blob_id(content.encode()),
            "size": len(content),
            "content": content.encode(),
            "stars": number,
            "fork": False,
            "license": "MIT",
            "language_bytes": None,
            "pushed_at": when,
            "fetched_at": when,
            "transport": "archive",
        }
        for number, (path, content) in enumerate(contents.items())
    ]
    raw = tmp_path / "run" / "raw"
    with write_shard(raw / "shard-00000.parquet") as writer:
        writer.write(pa.Table.from_pylist(rows, schema=DOCUMENT))
    entry = file_entry(raw / "shard-00000.parquet", raw, rows=3)
    write_manifest(raw, Manifest(stage="harvest", parameters={}, outputs=(entry,)))
    path = tmp_path / "recipe.toml"
    path.write_text(f'run = "{tmp_path / "run"}"\n[clean.limits]\nworkers = 1\n')
    return path


def clean(*arguments: object) -> int:
    return run(["clean", *map(str, arguments)])


def test_the_commands_in_the_order_of_a_session(recipe, capsys):
    assert clean("run", "-r", recipe, "--workers", 1) == 0
    out = capsys.readouterr().out
    assert "kept 2 of 3 files (66.7%)" in out
    assert "text         made anew: 1 of 1 shard" in out

    assert clean("run", "-r", recipe) == 0
    assert "nothing to do: every stage is current" in capsys.readouterr().out

    assert clean("run", "-r", recipe, "--stage", "dedup", "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["counts"] == {"kept": 2, "few_lines": 1}
    assert [name for name, made in summary["made"].items() if made] == ["dedup", "write"]

    assert clean("explain", "short.py", "-r", recipe) == 0
    out = capsys.readouterr().out
    assert "dropped  few_lines  (min_code_lines: 1; allowed: at least 5)" in out
    assert "also     few_keywords  (min_keywords: 0; allowed: at least 3)" in out

    assert clean("explain", "short.py", "-r", recipe, "--json") == 0
    assert json.loads(capsys.readouterr().out)["failures"][0]["reason"] == "few_lines"

    assert clean("explain", ".py", "-r", recipe) == 0
    assert "3 files match; name one of them:" in capsys.readouterr().out

    assert clean("funnel", "-r", recipe) == 0
    out = capsys.readouterr().out
    assert "min_code_lines" in out
    assert "PyCodeGPT published 60.6M files, 330GB -> 13M (21.5%), 96GB (29.1%)" in out

    assert clean("funnel", "-r", recipe, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["funnel"][0]["files"], result["funnel"][-1]["files"]) == (3, 2)
    assert result["published"]["kept_files"] == 13_000_000

    assert clean("sample", "--reason", "few_lines", "-n", 2, "-r", recipe) == 0
    out = capsys.readouterr().out
    assert "x = 1" in out
    assert "1 of 1 files" in out


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["run", "--stage", "licence"], 2, "no stage 'licence'; did you mean 'license'?"),
        (["funnel"], 1, "clean run"),
        (["explain", "a.py"], 1, "clean run"),
        (["explain", "nowhere"], 2, "no document matches 'nowhere'"),
        (["run", "--set", "clean.rules.min_code_line=3"], 2, "did you mean 'min_code_lines'?"),
        (["run", "--set", "clean.rules.min_printable_rate=98"], 2, "must be at most 1"),
        (["run", "--set", "run=nowhere"], 1, "run the harvest first"),
    ],
)
def test_what_can_not_be_ends_in_one_line(recipe, capsys, arguments, exit_code, message):
    assert clean(*arguments, "-r", recipe) == exit_code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert len(captured.err.strip().splitlines()) == 1


def test_help_names_every_command(capsys):
    assert clean("--help") == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("run", "explain", "funnel", "sample"))
