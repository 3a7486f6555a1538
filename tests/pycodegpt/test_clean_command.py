import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from corpus.manifest import Manifest, file_entry, write_manifest
from corpus.schema import DOCUMENT, git_blob_id
from corpus.shards import write_shard
from pycodegpt.__main__ import run
from pycodegpt.commands.clean_session import parse_size

_COMMANDS = (*("run", "measure", "decide", "diff", "explain", "funnel", "sample", "takedown"),)
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
    assert "text          made anew: 1 of 1 shard" in out

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
    assert "1 of 1 files with the outcome few_lines" in out


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["run", "--stage", "licence"], 2, "no stage 'licence'; did you mean 'license'?"),
        (["funnel"], 1, "clean run first"),
        (["explain", "a.py"], 1, "clean run first"),
        (["decide"], 1, "clean run first"),
        (["sample", "--reason", "kept"], 1, "clean run first"),
        (["run", "--memory", "4potatoes"], 2, "--memory 4potatoes: not a size; write it like 4GB"),
        (["run", "--memory", "200MB"], 2, "budget of 200MB is too little: the least that works is"),
        (["decide", "--memory", "0"], 2, "--memory 0: must be more than nothing"),
        (["takedown", "owner/repo9"], 2, "no repository 'owner/repo9' in"),
        (["takedown", "nobody"], 2, "'nobody' is neither OWNER/REPO nor"),
        (["run", "--set", "seed=x"], 2, "--set seed=x: must be of type int"),
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


def lines_of(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_other_thresholds_are_decided_and_compared(recipe, capsys, tmp_path):
    assert clean("run", "-r", recipe) == 0
    capsys.readouterr()
    strict = "clean.rules.min_code_lines=6"

    assert clean("diff", recipe, "--set", strict, "--out", tmp_path / "flips.jsonl") == 0
    told = lines_of(capsys.readouterr().out)
    assert told[0].startswith("kept before 2 files")
    assert told[1].startswith("kept after 0 files")
    assert "2 kept -> few_lines" in told
    assert "after few_lines (min_code_lines: 5; allowed: at least 6)" in told
    assert len((tmp_path / "flips.jsonl").read_text().splitlines()) == 2

    assert clean("diff", recipe, "--set", strict, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["counts"]["flips"] == [
        {"before": "kept", "after": "few_lines", "files": 2, "bytes": 180}
    ]
    assert len(result["examples"]) == 2

    other = tmp_path / "other.toml"
    other.write_text(f'extends = "{recipe}"\n[clean.rules]\nmin_code_lines = 1\n')
    assert clean("diff", recipe, other, "-n", 0) == 0
    assert "1 few_lines -> few_keywords" in lines_of(capsys.readouterr().out)

    assert clean("decide", "-r", recipe, "--set", strict) == 0
    told = lines_of(capsys.readouterr().out)
    assert told[0] == "kept 0 of 3 files (0.0%)"
    assert "against the decision before:" in told
    assert told[-1] == "the cleaned corpus is not of this decision yet: `clean run` writes it"

    assert clean("decide", "-r", recipe, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["counts"]["kept"], result["written"]) == (2, True)

    assert clean("funnel", "-r", recipe, "--set", strict, "--json") == 0
    funnel = json.loads(capsys.readouterr().out)["funnel"]
    assert funnel[-1]["files"] == 0

    assert clean("measure", "-r", recipe) == 0
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a second recipe, or change the first one with --set"),
        (["--set", "run=nowhere"], "name a second recipe"),
        (["none.toml"], "none.toml: can't be read"),
        (["--set", "clean.guess_encoding=true"], "shards are not measured"),
        (["--set", "seed=2", "--out", "flips.txt"], "must end in .jsonl or .parquet"),
        (["--set", "clean.dedup.near=true"], "no near index of these shards"),
    ],
)
def test_a_comparison_that_can_not_be_is_one_line(recipe, capsys, arguments, message):
    assert clean("run", "-r", recipe) == 0
    capsys.readouterr()
    assert clean("diff", recipe, *arguments) != 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err.strip().splitlines()[-1]


def test_a_repository_is_taken_down(recipe, capsys):
    assert clean("run", "-r", recipe) == 0
    capsys.readouterr()
    assert clean("takedown", "OWNER/repo0", "-r", recipe, "--dry-run") == 0
    assert "1 file of the raw shards would go, 1 of them" in capsys.readouterr().out
    assert clean("funnel", "-r", recipe, "--json") == 0
    assert json.loads(capsys.readouterr().out)["funnel"][-1]["files"] == 2

    assert clean("takedown", "OWNER/repo0", "-r", recipe, "--reason", "asked") == 0
    out = capsys.readouterr().out
    assert "owner/repo0 (id 0): 1 file of the raw shards went, 1 of them from the" in out
    assert "the cleaned corpus was written again: 1 of 3 files kept" in out
    assert clean("explain", "a.py", "-r", recipe) == 0
    out = capsys.readouterr().out
    assert "dropped  takedown" in out
    assert ": asked" in out

    assert clean("takedown", "0", "-r", recipe, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["takedowns"][0]["taken_down_before"]


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4 * 10**9), ("512MB", 512 * 10**6), ("1.5 GiB", 3 << 29), ("2g", 2 * 10**9), ("7", 7)],
)
def test_sizes(text, size):
    assert parse_size(text) == size


def test_help_names_every_command(capsys):
    assert clean("--help") == 0
    out = capsys.readouterr().out
    assert all(name in out for name in _COMMANDS)
