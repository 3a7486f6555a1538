"""`python -m pycodegpt`: run a command and leave with its exit code.

0 done, 1 failed, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import os
import sys

import click
import typer

from corpus.errors import PycodegptError
from pycodegpt.cli import app


def main() -> None:
    """Run the command line; every expected failure ends in one line."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; its exit code."""
    command = typer.main.get_command(app)
    try:
        result = command.main(arguments, prog_name="pycodegpt", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except PycodegptError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        print("interrupted; run the same command again to go on from here", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader went away (`| head`): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    main()
