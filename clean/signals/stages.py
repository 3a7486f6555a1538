"""The signal stages: what is measured together, kept in one sidecar and rerun on its own.

A new stage is a module with a constructor, and a line in `_CONSTRUCTORS`.
"""

from __future__ import annotations

from collections.abc import Callable

from clean.signals import (
    contamination,
    fingerprint,
    license_stage,
    repetition,
    secret_stage,
    structure,
    syntax,
    text,
    tokens,
)
from clean.signals.document import SignalStage
from clean.signals.parameters import SignalParameters

# By name, in the order of the stages. A constructor returns None for a stage that the parameters
# do not ask for.
_CONSTRUCTORS: dict[str, Callable[[SignalParameters], SignalStage | None]] = {
    "text": text.stage,
    "structure": structure.stage,
    "syntax": syntax.stage,
    "license": license_stage.stage,
    "fingerprint": fingerprint.stage,
    "contamination": contamination.stage,
    "tokens": tokens.stage,
    "repetition": repetition.stage,
    "secrets": secret_stage.stage,
}
STAGE_NAMES = tuple(_CONSTRUCTORS)  # of all there are


def signal_stages(parameters: SignalParameters) -> tuple[SignalStage, ...]:
    """The stages that `parameters` ask for."""
    stages = []
    for name, construct in _CONSTRUCTORS.items():
        if (stage := construct(parameters)) is not None:
            assert stage.name == name
            stages.append(stage)
    return tuple(stages)
