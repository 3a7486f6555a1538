"""Licence files as rows of a shard, and what the license stage makes of them."""

from pathlib import Path
from typing import Any

import pytest

from clean.edits.rewrite import rewrite
from clean.signals import license_files, license_stage
from clean.signals.decode import decode
from clean.signals.document import Document
from clean.signals.license import FoundLicense
from clean.signals.license_files import ShardLicenses, combined, decoded, licenses_of
from clean.signals.license_text import A_CHOICE
from clean.signals.measure import run_signals
from clean.signals.parameters import SignalParameters
from corpus.schema import git_blob_id
from corpus.shards import Shard, read_rows
from corpus.sidecars import read_sidecar, read_stamp, sidecar_path

STAGE = license_stage.stage(SignalParameters())
MIT = """Permission is hereby granted, free of charge, to any person obtaining a copy
of this software. The above copyright notice and this permission notice shall be included.
"""
GPL = """GNU GENERAL PUBLIC LICENSE Version 2, June 1991
most ordinary way
END OF TERMS AND CONDITIONS
"""
GPL_HEADER = """# This program is free software: you can redistribute it and/or modify
# it under the terms of the GNU General Public License, version 3.
"""
PYTHON = ("a.py", "b.py", "c.py")
CODE = "def f(x):\n    return x + 1\n"


def document(path: str, content: str | bytes, repo_id: int = 1, **more: Any) -> dict[str, Any]:
    return {"path": path, "content": content, "repo_id": repo_id, **more}


@pytest.fixture
def shard_of(write_raw: Any, tmp_path: Path) -> Any:
    """A raw shard of these documents."""

    def made(*documents: dict[str, Any]) -> Shard:
        [shard] = write_raw(tmp_path / "raw", documents)
        return shard

    return made


@pytest.fixture
def measured(engine: Any, tmp_path: Path) -> Any:
    """The license sidecar's rows of a shard, by path."""

    def rows_of(shard: Shard) -> dict[str, dict[str, Any]]:
        run_signals([shard], tmp_path / "s", (STAGE,), engine)
        table = read_sidecar(sidecar_path(tmp_path / "s", "license", shard), shard)
        assert table.schema.equals(STAGE.schema)
        paths = read_rows(shard, columns=["path"])["path"].to_pylist()
        return dict(zip(paths, table.to_pylist(), strict=True))

    return rows_of


def test_the_nearest_folder_with_a_licence_governs(shard_of: Any, measured: Any) -> None:
    rows = measured(
        shard_of(
            document("LICENSE", MIT),
            document("a.py", CODE),
            document("deep/er/b.py", CODE),
            document("vendor/gpl/COPYING", GPL),
            document("vendor/gpl/src/c.py", CODE),
            document("vendor/empty/LICENSE", "see above"),
            document("vendor/empty/d.py", CODE),
        )
    )
    found = {path: row["files_license"] for path, row in rows.items() if path.endswith(".py")}
    assert found == {
        "a.py": "MIT",
        "deep/er/b.py": "MIT",
        "vendor/gpl/src/c.py": "GPL-2.0-only",
        "vendor/empty/d.py": "MIT",
    }
    assert rows["vendor/gpl/src/c.py"]["files_category"] == "copyleft"
    conflicts = {path: row["license_conflict"] for path, row in rows.items()}
    assert conflicts.pop("vendor/gpl/src/c.py") == (
        "GPL-2.0-only licence file of a folder in a repository under MIT"
    )
    assert set(conflicts.values()) == {None}


def test_a_licence_file_speaks_for_its_own_repository_alone(shard_of: Any, measured: Any) -> None:
    rows = measured(
        shard_of(
            document("LICENSE", MIT, repo_id=1, license=None),
            document("a.py", CODE, repo_id=1, license=None),
            document("b.py", CODE, repo_id=2, license=None),
            document("LICENSE", GPL, repo_id=3, license=None),
            document("c.py", CODE, repo_id=3, license=None),
        )
    )
    found = [(rows[path]["files_license"], rows[path]["files_category"]) for path in PYTHON]
    assert found == [("MIT", "permissive"), (None, "none"), ("GPL-2.0-only", "copyleft")]
    assert {rows[path]["repo_category"] for path in PYTHON} == {"none"}


def test_rows_that_are_no_python_say_nothing(shard_of: Any, measured: Any) -> None:
    rows = measured(shard_of(document("LICENSE", MIT), document("a.py", CODE)))
    assert set(rows["LICENSE"].values()) == {None}


def test_a_gpl_header_in_an_mit_repository(shard_of: Any, measured: Any) -> None:
    shard = shard_of(
        document("LICENSE", MIT), document("a.py", GPL_HEADER + CODE), document("b.py", CODE)
    )
    rows = measured(shard)
    assert rows["a.py"]["license_conflict"] == "GPL-3.0-only header in a repository under MIT"
    assert rows["a.py"]["file_license"] == "GPL-3.0-only"
    assert rows["b.py"]["license_conflict"] is None
    # The header was read before it goes: what is written does not hold it any more.
    assert rewrite(GPL_HEADER + CODE, header=True, junk_comments=True).text == CODE


