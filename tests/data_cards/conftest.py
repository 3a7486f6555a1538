"""Manifests of a small run, as the stages write them."""

from pathlib import Path

import pytest

from corpus.files import write_json
from corpus.layout import RunFolder
from corpus.manifest import Manifest, write_manifest

FUNNEL = [
    {"step": "raw", "limit": "", "files": 100, "bytes": 5_000_000},
    {"step": "min_code_lines", "limit": "at least 5", "files": 80, "bytes": 4_900_000},
    {"step": "written", "limit": "", "files": 60, "bytes": 4_000_000},
]
SPLITS = {
    "train": {"documents": 50, "bytes": 3_500_000, "repositories": 8},
    "validation": {"documents": 10, "bytes": 500_000, "repositories": 1},
    "test": {"documents": 0, "bytes": 0, "repositories": 0},
}
TRAIN_FACTS = {
    "parameters": 2_000_000,
    "shape": {
        "vocab_size": 8192, "layers": 4, "width": 192, "heads": 6, "context": 256, "window": 64,
    },
    "steps": 20,
    "tokens_seen": 163_840,
    "epochs": 0.5,
    "train_seconds": 75.2,
    "device": "CPU",
    "train_loss": 4.25,
    "held_out": {
        "validation": {
            "loss": 4.5, "bits_per_byte": 1.7, "tokens": 9, "bytes": 500_000, "windows": 2,
        },
    },
    "curve": [
        {"step": 10, "train_loss": 6.0, "validation_loss": None, "bits_per_byte": None},
        {"step": 20, "train_loss": 4.25, "validation_loss": 4.5, "bits_per_byte": 1.7},
    ],
    "samples": [{"prompt": "def f():", "completion": "\n    return <b>1</b>\n"}],
}  # fmt: skip
EVAL_FACTS = {
    "suite": "humaneval",
    "how": "standard protocol, n = 4, T 0.2",
    "isolation": "namespaces+seccomp",
    "pass_at": [{"k": 1, "value": 0.0125, "low": 0.0, "high": 0.03, "temperature": 0.2}],
}
BOARD = {
    "ours": [{"model": "demo", "scores": {"pass@1": {"value": 1.25, "low": 0.0, "high": 3.0}}}],
    "published": [{"model": "PyCodeGPT-110M", "at_1": 8.32, "at_10": 13.53, "at_100": 18.3}],
}


@pytest.fixture
def cleaned(tmp_path: Path) -> RunFolder:
    """A run that has been harvested and cleaned."""
    folder = RunFolder(tmp_path / "run")
    harvest = Manifest(
        stage="harvest",
        parameters={"api_url": "loopback", "min_stars": 5, "max_stars": None},
        counts={"repositories_done": 9, "repositories_gone": 1, "files_kept": 100},
    )
    write_manifest(folder.raw, harvest)
    facts = {"funnel": FUNNEL, "splits": SPLITS, "licenses": {"MIT": 40, "none": 20}}
    facts["redactions"] = {"email": 12, "npm_token": 1}
    clean = Manifest(stage="clean", parameters={"seed": 1}, facts=facts)
    write_manifest(folder.clean, clean)
    return folder


@pytest.fixture
def scored(cleaned: RunFolder) -> RunFolder:
    """The same, trained and scored."""
    train = Manifest(stage="train", parameters={"seed": 1}, facts=TRAIN_FACTS)
    write_manifest(cleaned.model, train)
    counts = {"passed": 8, "assertion": 648}
    evaluation = Manifest(stage="eval", parameters={}, counts=counts, facts=EVAL_FACTS)
    write_manifest(cleaned.eval, evaluation)
    write_json(cleaned.eval / "leaderboard.json", BOARD)
    return cleaned
