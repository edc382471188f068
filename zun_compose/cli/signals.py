"""Ctrl-C and SIGTERM during an operation: the first asks it to end, the second leaves at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

from zun_compose.cli.errors import INTERRUPTED

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Catches both signals inside a with block, in the main thread; elsewhere it catches nothing.

    Each signal calls the next of `steps`; the one after the last leaves with exit code 130 at once,
    after `farewell` has said what is still in flight. Handlers run between two instructions of
    whatever the main thread is doing: steps must only set events and write to descriptors.
    """

    def __init__(self, steps: Sequence[Callable[[], None]], farewell: Callable[[], str]) -> None:
        self._steps = steps
        self._farewell = farewell
        self._before: dict[int, Any] = {}
        self.count = 0

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _caught(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count <= len(self._steps):
            self._steps[self.count - 1]()
            return
        shout(self._farewell())
        # Not sys.exit: that would wait for threads that sit in engine calls.
        os._exit(INTERRUPTED)


def shout(text: str) -> None:
    """Write a line to stderr from a signal handler: past Python's buffers, which may be in use just now."""
    with suppress(OSError):
        os.write(2, f"{text}\n".encode())
