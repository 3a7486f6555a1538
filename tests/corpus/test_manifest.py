import json
from pathlib import Path

import pytest

from corpus.errors import ManifestError
from corpus.manifest import FILE_NAME, Manifest, file_entry, read_manifest, write_manifest


def test_write_then_read_is_the_identity(tmp_path: Path) -> None:
    data = tmp_path / "raw" / "s.bin"
    data.parent.mkdir()
    data.write_bytes(b"abc")
    manifest = Manifest(
        stage="clean",
        parameters={"a": 1},
        inputs=(file_entry(data, tmp_path / "clean", rows=3),),
        counts={"kept": 2, "long_line": 1},
    )
    write_manifest(tmp_path / "clean", manifest)
    assert read_manifest(tmp_path / "clean", "clean") == manifest
    assert manifest.inputs[0].path == "../raw/s.bin"
    assert manifest.inputs[0].bytes == 3


def test_what_is_not_a_manifest_of_the_stage_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="the harvest stage has not finished there"):
        read_manifest(tmp_path, "harvest")
    write_manifest(tmp_path, Manifest(stage="clean", parameters={}))
    with pytest.raises(ManifestError, match="written by stage 'clean', not 'harvest'"):
        read_manifest(tmp_path, "harvest")
    whole = (tmp_path / FILE_NAME).read_text()
    (tmp_path / FILE_NAME).write_text(json.dumps({**json.loads(whole), "format": 99}))
    with pytest.raises(ManifestError, match="format 99"):
        read_manifest(tmp_path)
    for damaged in (whole[:-10], "[]", "{}", '{"inputs": 3}'):
        (tmp_path / FILE_NAME).write_text(damaged)
        with pytest.raises(ManifestError, match=r"manifest\.json: damaged"):
            read_manifest(tmp_path)
