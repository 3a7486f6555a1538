"""The house rules that an import or a line count can break."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STAGES = ("harvest", "clean", "train", "eval", "data_cards")
MAX_LINES = 400
ROOMS = (*STAGES, "corpus", "pycodegpt", "benchmarks")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def imported_packages(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_rooms_meet_on_disk_and_stay_small(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    imports = imported_packages(path)
    if room != "pycodegpt":
        assert "pycodegpt" not in imports, "nothing imports the front door"
    if room not in ("pycodegpt", "benchmarks"):
        foreign = imports & set(STAGES) - {room}
        assert not foreign, f"a stage imports corpus and no other stage, not {foreign}"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES
