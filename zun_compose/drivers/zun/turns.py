"""Turns to ask Zun for containers: a slow start.

What is asked for all at once is done side by side, and the first is done when nearly all are. One at first,
and one more at a time after each answer, has the first container there while others are still asked for, and
who waits for it can begin.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Turns:
    """Who comes first asks first; `most` ask at once at last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._width = 1
        self._taken = 0
        self._queue: deque[object] = deque()
        self._changed = Condition()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for a turn and hold it; it may end in an error."""
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                self._changed.wait_for(lambda: self._queue[0] is ticket and self._taken < self._width)
                self._taken += 1
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._taken -= 1
                self._width = min(self._most, self._width + 1)
                self._changed.notify_all()
