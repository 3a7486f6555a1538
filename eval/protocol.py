"""How a prompt is put to a model and where its answer ends: two named conventions.

`standard` is Codex's (arXiv:2107.03374, section 2.1 and its stop sequences): the prompt as it is.
`pycodegpt` is what PyCodeGPT's own script does: BOS, the stripped prompt, and its cut pattern.
Stripping matters: it has moved published scores by half. Scores of two protocols don't compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A completion is what the model says to the prompt, up to the first of `stops`."""

    name: str
    stops: tuple[str, ...]
    strip_prompt: bool = False  # programs are always put together with the prompt as it is
    begin_with_bos: bool = False

    def prompt(self, text: str) -> str:
        """The prompt as the model gets to see it."""
        return text.strip() if self.strip_prompt else text


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(name="standard", stops=("\nclass", "\ndef", "\n#", "\nif", "\nprint")),
        Protocol(
            name="pycodegpt",
            stops=("\nclass", "\ndef", "\n#", "\n@", "\nprint", "\nif"),
            strip_prompt=True,
            begin_with_bos=True,
        ),
    )
}


def stop_position(text: str, stops: Sequence[str]) -> int | None:
    """Where the earliest of `stops` begins, or None if there is none."""
    return min((found for stop in stops if (found := text.find(stop)) >= 0), default=None)


def cut(text: str, stops: Sequence[str]) -> str:
    """The text before the earliest of `stops`."""
    return text[: stop_position(text, stops)]
