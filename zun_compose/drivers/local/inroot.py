"""Opens files as a container's own processes see them, without being one of them.

Each path is resolved by openat2(2) as if the container's root were ours (Linux 5.6): no link, not even one
that is changed meanwhile, leads out. Our own code, and what it loads, stays that of the machine.
"""

from __future__ import annotations

import ctypes
import os
import posixpath
import stat
import struct

from zun_compose.container import PathSeen
from zun_compose.drivers.local.supervise.targets import followed
from zun_compose.errors import NotFound, Rejected
from zun_compose.linux import calls

_OPENAT2 = 437  # the same on all architectures
_NO_MAGIC_LINKS = 0x02
_IN_ROOT = 0x10
_AT = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)


def enter(pid: int) -> int:
    """Open the root of a process and become root of its user namespace; only with one thread.

    Returns the open root. Raises OSError, also if the process is gone.
    """
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    kinds = calls.namespaces_apart(pid) & calls.CLONE_NEWUSER
    if kinds:
        descriptor = os.pidfd_open(pid)
        calls.setns(descriptor, kinds)
        os.close(descriptor)
    return root


def opened(root: int, path: str, flags: int) -> int:
    """Open a path below a root. Raises OSError."""
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, 0, _IN_ROOT | _NO_MAGIC_LINKS)
    name = os.fsencode(path.lstrip("/") or ".")
    found = _libc.syscall(_OPENAT2, root, name, how, len(how))
    if found < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return int(found)


def looked(root: int, path: str) -> PathSeen:
    """Tell what lies at a path. Raises NotFound, Rejected."""
    status, target = _at(root, path)
    name = posixpath.basename(path) or "/"
    if target is None:
        return PathSeen(name=name, folder=stat.S_ISDIR(status.st_mode))
    try:
        return PathSeen(name=name, link=followed(path, lambda part: _link(root, part)))
    except OSError as error:
        raise Rejected(f'cannot follow "{path}": {(error.strerror or str(error)).lower()}') from None


def _link(root: int, path: str) -> str | None:
    try:
        return _at(root, path)[1]
    except NotFound:
        return None


def _at(root: int, path: str) -> tuple[os.stat_result, str | None]:
    """Return the status of what lies at a path, and where it leads if it is a link."""
    try:
        descriptor = opened(root, path, _AT)
        try:
            status = os.fstat(descriptor)
            return status, os.readlink("", dir_fd=descriptor) if stat.S_ISLNK(status.st_mode) else None
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f'there is no "{path}"') from None
    except OSError as error:
        raise Rejected(f'cannot look at "{path}": {(error.strerror or "").lower()}') from None
