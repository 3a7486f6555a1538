"""Files that cleaning meets in the wild, each with the verdict that it must get.

First what is measured, then what the presets decide by it, then the worst files.
"""

import codecs
import dataclasses
import datetime
import functools
import gzip
import itertools
import operator
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from clean.edits.rewrite import rewrite
from clean.recipe import CleanRecipe
from clean.rules.verdicts import read_verdicts
from clean.run import run_clean
from clean.signals.decode import decode
from clean.signals.document import Document
from clean.signals.measure import run_signals
from clean.signals.parameters import SignalParameters
from clean.signals.stages import signal_stages
from corpus.engine.pool import Limits, LocalPool
from corpus.layout import RunFolder
from corpus.recipe import build
from corpus.schema import DOCUMENT, git_blob_id
from corpus.shards import Shard, open_shard, write_shard
from corpus.sidecars import read_sidecar, sidecar_path

GPL = """# This program is free software; you can redistribute it and/or modify it
# under the terms of the GNU General Public License, version 2 or later.
"""
SENTENCE = "# Это обычный русский комментарий, каких много.\n"


def signals(content: bytes, *, repo_license: str | None = "MIT", **parameters: Any) -> dict:
    """All signals of one file, as the sidecars would hold them."""
    told = SignalParameters(**parameters)
    decoded = decode(content, guess=told.guess_encoding)
    document = Document(content, decoded, "a/b.py", repo_license)
    row: dict[str, Any] = {}
    for stage in signal_stages(told):
        row.update(dict.fromkeys(stage.schema.names))
        row.update(stage.measure(document))
    return row


def kept_text(content: bytes) -> str:
    text = decode(content).text
    assert text is not None
    return rewrite(text, header=True, junk_comments=True).text


KEPT = {
    "byte order mark": codecs.BOM_UTF8 + b"x = 1\n",
    "latin-1 by cookie": b"# coding: latin-1\nx = '\xe9'\n",
    "gbk by cookie on line 2": b"#!/usr/bin/python\n# -*- coding: gbk -*-\nx = '\xc4\xe3'\n",
    "cookie on line 3 above UTF-8": "\n\n# coding: latin-1\nx = 'é'\n".encode(),
    "cookie below code above UTF-8": "x = 1\n# coding: latin-1\ny = 'é'\n".encode(),
    "CRLF": b"x = 1\r\nif x:\r\n    y = 2\r\n",
    "CR only": b"x = 1\rif x:\r    y = 2\r",
    "mixed line ends": b"x = 1\r\nif x:\n    y = 2\r",
    "form feed": b"x = 1\n\x0c\ny = 2\n",
    "no newline at the end": b"x = 1",
    "tab blocks": b"if x:\n\ty = 1\n\tz = 2\n",
    "print with parentheses": b"print ('x')\n",
    "print by chevron parses on 3": b"print >>f, x\n",
    "return at module level": b"return 1\n",
    "duplicate arguments": b"def f(a, a):\n    pass\n",
    "invalid escape": b"x = '\\d'\n",
    "empty": b"",
    "blank": b" \n\t\n",
    "comments only": b"# a\n# b\n# c\n# d\n# e\n# f\n",
    "bidirectional control": "x = 1  # \u202e }\n".encode(),
    "magic in a string": b"x = '''\n%matplotlib inline\n>>> x\n<<<<<<< HEAD\n'''\n",
}


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    row = signals(KEPT[name])
    assert (row["text_reject"], row["syntax_reject"]) == (None, None)
    assert row["content_digest"] is not None


