"""Our own stdin, stdout and stderr, given to a command or joined to a terminal of a container."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import suppress
from threading import current_thread, main_thread
from types import FrameType
from typing import Any, Self

from zun_compose.pump import write_all

_CHUNK = 1 << 15


def flush() -> None:
    """Write what Python itself still holds back, so that it stands before a command's output."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()


@contextlib.contextmanager
def own(*, stdin: bool, silent: bool = False) -> Iterator[tuple[int, int, int]]:
    """Our streams as files to hand over; without `stdin`, or all of them if `silent`, nothing is there."""
    null = os.open(os.devnull, os.O_RDWR)
    try:
        yield (0 if stdin and not silent else null, null if silent else 1, null if silent else 2)
    finally:
        os.close(null)


class Terminal:
    """Joins our streams to a container's terminal, whose files it closes at the end.

    `end` is the terminal's own end; `output` where what it shows comes from, if somebody else reads that.
    Our own terminal is left as it was found.
    """

    def __init__(self, end: int, *, stdin: bool, output: int | None = None) -> None:
        self._end = end
        self._output = end if output is None else output
        self._stdin = stdin
        self._saved: list[Any] | None = None
        self._handler: Any = None

    def __enter__(self) -> Self:
        if self._stdin and os.isatty(0):
            self._saved = termios.tcgetattr(0)
            tty.setraw(0, termios.TCSADRAIN)
        self._resize()
        if current_thread() is main_thread():
            self._handler = signal.signal(signal.SIGWINCH, self._resize)
        return self

    def __exit__(self, *_: object) -> None:
        if self._saved is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, self._saved)
        if self._handler is not None:
            signal.signal(signal.SIGWINCH, self._handler)
        for descriptor in {self._end, self._output}:
            os.close(descriptor)

    def run(self) -> None:
        """Carry bytes until the other end closes."""
        waited = [self._output, *([0] if self._stdin else [])]
        while True:
            ready, _, _ = select.select(waited, [], [])
            if 0 in ready:
                data = os.read(0, _CHUNK)
                if not data:
                    waited.remove(0)
                    # what reads from a terminal knows an end of input by this character
                    data = b"\x04"
                with suppress(OSError):
                    write_all(self._end, data)
            if self._output in ready:
                try:
                    data = os.read(self._output, _CHUNK)
                except OSError:
                    return  # a terminal tells its end by an error
                if not data:
                    return
                write_all(1, data)

    def _resize(self, _: int = 0, __: FrameType | None = None) -> None:
        for source in (1, 0, 2):
            try:
                size = fcntl.ioctl(source, termios.TIOCGWINSZ, b"\0" * 8)
            except OSError:
                continue
            with suppress(OSError):
                fcntl.ioctl(self._end, termios.TIOCSWINSZ, size)
            return
