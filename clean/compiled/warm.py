"""Compile all kernels before anyone waits for them, or has a row's clock running."""

from __future__ import annotations

from pathlib import Path

# Imported for the kernels that they hold.
from clean.compiled import fingerprints, marks  # noqa: F401
from clean.compiled.kernel import KERNELS, code_folder
from corpus.events import Notice, Report, silent
from corpus.files import named_errors


def warm(report: Report = silent) -> None:
    """Load every kernel's machine code, compiled now if it is not on the disk yet.

    A parent calls it before its workers start, so that one process compiles for all of them,
    and a worker before its first row. Raises DiskFullError or FileError naming the folder.
    """
    folder = code_folder()
    told = False
    with named_errors(folder or Path()):
        for dispatcher, arguments in KERNELS:
            if arguments in dispatcher.overloads:
                continue
            dispatcher.compile(arguments)
            dispatcher.disable_compile()  # a call with other types is our bug
            if not told and dispatcher.stats.cache_misses:
                told = True
                report(Notice("compiling kernels, once for this machine (about ten seconds)"))
