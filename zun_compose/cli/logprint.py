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
    """Prints lines on the stream they were written to, stdout or stderr."""

    def __init__(self, *, color: bool, prefix: bool = True, timestamps: bool = False, width: int = 0) -> None:
        self._color = color
        self._prefix = prefix
        self._timestamps = timestamps
        self._width = width
        self._colors: dict[str, str] = {}
        self._lock = Lock()

    def line(self, container: Observed, line: LogLine) -> None:
        """Print one line."""
        at = f"{line.at} " if self._timestamps and line.at else ""
        stream = sys.stderr if line.stream == "stderr" else sys.stdout
        with self._lock:
            self._write(stream, f"{self._head(label(container))}{at}{line.text}\n")

    def say(self, container: str, text: str) -> None:
        """Print a word of ours about a container, such as "exited with code 0"."""
        with self._lock:
            self._write(sys.stderr, f"{container} {text}\n")

    def _head(self, name: str) -> str:
        if not self._prefix:
            return ""
        self._width = max(self._width, len(name))
        padded = f"{name:<{self._width}}  | "
        if not self._color:
            return padded
        color = self._colors.setdefault(name, _COLORS[len(self._colors) % len(_COLORS)])
        return f"\x1b[{color}m{padded}\x1b[0m"

    def _write(self, stream: TextIO, text: str) -> None:
        # Not click.echo: that would take a container's own colours out where we are piped.
        stream.write(text)
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
