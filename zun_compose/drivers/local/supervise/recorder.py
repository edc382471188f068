"""Writes what a container prints: one line each, with its moment and its stream, in files that rotate.

A line of the file is `MOMENT MARK TEXT`; MARK is o or e for the stream, O or E if the line goes on in the
next entry of that stream because it was too long to wait for its end.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from zun_compose.drivers.local.moment import rfc3339

LONGEST = 64 * 1024


class Recorder:
    """The log of one container."""

    def __init__(self, path: Path, size: int, files: int, *, kept: bool) -> None:
        self._path = path
        self._most = size
        self._files = files
        self._kept = kept
        self._pending = {"o": b"", "e": b""}
        self._descriptor = -1
        self._size = 0
        self._open()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def feed(self, mark: str, data: bytes) -> None:
        """Take what came from a stream ("o" or "e") and write the lines that it completes."""
        if not self._kept:
            return
        now = rfc3339().encode()
        *whole, rest = (self._pending[mark] + data).split(b"\n")
        entries = [now + b" " + mark.encode() + b" " + line + b"\n" for line in whole]
        while len(rest) >= LONGEST:
            entries.append(now + b" " + mark.upper().encode() + b" " + rest[:LONGEST] + b"\n")
            rest = rest[LONGEST:]
        self._pending[mark] = rest
        if entries:
            self._write(b"".join(entries))

    def finish(self) -> None:
        """Write what was left without a line end."""
        for mark, rest in self._pending.items():
            if rest:
                self._write(rfc3339().encode() + b" " + mark.encode() + b" " + rest + b"\n")
                self._pending[mark] = b""

    def _write(self, text: bytes) -> None:
        # a full disk costs lines, never the container
        with suppress(OSError):
            if self._descriptor < 0:
                self._open()
            if self._size and self._size + len(text) > self._most:
                self._rotate()
            while text:
                written = os.write(self._descriptor, text)
                self._size += written
                text = text[written:]

    def _rotate(self) -> None:
        # what fails from here on is tried again with the next line
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)
        for number in range(self._files - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            newer = self._path if number == 1 else self._path.with_name(f"{self._path.name}.{number - 1}")
            with suppress(FileNotFoundError):
                newer.rename(older)
        if self._files == 1:
            self._path.unlink(missing_ok=True)
        self._open()
