"""How kernels are compiled, once a machine, and where the machine code is kept.

A kernel states its types and is compiled for these alone, so that no call can set off another
compilation in the middle of a file. numba keeps machine code on the disk and looks at the
kernel's own source file to tell whether it is outdated; ours call helpers in other files, so the
folder is named after the digest of all of them, and of the interpreter, numba and processor that
the code is for: what is found there is never stale.

Loops that must be quick end by their condition or by `return`: a `break` makes what numba
generates several times slower.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeVar

import numba
from llvmlite.binding import get_host_cpu_name
from numba import types

F = TypeVar("F", bound=Callable[..., Any])

# A kernel's inputs; an array that may be written to can be passed for one that is only read.
BYTES = types.Array(types.uint8, 1, "C", readonly=True)
HASHES = types.Array(types.uint64, 1, "C", readonly=True)
WORDS = types.Array(types.uint32, 1, "C", readonly=True)
FLAGS = types.Array(types.boolean, 1, "C", readonly=True)
TABLE = types.Array(types.int64, 2, "C", readonly=True)
# What a kernel writes to.
FLAGS_OUT = types.Array(types.boolean, 1, "C")
BYTES_OUT = types.Array(types.uint8, 1, "C")
HASHES_OUT = types.Array(types.uint64, 1, "C")
WORDS_OUT = types.Array(types.uint32, 1, "C")
TABLE_OUT = types.Array(types.int64, 2, "C")
COUNTS_OUT = types.Array(types.int64, 1, "C")

_config: Any = numba.config  # its values are set at run time
_HERE = Path(__file__).parent
_BLAS = "scipy.linalg"


class Kernel:
    """A function in machine code, loaded or compiled when it is first called."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._arguments = arguments
        with _numba_keeping_in(code_folder()):
            jit: Any = numba.njit(cache=code_folder() is not None, nogil=True)
            self._dispatcher = jit(function)

    def __call__(self, *values: Any) -> Any:
        if not self._dispatcher.overloads:
            self.load()
        return self._dispatcher(*values)

    @property
    def is_kept(self) -> bool:
        """Whether the machine code is on the disk, to be loaded by whoever calls the kernel."""
        mark = self._mark
        return mark is not None and mark.exists()

    @property
    def _mark(self) -> Path | None:
        folder = code_folder()
        function = self._dispatcher.py_func
        return folder and folder / f"{function.__module__}.{function.__qualname__}.kept"

    @property
    def is_ready(self) -> bool:
        """Whether the machine code is in memory."""
        return bool(self._dispatcher.overloads)

    @property
    def was_compiled(self) -> bool:
        """Whether this process had to compile it."""
        return bool(self._dispatcher.stats.cache_misses) or code_folder() is None

    def load(self) -> None:
        """Make it ready. Raises OSError if the machine code can't be written to the disk."""
        try:
            with _no_blas():
                self._dispatcher.compile(self._arguments)
        except OSError:
            raise
        except Exception:  # what damaged files raise is not for numba to say
            folder = code_folder()
            if folder is None:
                raise
            shutil.rmtree(folder, ignore_errors=True)
            self._dispatcher.compile(self._arguments)
        self._dispatcher.disable_compile()  # a call with other types is our bug
        if self._mark is not None:
            self._mark.touch()


@contextmanager
def _no_blas() -> Iterator[None]:
    """Keep numba from importing scipy's BLAS: no kernel needs one, and it costs 0.2 s."""
    if _BLAS in sys.modules:
        yield
        return
    sys.modules[_BLAS] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_BLAS]


KERNELS: list[Kernel] = []  # of all modules that were imported


def kernel(*arguments: Any) -> Callable[[Callable[..., Any]], Kernel]:
    """Compile a function for arguments of these types."""

    def compiled(function: Callable[..., Any]) -> Kernel:
        KERNELS.append(Kernel(function, arguments))
        return KERNELS[-1]

    return compiled


def helper(function: F) -> F:
    """A function that only kernels call: its machine code is a part of theirs."""
    jit: Any = numba.njit(nogil=True)
    return jit(function)


@cache
def code_folder() -> Path | None:
    """Where machine code of these very sources is kept; None if nowhere can be written.

    `NUMBA_CACHE_DIR` says where, else it is beside the sources, else in the user's cache.
    """
    made_by = [platform.python_version(), numba.__version__, get_host_cpu_name()]
    sources = hashlib.sha256(repr(made_by).encode())
    for path in sorted(_HERE.glob("*.py")):
        sources.update(path.read_bytes())
    stated = _config.CACHE_DIR
    beside = [_HERE / "__pycache__", Path("~/.cache/pycodegpt").expanduser()]
    for folder in [Path(stated)] if stated else beside:
        folder = folder / f"kernels-{sources.hexdigest()[:16]}"
        if _can_write(folder):
            return folder
    return None


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


@contextmanager
def _numba_keeping_in(folder: Path | None) -> Iterator[None]:
    before = _config.CACHE_DIR
    _config.CACHE_DIR = str(folder or "")
    try:
        yield
    finally:
        _config.CACHE_DIR = before
