"""Looks at Zun's list of containers: whoever waits at the same time shares one reading.

A list comes from Zun's database alone, where a host writes what it has done. A fetch of one container asks
the engine of its host too, which is busy with the creation of others, and makes Zun take a container that is
just being removed for a failed one. What became of a process that was started, only a fetch tells.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Condition
from typing import Any

PAUSE = 0.1
"""Seconds from the end of one reading to the begin of the next."""


class Looks:
    """Readings of one list, for any number of threads. `read` reads it."""

    def __init__(self, read: Callable[[], Sequence[Any]], pause: float = PAUSE) -> None:
        self._read = read
        self._pause = pause
        self._changed = Condition()
        self._reading = False
        self._begun = 0
        self._done = 0
        self._rows: Sequence[Any] = ()
        self._next = 0.0

    def rows(self) -> Sequence[Any]:
        """Return what a reading found that began after this call. Raises what the reading raises."""
        with self._changed:
            wanted = self._begun + 1
            while self._reading and self._done < wanted:
                self._changed.wait()
            if self._done >= wanted:
                return self._rows
            # nobody reads, or who did has failed
            self._reading = True
        try:
            time.sleep(max(0.0, self._next - time.monotonic()))
            with self._changed:
                # who comes until now finds its answer in this reading
                self._begun += 1
                number = self._begun
            rows = self._read()
        except BaseException:
            self._ended()
            raise
        with self._changed:
            self._rows, self._done = rows, number
        self._ended()
        return rows

    def one(self, container: str) -> Any | None:
        """Return the row of a container by its id; None if it is not listed."""
        return next((row for row in self.rows() if row.id == container), None)

    def _ended(self) -> None:
        with self._changed:
            self._next = time.monotonic() + self._pause
            self._reading = False
            self._changed.notify_all()