REJECTED: dict[str, tuple[bytes, str]] = {
    "UTF-16": ("x = 1\n".encode("utf-16"), "binary_or_utf16"),
    "UTF-16 without mark": ("x = 1\n".encode("utf-16-le"), "binary_or_utf16"),
    "cookie on line 3": (b"\n\n# coding: latin-1\nx = '\xe9'\n", "encoding"),
    "cookie below code": (b"x = 1\n# coding: latin-1\ny = '\xe9'\n", "encoding"),
    "unknown cookie": (b"# coding: nonsense\n", "encoding"),
    "rot13 cookie": (b"# coding: rot13\nvzcbeg bf\n", "encoding"),
    "hex cookie": (b"# coding: hex\n", "encoding"),
    "punycode cookie": (b"# coding: punycode\n", "encoding"),
    "unicode_escape cookie": (b"# coding: unicode_escape\n#\\u000aimport os\n", "encoding"),
    "utf-7 cookie": (b"# coding: utf-7\n#+AAo-import os\n", "encoding"),
    "invalid UTF-8": (b"x = '\xff\xfeabc'\n", "encoding"),
    "lone surrogate": (b"x = '\xed\xb0\x80'\n", "encoding"),
    "NUL": (b"x = 1\0\n", "nul"),
    "gzip": (gzip.compress(b"x = 1\n"), "binary"),
    "pyc": (b"\xcb\r\r\n\0\0\0\0" + bytes(8) + b"\xe3", "binary"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_rejected_before_any_parser(name: str) -> None:
    content, reason = REJECTED[name]
    row = signals(content)
    assert row["text_reject"] == reason
    assert row["syntax_reject"] is row["signature"] is row["encoding"] is None


NOT_PYTHON: dict[str, tuple[str, str]] = {
    "NBSP": ("x\u00a0= 1\n", "syntax"),
    "ideographic space": ("x\u3000= 1\n", "syntax"),
    "zero-width space": ("x = 1\u200b\n", "syntax"),
    "tabs and spaces": ("if x:\n        a\n\tb\n", "syntax"),
    "print": ("print 'x'\n", "python2"),
    "exec": ("exec 'x' in y\n", "python2"),
    "backticks": ("x = `y`\n", "python2"),
    "octal": ("x = 0777\n", "python2"),
    "except with comma": ("try:\n    x\nexcept A, e:\n    pass\n", "python2"),
    "unequal": ("x = a <> b\n", "python2"),
    "magic": ("%matplotlib inline\n", "notebook_export"),
    "shell": ("!pip install x\n", "notebook_export"),
    "help": ("x?\n", "notebook_export"),
    "transcript": (">>> x = 1\n>>> x\n1\n", "transcript"),
    "cookiecutter": ("import {{ cookiecutter.x }}\n", "template"),
    "jinja": ("{% if x %}\nimport x\n{% endif %}\n", "template"),
    "conflict": ("<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> b\n", "conflict_marker"),
    "lfs": ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "lfs_pointer"),
    "html": ("<!DOCTYPE html>\n<html><body>404</body></html>\n", "html"),
    "201 brackets": ("[" * 201 + "]" * 201, "too_complex"),
    "105 levels": (
        "".join(" " * i + "if x:\n" for i in range(105)) + " " * 105 + "x\n",
        "too_complex",
    ),
}


@pytest.mark.parametrize("name", NOT_PYTHON)
def test_rejected_by_the_parser(name: str) -> None:
    text, reason = NOT_PYTHON[name]
    row = signals(text.encode())
    assert (row["text_reject"], row["syntax_reject"]) == (None, reason)
    assert row["syntax_detail"]


def test_what_the_corpus_keeps_of_it() -> None:
    assert kept_text(KEPT["byte order mark"]) == "x = 1\n"
    assert kept_text(KEPT["latin-1 by cookie"]) == "# coding: utf-8\nx = 'é'\n"
    assert "coding: utf-8" in kept_text(KEPT["gbk by cookie on line 2"])
    assert kept_text(KEPT["no newline at the end"]) == "x = 1\n"
    for name in ("CRLF", "CR only", "mixed line ends"):
        assert kept_text(KEPT[name]) == "x = 1\nif x:\n    y = 2\n"
    tools = "#!/usr/bin/python\nx = []  # type: list[int]\ny = '# ----'\n'''\n# MIT license\n'''\n"
    assert kept_text(tools.encode()) == tools


def test_line_ends_are_the_same_file() -> None:
    digests = {signals(KEPT[name])["content_digest"] for name in ("CRLF", "CR only")}
    assert len(digests | {signals(KEPT["mixed line ends"])["content_digest"]}) == 1
    assert signals(KEPT["CR only"])["lines"] == 3
    assert signals(KEPT["form feed"])["lines"] == 3


def test_nothing_to_see_is_known_by_its_lines() -> None:
    assert [signals(KEPT[name])["code_lines"] for name in ("empty", "blank", "comments only")] == [
        0,
        0,
        0,
    ]


def test_signals_that_presets_decide_on() -> None:
    assert signals(KEPT["bidirectional control"])["bidi"]
    assert signals(b"# Generated code. DO NOT EDIT!\nx = 1\n")["autogenerated"]
    row = signals(GPL.encode() + b"x = 1\n")
    assert (row["license_category"], row["repo_category"]) == ("copyleft", "permissive")
    assert row["file_license"] == "GPL-2.0-or-later"


def test_guessing_is_flagged() -> None:
    content = (SENTENCE * 4).encode("koi8-r")
    assert signals(content)["text_reject"] == "encoding"
    row = signals(content, guess_encoding=True)
    assert row["text_reject"] is None
    assert row["encoding"].endswith(" (guessed)")


# What the presets decide, end to end. Each row stands on top of a file that passes every rule, so
# that the row alone decides; None is kept. (path, head, pycodegpt, modern)
MODULE = "pkg/{}.py"
GENERATED = b"# Generated by a tool. DO NOT EDIT!\n"
PRESET_ROWS: dict[str, tuple[str, bytes, str | None, str | None]] = {
    "nothing": (MODULE, b"", None, None),
    "byte order mark": (MODULE, codecs.BOM_UTF8, None, None),
    "latin-1 by cookie": (MODULE, b"# coding: latin-1\n# \xe9\n", None, None),
    "unknown cookie": (MODULE, b"# coding: nonsense\n", "encoding", "encoding"),
    "invalid UTF-8": (MODULE, b"x = '\xff'\n", "encoding", "encoding"),
    "NUL": (MODULE, b"x = 1\0\n", "nul", "nul"),
    "gzip": (MODULE, gzip.compress(b"x = 1\n"), "binary", "binary"),
    "CRLF": (MODULE, b"x = 1\r\n", None, None),
    "form feed": (MODULE, b"x = 1\n\x0c\n", None, None),
    "NBSP in code": (MODULE, "x\u00a0= 1\n".encode(), "syntax", "syntax"),
    "bidirectional control": (MODULE, "x = 1  # \u202e\n".encode(), None, "trojan_source"),
    "Python 2": (MODULE, b"print 'x'\n", "python2", "python2"),
    "print by chevron": (MODULE, b"print >>f, x\n", None, None),
    "magic": (MODULE, b"%matplotlib inline\n", "notebook_export", "notebook_export"),
    "cookiecutter": (MODULE, b"import {{ cookiecutter.x }}\n", "template", "template"),
    "conflict": (MODULE, b"<<<<<<< HEAD\n", "conflict_marker", "conflict_marker"),
    "201 brackets": (MODULE, b"ab(" * 201 + b")" * 201 + b"\n", "too_complex", "too_complex"),
    "return at module level": (MODULE, b"return 1\n", None, None),
    "invalid escape": (MODULE, b"x = '\\d'\n", None, None),
    "comments in another script": (MODULE, (SENTENCE * 4).encode(), None, None),
    "GPL in an MIT repository": (MODULE, GPL.encode(), None, "license_conflict"),
    "protocol buffers": ("pkg/{}_pb2.py", b"", "file_name", "file_name"),
    "their services": ("pkg/{}_pb2_grpc.py", b"", None, "file_name"),
    "do not edit": (MODULE, GENERATED, None, "autogenerated"),
    "vendored": ("pkg/_vendor/{}.py", b"", None, "vendored"),
    "a licence file": ("pkg{}/LICENSE", b"", "not_python", "not_python"),
}
# What no good file follows.
WHOLE_ROWS: dict[str, tuple[bytes, str, str]] = {
    "UTF-16": ("x = 1\n".encode("utf-16"), "binary_or_utf16", "binary_or_utf16"),
    "empty": (b"", "few_lines", "few_lines"),
    "blank": (b" \n\t\n", "few_lines", "few_lines"),
    "comments only": (b"# a\n# b\n# c\n# d\n# e\n# f\n", "few_lines", "few_lines"),
    "HTML": (b"<!DOCTYPE html>\n<p>\n<p>\n<p>\n<p>\n<p>\n", "html", "html"),
    "a minified file": (b"x = [" + b"1," * 600 + b"]\n", "few_lines", "few_lines"),
}


def preset(name: str) -> CleanRecipe:
    path = Path(__file__).parents[2] / "recipes" / f"{name}.toml"
    return build(CleanRecipe, tomllib.loads(path.read_text(encoding="utf-8"))["clean"], path=path)


@pytest.mark.parametrize("name", ["pycodegpt", "modern"])
def test_what_a_preset_decides(name, tmp_path, write_raw, good_code, engine) -> None:
    column = ("pycodegpt", "modern").index(name)
    expected, documents = {}, []
    for number, (what, (path, head, *verdicts)) in enumerate(PRESET_ROWS.items()):
        content = head + good_code(number).encode()
        documents.append({"content": content, "path": path.format(number), "repo_id": number})
        expected[what] = verdicts[column]
    for number, (what, (content, *verdicts)) in enumerate(WHOLE_ROWS.items(), len(expected)):
        documents.append({"content": content, "path": f"{number}.py", "repo_id": number})
        expected[what] = verdicts[column]
    (shard,) = write_raw(tmp_path / "raw", documents)
    summary = run_clean(RunFolder(tmp_path), preset(name), seed=1, engine=engine)
    found = read_verdicts(shard, tmp_path / "sidecars", ["reason"]).column(0).to_pylist()
    assert dict(zip(expected, found, strict=True)) == expected
    assert summary.counts["kept"] == list(expected.values()).count(None)


# The worst files. Each may cost its row's CPU limit and one verdict; the pool goes on.
WORST: dict[str, tuple[str, set[str | None]]] = {
    "201 brackets": ("(" * 201 + ")" * 201, {"too_complex"}),
    "a sum of 10,000 terms": ("x = " + " + ".join(["1"] * 10_000), {"too_complex", "crash"}),
    "a call chain": ("x" + ".a()" * 5_000, {"too_complex", "crash"}),
    "20,000 elifs": ("if a: x\n" + "elif a: x\n" * 20_000, {"too_complex", "crash"}),
    "100,000 minuses": ("-" * 100_000 + "1\n", {"too_complex", "crash"}),
    "3,000 nots": ("not " * 3_000 + "x\n", {None, "too_complex", "crash"}),  # 3.13 goes deeper
    "20,000 nots": ("not " * 20_000 + "x\n", {"too_complex", "crash"}),
    "a megabyte of ones": ("1," * 500_000, {None, "timeout", "memory"}),
    "one line of 200 KB": ("x = '" + "a" * 200_000 + "'\n", {None}),
    "one line of 200 KB of names": ("x, " * 66_000 + "\n", {None}),
    "100,000 quotes": ("'" * 100_000, {"syntax"}),
    "500 KB of blanks": (" " * 500_000 + "x", {"syntax"}),
    "many levels": ("".join(" " * i + "if x:\n" for i in range(300)), {"too_complex"}),
}


def make_shard(path: Path, contents: list[bytes]) -> Shard:
    rows = [
        {
            "repo_id": 1,
            "repo": "a/b",
            "commit": "0" * 40,
            "path": f"f{number}.py",
            "blob_id": git_blob_id(content),
            "size": len(content),
            "content": content,
            "stars": 0,
            "fork": False,
            "fetched_at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
            "transport": "archive",
        }
        for number, content in enumerate(contents)
    ]
    with write_shard(path) as writer:
        writer.write(pa.Table.from_pylist(rows, schema=DOCUMENT))
    return open_shard(path)


def measure(tmp_path: Path, texts: list[str], limits: Limits) -> list[dict[str, Any]]:
    """The signals of files that stand between good ones; the good ones are checked here."""
    good = b"def f(x):\n    return x\n"
    contents = [good, *itertools.chain.from_iterable((text.encode(), good) for text in texts)]
    shard = make_shard(tmp_path / "shard-00000.parquet", contents)
    stages = signal_stages(SignalParameters())
    run_signals([shard], tmp_path / "s", stages, LocalPool(2, limits))
    columns: dict[str, list[Any]] = {}
    for stage in stages:
        columns |= read_sidecar(sidecar_path(tmp_path / "s", stage.name, shard), shard).to_pydict()
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    for row in rows[::2]:
        assert (row["text_reject"], row["syntax_reject"], row["lines"]) == (None, None, 2)
    return rows[1::2]


def test_the_worst_files_cost_themselves_only(tmp_path: Path) -> None:
    rows = measure(tmp_path, [text for text, _ in WORST.values()], Limits(row_cpu_s=10.0))
    for (name, (text, verdicts)), row in zip(WORST.items(), rows, strict=True):
        assert row["syntax_reject"] in verdicts, name
        # The other stages are no parsers, and measure these files as any other.
        assert (row["text_reject"], row["chars"]) == (None, len(text)), name
        assert row["signature"] is not None, name


@pytest.mark.slow
def test_a_stage_that_hangs_costs_that_stage_only(tmp_path: Path) -> None:
    shard = make_shard(tmp_path / "shard-00000.parquet", [b"x = 1\n", b"y = 2\n"])
    by_name = {stage.name: stage for stage in signal_stages(SignalParameters())}
    text, syntax = by_name["text"], by_name["syntax"]
    hang = functools.partial(functools.reduce, operator.is_, range(10**15))
    stages = (text, dataclasses.replace(syntax, measure=hang))
    engine = LocalPool(2, Limits(row_cpu_s=0.5))
    counts = run_signals([shard], tmp_path / "s", stages, engine)
    assert counts["syntax_lost_timeout"] == 2
    found = [
        read_sidecar(sidecar_path(tmp_path / "s", stage.name, shard), shard) for stage in stages
    ]
    assert found[0]["lines"].to_pylist() == [1, 1]
    assert found[1]["syntax_reject"].to_pylist() == ["timeout", "timeout"]
