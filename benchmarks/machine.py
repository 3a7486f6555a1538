"""What the figures were measured on and with."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

OURS = ("pyarrow", "numpy", "numba", "duckdb", "ruff-format")
_LIST_VERSIONS = (
    "from importlib.metadata import distributions as d;"
    "print(*(f'{x.name}=={x.version}' for x in d()))"
)


def machine(packages: Iterable[str] = OURS) -> dict[str, Any]:
    """The processor, memory and versions of this process's environment."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(_memory_bytes() / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": _versions(packages),
    }


def peer_versions(python: Path, names: Iterable[str]) -> dict[str, str]:
    """The versions of `names` in another environment, by its interpreter."""
    listed = subprocess.run(
        [python, "-c", _LIST_VERSIONS], capture_output=True, text=True, check=True
    ).stdout.split()
    found = dict(item.split("==", 1) for item in listed)
    return {name: found[name] for name in names if name in found}


def _versions(names: Iterable[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
