"""Waiting for a folder to change: inotify, through the C library as Python has no name for it.

Whoever cannot have a watch (the user's limit is reached) is woken by time alone, more often.
"""

from __future__ import annotations

import ctypes
import os
import select
from contextlib import suppress
from pathlib import Path

_IN_MODIFY = 0x2
_IN_MOVED_TO = 0x80
_IN_CREATE = 0x100
_IN_DELETE = 0x200
_IN_DELETE_SELF = 0x400
_IN_MOVE_SELF = 0x800
_MASK = _IN_MODIFY | _IN_MOVED_TO | _IN_CREATE | _IN_DELETE | _IN_DELETE_SELF | _IN_MOVE_SELF
_WITHOUT = 0.02

_libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    """Wakes when something in a folder changes. One thread waits; any thread may wake it."""

    def __init__(self, folder: Path) -> None:
        self._inotify = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._inotify >= 0 and _libc.inotify_add_watch(self._inotify, os.fsencode(folder), _MASK) < 0:
            os.close(self._inotify)
            self._inotify = -1
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closed = False

    def wait(self, seconds: float) -> None:
        """Return when something changed, `wake` was called or the time is over."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        if self._inotify >= 0:
            poll.register(self._inotify, select.POLLIN)
        else:
            seconds = min(seconds, _WITHOUT)
        for descriptor, _ in poll.poll(seconds * 1000):
            with suppress(BlockingIOError):
                os.read(descriptor, 1 << 16)

    def wake(self) -> None:
        """Let the wait end, or the next one if nobody waits."""
        if not self._closed:
            with suppress(OSError):
                os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        """Let the kernel forget it."""
        if not self._closed:
            self._closed = True
            os.close(self._bell)
            if self._inotify >= 0:
                os.close(self._inotify)
