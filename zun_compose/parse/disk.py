"""The disk as a Source: the only file of this package that does input and output."""

from __future__ import annotations

import errno
import os
import stat
import sys

LIMIT = 16 * 1024 * 1024
"""Bytes; larger files are refused unread."""


class Disk:
    """Files of this machine. `cwd` stands in for the working directory, None is the real one."""

    def __init__(self, cwd: str | None = None) -> None:
        self._cwd = cwd
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
        # Non-blocking, so that a named pipe without a writer cannot hold us for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, "is a folder", path)
            if status.st_size > LIMIT:
                raise OSError(errno.EFBIG, "larger than 16 MiB", path)
            if not stat.S_ISREG(status.st_mode):
                os.set_blocking(descriptor, True)
            content = file.read(LIMIT + 1)
        if len(content) > LIMIT:
            raise OSError(errno.EFBIG, "larger than 16 MiB", path)
        return content

    def exists(self, path: str) -> bool:
        """Tell whether something is there (a dangling link is not)."""
        return os.path.exists(path)

    def is_dir(self, path: str) -> bool:
        """Tell whether it is a folder."""
        return os.path.isdir(path)
