"""The disk as a Source: the only file of this package that does input and output."""

from __future__ import annotations

import errno
import os
import select
import stat
import sys

LIMIT = 16 * 1024 * 1024
"""Bytes; larger files are refused unread."""

_NULL = os.makedev(1, 3)

PATIENCE = 60.0
"""Seconds; whoever writes into a pipe may have to ask somebody for a passphrase first."""


def _refuse(status: os.stat_result, path: str) -> None:
    """Raise OSError for what is no file, no pipe and not the null device, and for what is too large."""
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder", path)
    null = stat.S_ISCHR(mode) and status.st_rdev == _NULL
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or null):
        raise OSError(errno.EINVAL, "is a device or a socket", path)
    if status.st_size > LIMIT:
        raise OSError(errno.EFBIG, "larger than 16 MiB", path)


class Disk:
    """Files of this machine. `cwd` stands in for the working directory, None is the real one.

    `patience` is how many seconds a pipe may stay silent.
    """

    def __init__(self, cwd: str | None = None, *, patience: float = PATIENCE) -> None:
        self._cwd = cwd
        self._patience = patience
        self._stdin: bytes | None = None

    def cwd(self) -> str:
        """Return the working directory by the name the shell gives it, so that symlinks keep their names."""
        if self._cwd is not None:
            return self._cwd
        real = os.getcwd()
        named = os.environ.get("PWD", "")
        try:
            if os.path.isabs(named) and os.path.samefile(named, real):
                return named
        except OSError:
            pass
        return real

    def read(self, path: str) -> bytes:
        """Return the file's bytes; "-" is standard input, which is read once and remembered."""
        if path == "-":
            if self._stdin is None:
                self._stdin = sys.stdin.buffer.read(LIMIT + 1)
            if len(self._stdin) > LIMIT:
                raise OSError(errno.EFBIG, "larger than 16 MiB", path)
            return self._stdin
        # What opening alone would set off, as of a tape or a watchdog, stays off: it is looked at before.
        _refuse(os.stat(path), path)
        # Non-blocking, so that a named pipe without a writer cannot hold us for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            _refuse(status, path)
            piped = stat.S_ISFIFO(status.st_mode)
            content = self._drained(descriptor, path) if piped else file.read(LIMIT + 1)
        if len(content) > LIMIT:
            raise OSError(errno.EFBIG, "larger than 16 MiB", path)
        return content

    def _drained(self, descriptor: int, path: str) -> bytes:
        """Return what comes through a pipe, such as that of a shell's <(command)."""
        content = bytearray()
        while len(content) <= LIMIT:
            try:
                piece = os.read(descriptor, 1 << 16)
            except BlockingIOError:
                # Somebody holds the other end. Asking first would wait for a writer where there is none.
                ready, _, _ = select.select([descriptor], [], [], self._patience)
                if ready:
                    continue
                raise OSError(errno.ETIMEDOUT, "nothing came through the pipe", path) from None
            if not piece:
                break
            content += piece
        return bytes(content)

    def exists(self, path: str) -> bool:
        """Tell whether something is there (a dangling link is not)."""
        return os.path.exists(path)

    def is_dir(self, path: str) -> bool:
        """Tell whether it is a folder."""
        return os.path.isdir(path)
