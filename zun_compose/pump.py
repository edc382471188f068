"""Bytes between a connection and our own streams, until the other side ends: for drivers' terminals."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import sys
import termios
import time
import tty
from collections.abc import Callable
from contextlib import suppress
from threading import Thread, current_thread, main_thread
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

from zun_compose.driver import Session

CHUNK = 32768
# a terminal's size can only be set once its process runs, which the engine does not tell
SIZE_TRIES = (0.0, 0.05, 0.2, 0.5)

Size = tuple[int, int]
"""Rows and columns."""


class Stream(Protocol):
    """A connection that carries bytes both ways. All calls raise OSError for one that broke."""

    def read(self, size: int) -> bytes:
        """Return what has come, at most so many bytes, once there is any; b"" at the end."""
        ...

    def send(self, data: bytes) -> None:
        """Send all of it."""
        ...

    def end_input(self) -> None:
        """Tell the other side that nothing more comes."""
        ...

    def cut(self) -> None:
        """End what other threads wait for."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...


class Pump:
    """Joins our streams to a connection; leaves the terminal as it found it."""

    def __init__(self, stream: Stream, session: Session, resize: Callable[[Size], None]) -> None:
        self._stream = stream
        self._session = session
        self._resize = resize
        self._terminal = session.tty and session.stdin and os.isatty(0)
        self._saved: list[Any] | None = None
        self._handler: Any = None
        self._wake_read, self._wake_write = os.pipe()
        self._feeder: Thread | None = None

    def __enter__(self) -> Self:
        os.set_blocking(self._wake_write, False)
        if self._terminal:
            # before anything starts, and keeping what was typed ahead
            self._saved = termios.tcgetattr(0)
            tty.setraw(0, termios.TCSADRAIN)
        if self._session.tty and current_thread() is main_thread():
            self._handler = signal.signal(signal.SIGWINCH, self._on_size)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._saved is not None:
            # the output of the command may still be on its way to the terminal
            termios.tcsetattr(0, termios.TCSADRAIN, self._saved)
        if self._handler is not None:
            signal.signal(signal.SIGWINCH, self._handler)
        self._stream.cut()
        self._tell(b"q")
        if self._feeder is not None:
            self._feeder.join(1.0)
        self._stream.close()
        os.close(self._wake_write)
        os.close(self._wake_read)

    def run(self, take: Callable[[bytes], None] | None = None) -> None:
        """Carry bytes until the other side closes its output; `take` gets them (None: our stdout)."""
        self._feeder = Thread(target=self._feed, name="stdin", daemon=True)
        self._feeder.start()
        while data := self._stream.read(CHUNK):
            if take is None:
                write(1, data)
            else:
                take(data)

    def _on_size(self, signum: int, frame: FrameType | None) -> None:
        # a signal handler must not call the engine: the call it interrupts may hold the pool's lock
        self._tell(b"w")

    def _tell(self, word: bytes) -> None:
        with suppress(OSError):
            os.write(self._wake_write, word)

    def _feed(self) -> None:
        """Send our stdin and size changes; in a thread of its own, which never blocks in a read."""
        tries = [time.monotonic() + pause for pause in SIZE_TRIES] if self._session.tty else []
        watched = [self._wake_read, *([0] if self._session.stdin else [])]
        while True:
            patience = max(0.0, tries[0] - time.monotonic()) if tries else None
            ready, _, _ = select.select(watched, [], [], patience)
            if tries and time.monotonic() >= tries[0]:
                tries.pop(0)
                self._send_size()
            if self._wake_read in ready:
                words = os.read(self._wake_read, 64)
                if b"q" in words:
                    return
                self._send_size()
            if 0 in ready and not self._forward():
                watched.remove(0)

    def _forward(self) -> bool:
        """Send what our stdin holds; False once it, or the other side's interest in it, has ended."""
        try:
            data = os.read(0, CHUNK)
            if data:
                self._stream.send(data)
            else:
                self._stream.end_input()
        except OSError:
            return False
        return bool(data)

    def _send_size(self) -> None:
        size = _size()
        if size is not None:
            self._resize(size)


def _size() -> Size | None:
    """Return rows and columns of our terminal, if we have one."""
    for descriptor in (1, 0, 2):
        with suppress(OSError):
            answer = fcntl.ioctl(descriptor, termios.TIOCGWINSZ, b"\0" * 8)
            rows, columns = struct.unpack("HHHH", answer)[:2]
            if rows and columns:
                return rows, columns
    return None


def write(descriptor: int, data: bytes) -> None:
    """Write all of it, after what Python itself still holds back."""
    (sys.stdout if descriptor == 1 else sys.stderr).flush()
    write_all(descriptor, data)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, also to a descriptor that does not block."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
