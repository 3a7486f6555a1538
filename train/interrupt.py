"""Ctrl-C and SIGTERM as a request: finish the step, save, then leave."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """While open, the first signal only sets `signal`; a second one acts at once, as usual."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        # Only the main thread may handle signals; elsewhere they stay with whoever does.
        if threading.current_thread() is threading.main_thread():
            self._before = {
                number: signal.signal(number, self._note)
                for number in SIGNALS
                # Started under nohup or the like: what is ignored stays ignored.
                if signal.getsignal(number) != signal.SIG_IGN
            }
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()

    @property
    def name(self) -> str:
        """What to call the request in a message."""
        return "Ctrl-C" if self.signal == signal.SIGINT else "SIGTERM"

    def leave(self) -> None:
        """End the program as the signal asked: KeyboardInterrupt, or exit code 128 + SIGTERM."""
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal is not None:
            raise SystemExit(128 + self.signal)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        self._give_back()

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
