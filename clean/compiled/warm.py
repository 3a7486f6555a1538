"""Compile all kernels before anyone waits for them, or has a row's clock running."""

from __future__ import annotations

from pathlib import Path

from clean.compiled.kernel import KERNELS, Kernel, code_folder
from corpus.events import Notice, Report, silent
from corpus.files import named_errors


def compile_missing(report: Report = silent) -> None:
    """Compile the kernels of all imported modules that are not on the disk.

    A parent calls it before its workers start, so that one process compiles for all of them.
    Raises DiskFullError or FileError naming the folder.
    """
    _load([kernel for kernel in KERNELS if not kernel.is_kept], report)


def warm(report: Report = silent) -> None:
    """Load the kernels of all imported modules; a worker does so before its first row.

    Raises DiskFullError or FileError naming the folder.
    """
    _load(KERNELS, report)


def _load(kernels: list[Kernel], report: Report) -> None:
    told = False
    with named_errors(code_folder() or Path()):
        for kernel in kernels:
            if not kernel.is_ready:
                kernel.load()
                if kernel.was_compiled and not told:
                    report(_notice())
                    told = True


def _notice() -> Notice:
    if code_folder() is None:
        problem = "there is no folder to write it to; set NUMBA_CACHE_DIR to one"
        text = f"compiled kernels can't be kept, so every process compiles its own: {problem}"
        return Notice(text, warning=True)
    return Notice("compiling kernels, once for this machine (about ten seconds)")
