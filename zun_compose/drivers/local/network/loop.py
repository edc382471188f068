"""One thread's event loop: descriptors that are ready, and things to do at a time."""

from __future__ import annotations

import heapq
import itertools
import select
import time
from collections.abc import Callable

_LONGEST = 60.0


class Loop:
    """Calls back on readiness (level-triggered) and at times (seconds of the monotonic clock)."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._calls: dict[int, tuple[int, Callable[[int], None]]] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._stopped = False

    @property
    def descriptor(self) -> int:
        """The poll's own descriptor."""
        return self._epoll.fileno()

    def watch(self, descriptor: int, mask: int, call: Callable[[int], None]) -> None:
        """Call with the events that are there; a mask of 0 stops it, errors and hang-ups included.

        Those are reported whatever the mask is: watching for nothing would spin on them.
        """
        known = self._calls.get(descriptor)
        if not mask:
            if known is not None:
                del self._calls[descriptor]
                self._epoll.unregister(descriptor)
            return
        self._calls[descriptor] = (mask, call)
        if known is None:
            self._epoll.register(descriptor, mask)
        elif known[0] != mask:
            self._epoll.modify(descriptor, mask)

    def forget(self, descriptor: int) -> None:
        """Stop watching; to be called before the descriptor is closed."""
        self.watch(descriptor, 0, _nothing)

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Call once, in so many seconds."""
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), call))

    def stop(self) -> None:
        """Let `run` return after the events at hand."""
        self._stopped = True

    def run(self) -> None:
        """Serve until stopped."""
        while not self._stopped:
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                heapq.heappop(self._due)[2]()
            wait = min(_LONGEST, max(0.0, self._due[0][0] - time.monotonic())) if self._due else _LONGEST
            for descriptor, events in self._epoll.poll(wait):
                known = self._calls.get(descriptor)
                # Gone if an earlier event of this round ended it.
                if known is not None:
                    known[1](events)
        self._epoll.close()


def _nothing(_: int) -> None:
    """Stand in where nothing will be called."""
