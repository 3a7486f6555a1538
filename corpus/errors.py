"""Every error that this project raises on purpose, in one tree.

A message names the file, row, repository or key that failed and says what to do; the fields
carry the same facts for programs. Anything else that escapes is a bug of ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


class PycodegptError(Exception):
    """Base of the tree. `exit_code` is what the front door leaves with."""

    exit_code = 1

    def __reduce__(self) -> tuple[Any, ...]:
        # Workers send errors to their parent, and the subclasses' constructors differ.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[PycodegptError], args: tuple[Any, ...], fields: dict[str, Any]) -> Any:
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


class UsageError(PycodegptError):
    """The command line asks for something that can't be: exit code 2."""

    exit_code = 2


class RecipeError(UsageError):
    """A recipe that can't be read: the file, the dotted key, and what is wrong with it."""

    def __init__(self, path: Path | None, key: str, problem: str) -> None:
        self.path, self.key, self.problem = path, key, problem
        where = f"{path}: " if path else ""
        super().__init__(f"{where}{key}: {problem}" if key else f"{where}{problem}")


class FileError(PycodegptError):
    """A file or folder that can't be read or written."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"{path}: {problem}")


class DiskFullError(FileError):
    """No room left while writing: nothing under a final name was touched."""


class ShardError(FileError):
    """A shard that is missing, truncated or not of the document schema."""


class SidecarError(FileError):
    """A sidecar that is damaged or speaks of another shard."""


class ManifestError(FileError):
    """A manifest that is missing, damaged or of another kind."""


class StaleInputError(PycodegptError):
    """A stage was asked for before the stage that it reads from has run."""


class WorkerError(PycodegptError):
    """A worker pool that can't go on, as opposed to one bad row, which is an outcome."""


class HarvestError(PycodegptError):
    """Base for what can go wrong between us and a GitHub-compatible server."""


class ApiError(HarvestError):
    """A final answer from the API that is neither success nor a known state of a repository."""

    def __init__(self, url: str, status: int, problem: str) -> None:
        self.url, self.status, self.problem = url, status, problem
        super().__init__(f"{url}: HTTP {status}: {problem}")


class UnreachableError(HarvestError):
    """The server does not answer at all."""


class ArchiveError(HarvestError):
    """An archive that is truncated, not gzip, or hostile; `reason` is what gets counted."""

    def __init__(self, repository: str, reason: str, problem: str) -> None:
        self.repository, self.reason, self.problem = repository, reason, problem
        super().__init__(f"{repository}: {problem}")


class TrainError(PycodegptError):
    """Base for what stops a training run."""


class TokensError(FileError, TrainError):
    """Token files that are missing, damaged or made with another tokenizer."""


class CheckpointError(FileError, TrainError):
    """A checkpoint that is damaged, incomplete, or of another shape."""


class EvalError(PycodegptError):
    """Base for what stops a scoring run."""


class ProblemsError(EvalError, FileError):
    """A problem set or samples file that can't be used: the file, the line, and why."""


class SandboxError(EvalError):
    """Programs can't be run in a limited process on this machine."""
