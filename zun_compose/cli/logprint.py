"""Log lines with their container's name before them, in a colour of its own. Safe from several threads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TextIO

from zun_compose.container import LogLine, Observed

# Those that can be read on black and on white; the order is docker compose's.
_COLORS = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94")


class LogPrinter:
    """Prints lines on the stream they were written to, stdout or stderr.

    `live` shows each line at once; otherwise they come when Python's buffers are full, and at the end.
    """

    def __init__(
        self,
        *,
        color: bool,
        prefix: bool = True,
        timestamps: bool = False,
        width: int = 0,
        live: bool = True,
    ) -> None:
        self._color = color
        self._prefix = prefix
        self._timestamps = timestamps
        self._width = width
        self._live = live
        self._colors: dict[str, str] = {}
        self._heads: dict[str, str] = {}
        self._last: TextIO | None = None
        self._lock = Lock()

    def line(self, container: Observed, line: LogLine) -> None:
        """Print one line."""
        with self._lock:
            head = self._heads.get(container.id)
            if head is None:
                head = self._head(container)
            at = f"{line.at} " if self._timestamps and line.at else ""
            self._write(sys.stderr if line.stream == "stderr" else sys.stdout, f"{head}{at}{line.text}\n")

    def say(self, container: str, text: str) -> None:
        """Print a word of ours about a container, such as "exited with code 0"."""
        with self._lock:
            self._write(sys.stderr, f"{container} {text}\n")

    def _head(self, container: Observed) -> str:
        head = ""
        if self._prefix:
            name = label(container)
            if len(name) > self._width:
                # From here on all are as wide as the widest.
                self._width = len(name)
                self._heads.clear()
            head = f"{name:<{self._width}}  | "
            if self._color:
                color = self._colors.setdefault(name, _COLORS[len(self._colors) % len(_COLORS)])
                head = f"\x1b[{color}m{head}\x1b[0m"
        self._heads[container.id] = head
        return head

    def _write(self, stream: TextIO, text: str) -> None:
        if self._last is not stream:
            # Both may lead to the same place, where order is to be kept.
            if self._last is not None:
                self._last.flush()
            self._last = stream
        # Not click.echo: that would take a container's own colours out where we are piped.
        stream.write(text)
        if self._live:
            stream.flush()


def label(container: Observed) -> str:
    """Return the short name of a container: service and number."""
    return f"{container.service}-{container.number}" if container.service else container.name


@contextmanager
def following(lines: Iterator[tuple[Observed, LogLine]]) -> Iterator[Iterator[tuple[Observed, LogLine]]]:
    """Use merged log lines inside the block; their streams are closed at its end."""
    try:
        yield lines
    finally:
        close = getattr(lines, "close", None)
        if close is not None:
            close()
