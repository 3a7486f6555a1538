"""The reference pages, made from the code itself: `python -m pycodegpt.reference` writes them.

`docs/cli.md` holds the help of every command; `docs/recipes.md` every recipe key with its type, its
default and the comment that stands beside it in the source. A test compares them with the code.
"""

from __future__ import annotations

import dataclasses
import inspect
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import typer

from corpus.files import write_text
from pycodegpt.cli import app
from pycodegpt.recipe import Recipe

DOCS = Path(__file__).parent.parent / "docs"
MADE = "<!-- Made by `python -m pycodegpt.reference`; do not edit. -->\n"


def main() -> None:
    """Write both pages."""
    write_text(DOCS / "cli.md", cli_page())
    write_text(DOCS / "recipes.md", recipe_page())


def cli_page() -> str:
    """Markdown: every command with its arguments and options."""
    lines = [MADE, "# Commands\n", "`python -m pycodegpt` is the front door.\n"]
    lines.append("Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted.\n")
    for names, command in _commands((), typer.main.get_command(app)):
        lines.append(f"## pycodegpt {' '.join(names)}\n")
        lines.append(f"{_prose(command.help or '')}\n")
        lines += [_parameter(parameter) for parameter in command.params]
        lines.append("")
    return "\n".join(lines)


def _commands(names: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    children = getattr(command, "commands", {})
    # A group that does something itself (`cards`) is a command as well.
    if names and (not children or getattr(command, "invoke_without_command", False)):
        yield names, command
    for name, child in children.items():
        yield from _commands((*names, name), child)


def _parameter(parameter: Any) -> str:
    name = ", ".join(f"`{option}`" for option in [*parameter.opts, *parameter.secondary_opts])
    if parameter.param_type_name == "argument":
        name = f"`{parameter.metavar or parameter.name.upper()}`"
    metavar = f" `{parameter.metavar}`" if parameter.metavar and "`--" in name else ""
    return f"- {name}{metavar}: {_prose(parameter.help or '')}"


def _prose(text: str) -> str:
    """Help text as Markdown paragraphs."""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return "\n\n".join(paragraphs)


def recipe_page() -> str:
    """Markdown: every key of a recipe, one table a section."""
    lines = [
        MADE,
        "# Recipes\n",
        'A recipe is a TOML file. `extends = "other.toml"` takes another file\'s values first; '
        '`--set KEY=VALUE` changes one for one run. `"off"` switches off what may be off; `0` is '
        "zero. An unknown key is refused with the nearest known one.\n",
    ]
    for section, model in _sections("", Recipe):
        lines.append(f"## {f'[{section}]' if section else 'The top of the file'}\n")
        lines.append(f"{_prose((model.__doc__ or '').strip())}\n")
        lines += ["| key | type | default | |", "| --- | --- | --- | --- |"]
        lines += [_row(*row) for row in _keys(model)]
        lines.append("")
    return "\n".join(lines)


def _sections(prefix: str, model: Any) -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(model)
    nested = {f.name: hints[f.name] for f in dataclasses.fields(model)}
    nested = {name: kind for name, kind in nested.items() if dataclasses.is_dataclass(kind)}
    if len(nested) < len(dataclasses.fields(model)):
        yield prefix, model
    for name, kind in nested.items():
        yield from _sections(f"{prefix}.{name}" if prefix else name, kind)


def _keys(model: Any) -> Iterator[tuple[str, str, str, str]]:
    hints, comments = get_type_hints(model), field_comments(model)
    for field in dataclasses.fields(model):
        kind = hints[field.name]
        if not dataclasses.is_dataclass(kind):
            comment = comments.get(field.name, "")
            yield field.name, _type_name(kind), _default(field), comment


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type_name(kind: Any) -> str:
    arguments = [a for a in get_args(kind) if a is not type(None)]
    if type(None) in get_args(kind):
        return f"{' or '.join(map(_type_name, arguments))} or off"
    if get_origin(kind) is tuple:
        return f"list of {_type_name(arguments[0])}"
    if arguments and get_origin(kind) is not dict:
        return " or ".join(f"`{argument!r}`" for argument in arguments)
    return str(getattr(kind, "__name__", kind)).replace("Path", "path")


def _default(field: Any) -> str:
    value = field.default
    if value is dataclasses.MISSING:
        value = field.default_factory()
    if value is None:
        return "off"
    if isinstance(value, tuple):
        return f"`{list(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def field_comments(model: Any) -> dict[str, str]:
    """The comments beside or right above each field of a dataclass, as its author wrote them."""
    comments: dict[str, str] = {}
    above: list[str] = []
    name = None
    for token in tokenize.generate_tokens(io.StringIO(inspect.getsource(model)).readline):
        if token.type == tokenize.COMMENT:
            text = token.string.lstrip("# ").rstrip()
            if token.line.lstrip().startswith("#"):
                above.append(text)
            elif name:
                comments[name] = " ".join([*filter(None, [comments.get(name)]), text])
        elif _declares_field(token):
            name = token.string
            if above:
                comments[name] = " ".join(above)
            above = []
    return comments


def _declares_field(token: tokenize.TokenInfo) -> bool:
    """Whether the token is the name at the start of a dataclass's field."""
    declared = re.match(r"    (\w+):", token.line)
    return token.start[1] == 4 and declared is not None and declared[1] == token.string


if __name__ == "__main__":
    main()