def test_a_licence_file_that_says_less_than_github(shard_of: Any, measured: Any) -> None:
    rows = measured(shard_of(document("COPYING", GPL), document("a.py", CODE)))
    assert rows["a.py"]["repo_category"] == "permissive"
    assert rows["a.py"]["license_conflict"] == (
        "GPL-2.0-only licence file in a repository under MIT"
    )


def test_it_works_without_a_shard_too() -> None:
    content = (GPL_HEADER + CODE).encode()
    row = STAGE.measure(Document(content, decode(content), "a.py", "MIT"))
    assert row["license_conflict"] == "GPL-3.0-only header in a repository under MIT"
    assert (row["files_license"], row["files_category"]) == (None, "none")
    assert set(row) == set(STAGE.schema.names)


def test_only_the_row_groups_that_are_needed_are_read(
    write_raw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [document("LICENSE", MIT, repo_id=n // 3) for n in range(0, 3000, 3)]
    documents += [document("a.py", CODE, repo_id=n) for n in range(2000)]
    [shard] = write_raw(tmp_path / "raw", documents)
    assert len(shard.row_groups) > 2
    asked: list[tuple[int, int]] = []

    def watched(shard: Shard, start: int = 0, stop: int | None = None, columns: Any = None) -> Any:
        if "content" in columns:
            asked.append((start, stop or 0))
        return read_rows(shard, start, stop, columns)

    monkeypatch.setattr(license_files, "read_rows", watched)
    licenses = ShardLicenses(shard)
    assert not asked
    assert [licenses.nearest(number, "x/a.py") for number in (5, 6, 900, 1500)] == [
        *("MIT", "MIT", "MIT", None)
    ]
    assert asked == [(0, shard.row_groups[0])]


def test_a_changed_licence_file_makes_the_sidecar_stale(
    write_raw: Any, tmp_path: Path, measured: Any
) -> None:
    for text, expected in ((MIT, "MIT"), (GPL, "GPL-2.0-only")):
        documents = [document("LICENSE", text), document("a.py", CODE)]
        [shard] = write_raw(tmp_path / "raw", documents)
        assert measured(shard)["a.py"]["files_license"] == expected
        stamp = read_stamp(sidecar_path(tmp_path / "s", "license", shard))
        assert stamp == STAGE.stamp(shard)


def test_one_shard_is_looked_through_once(shard_of: Any) -> None:
    shard = shard_of(document("LICENSE", MIT))
    assert licenses_of(shard) is licenses_of(shard)


def found(expression: str | None, evidence: str = "") -> FoundLicense:
    return FoundLicense(expression, evidence)


CHOICE, NOTHING = found(None, A_CHOICE), found(None)


@pytest.mark.parametrize(
    ("files", "expression"),
    [
        ({"LICENSE": found("MIT")}, "MIT"),
        ({"LICENSE": found("MIT"), "LICENSE-docs": found("CC-BY-4.0")}, "MIT"),
        ({"LICENSE-MIT": found("MIT"), "LICENSE-APACHE": found("Apache-2.0")},
         "Apache-2.0 AND MIT"),
        ({"LICENSE": CHOICE, "LICENSE.BSD": found("BSD-2-Clause"), "LICENSE.APACHE":
          found("Apache-2.0")}, "Apache-2.0 OR BSD-2-Clause"),
        ({"LICENSE": NOTHING, "LICENSE.MIT": found("MIT")}, "MIT"),
        ({"COPYING": found("GPL-3.0-only"), "COPYING.LESSER": found("LGPL-3.0-only")},
         "LGPL-3.0-only"),
        ({"COPYING": found("GPL-2.0-only"), "LICENSE": found("MIT")}, "GPL-2.0-only AND MIT"),
        ({"COPYRIGHT": found("LicenseRef-all-rights-reserved"), "LICENSE": found("MIT")}, "MIT"),
        ({"LICENSE": found("LicenseRef-all-rights-reserved")}, "LicenseRef-all-rights-reserved"),
        ({"LICENSE": found("MIT OR ISC"), "COPYING": found("Zlib")}, "(MIT OR ISC) AND Zlib"),
        ({"LICENSE": NOTHING}, None),
    ],
)  # fmt: skip
def test_files_of_one_folder(files: dict[str, FoundLicense], expression: str | None) -> None:
    assert combined(files.items()) == expression
    assert combined(reversed(files.items())) == expression


def test_a_text_that_was_taken_down_is_not_remembered(shard_of: Any, measured: Any) -> None:
    whole = git_blob_id(MIT.encode())
    rows = measured(
        shard_of(
            document("gone/LICENSE", b"", blob_id=whole),
            document("gone/a.py", CODE),
            document("kept/LICENSE", MIT),
            document("kept/b.py", CODE),
        )
    )
    assert [rows[path]["files_license"] for path in ("gone/a.py", "kept/b.py")] == [None, "MIT"]


def test_a_licence_in_any_encoding() -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert decoded("© X: MIT".encode(encoding)) == "© X: MIT"
    assert decoded(b"\xa9 X: MIT").endswith(" X: MIT")
    assert decoded(b"\xff\xfe\x00") is not None
