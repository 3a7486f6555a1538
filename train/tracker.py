"""TensorBoard, if the recipe wants it: `tensorboard --logdir RUN/checkpoints/tensorboard`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from corpus.errors import TrainError

FOLDER = "tensorboard"


class Tracker:
    """Sends scalars to TensorBoard, or nowhere."""

    def __init__(self, writer: Any = None) -> None:
        self._writer = writer

    def scalars(self, group: str, step: int, values: Mapping[str, Any]) -> None:
        """Add one point to each curve `group/name`; None and flags are left out."""
        if self._writer is None:
            return
        for name, value in values.items():
            if value is not None and not isinstance(value, bool):
                self._writer.add_scalar(f"{group}/{name}", value, step)


@contextmanager
def open_tracker(folder: Path, step: int, *, enabled: bool) -> Iterator[Tracker]:
    """A tracker that goes on after `step`. Raises TrainError if TensorBoard is not installed."""
    if not enabled:
        yield Tracker()
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise TrainError(
            "train.loop.tensorboard is on, but the package tensorboard is not installed: "
            "install it or set it to false"
        ) from error
    # Points after the checkpoint come from a sitting that was cut off; they are made again.
    writer = SummaryWriter(str(folder / FOLDER), purge_step=step + 1)
    try:
        yield Tracker(writer)
    finally:
        writer.close()
