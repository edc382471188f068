"""The loop of a process of one thread: files that can be read, named moments, children that end.

Keepers and supervisors live in it. Forwarders, which watch for more and are told nothing by name, have
`network.loop`.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

_MOST_WAKES = 1 << 16


class Loop:
    """Calls back in the thread that runs it."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._due: dict[str, tuple[float, Callable[[], None]]] = {}
        self._wakers: tuple[int, ...] = ()

    def watch(self, descriptor: int, handler: Callable[[], None]) -> None:
        """Call whenever the file can be read."""
        self._handlers[descriptor] = handler
        self._poll.register(descriptor, select.EPOLLIN)

    def forget(self, descriptor: int) -> None:
        """Watch a file no more; to be called before it is closed."""
        if self._handlers.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def watches(self, descriptor: int) -> bool:
        """Whether the file is watched."""
        return descriptor in self._handlers

    def at(self, what: str, moment: float, call: Callable[[], None]) -> None:
        """Call once at a moment (monotonic seconds), in place of what was due by that name."""
        self._due[what] = (moment, call)

    def cancel(self, what: str) -> None:
        """Do not call what is due by that name, if anything is."""
        self._due.pop(what, None)

    def wake_for_children(self, handler: Callable[[], None]) -> None:
        """Call when children have ended, which `ended_children` tells. Takes the process's SIGCHLD."""
        reader, writer = self._wakers = os.pipe()
        for end in self._wakers:
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

        def woken() -> None:
            with suppress(BlockingIOError):
                os.read(reader, _MOST_WAKES)
            handler()

        self.watch(reader, woken)

    def turn(self, patience: float | None = None) -> None:
        """Wait for what comes first, at most `patience` seconds (None: as long as it takes), and call."""
        soonest = min((moment for moment, _ in self._due.values()), default=None)
        if soonest is not None:
            left = max(soonest - time.monotonic(), 0.0)
            patience = left if patience is None else min(patience, left)
        for descriptor, _ in self._poll.poll(patience):
            handler = self._handlers.get(descriptor)
            if handler is not None:
                handler()
        now = time.monotonic()
        for what in [what for what, (moment, _) in self._due.items() if moment <= now]:
            # an earlier one may have cancelled it, or put it off
            due = self._due.get(what)
            if due is not None and due[0] <= now:
                del self._due[what]
                due[1]()

    def abandon(self) -> None:
        """Let go of all in a forked child, whose loop this is not."""
        if self._wakers:
            signal.set_wakeup_fd(-1)
        for end in self._wakers:
            os.close(end)
        self._poll.close()
        self._handlers.clear()
        self._due.clear()


def ended_children() -> Iterator[tuple[int, int]]:
    """Reap the children that have ended, one by one: their pids and wait statuses."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status
