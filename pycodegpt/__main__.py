"""`python -m pycodegpt`: run a command and leave with its exit code.

0 done, 1 failed, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import os
import sys

import typer

from corpus.errors import PycodegptError, UsageError
from pycodegpt.cli import app

INTERRUPTED = 130


def main() -> None:
    """Run the command line; every expected failure ends in one line."""
    # Idle OpenMP threads spin by default: on a busy machine that costs torch most of its speed.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; its exit code."""
    command = typer.main.get_command(app)
    try:
        result = command.main(arguments, prog_name="pycodegpt", standalone_mode=False)
        sys.stdout.flush()
        if result == INTERRUPTED:  # Typer turns Ctrl-C into this exit code, and says nothing.
            return _interrupted()
        return result if isinstance(result, int) else 0
    except PycodegptError as error:
        # Messages of libraries, quoted in ours, may have lines of their own.
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except BrokenPipeError:
        # The reader went away (`| head`): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        # Typer's usage errors share no public base class across its versions.
        if (show := getattr(error, "show", None)) is None:
            raise
        show()
        return int(getattr(error, "exit_code", UsageError.exit_code))


def _interrupted() -> int:
    print("interrupted; run the same command again to go on from here", file=sys.stderr)
    return INTERRUPTED


if __name__ == "__main__":
    main()
