"""One operation a stack and engine at a time on this machine: flock, which death releases.

The file is never removed: whoever waits holds the same inode as the owner. Two machines on one
engine share no lock; there the engine's own name conflicts decide.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

from zun_compose.errors import Cancelled, StateError
from zun_compose.state import files

FORMAT = 1
# A blocked flock cannot be woken by a cancel from another thread, so we ask again; this is how
# late we notice that the owner is done.
RETRY_SECONDS = 0.05


@contextmanager
def hold(
    path: Path,
    command: str,
    *,
    wait: bool = True,
    on_wait: Callable[[str], None] | None = None,
    cancel: Event | None = None,
) -> Iterator[None]:
    """Hold the lock at `path` for `command` (such as "zun-compose up") inside the block.

    `on_wait` is told once who holds it, when we have to wait. Raises StateError `state.locked` if
    `wait` is False and somebody holds it, Cancelled if `cancel` is set while waiting.
    """
    descriptor = _open(path)
    try:
        _acquire(descriptor, path, wait=wait, on_wait=on_wait, cancel=cancel)
        _refuse_newer(descriptor, path)
        _write(descriptor, path, files.encode({"pid": os.getpid(), "command": command}, FORMAT))
        try:
            yield
        finally:
            # Still ours: whoever reads it from now on must not be told that we are at work.
            with suppress(StateError):
                _write(descriptor, path, files.encode({"pid": None, "command": ""}, FORMAT))
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    files.folder(path.parent)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, files.FILE_MODE)
    except OSError as error:
        raise files.unusable(path, error) from error


def _acquire(
    descriptor: int, path: Path, *, wait: bool, on_wait: Callable[[str], None] | None, cancel: Event | None
) -> None:
    told = False
    while not _try(descriptor, path):
        owner = _owner(descriptor)
        if not wait:
            message = f"{owner} is at work on this stack; try again when it is done"
            raise StateError(message, code="state.locked")
        if not told and on_wait is not None:
            on_wait(f"waiting for {owner}")
        told = True
        if cancel is None:
            time.sleep(RETRY_SECONDS)
        elif cancel.wait(RETRY_SECONDS):
            raise Cancelled(f"interrupted while waiting for {owner}")


def _try(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise files.unusable(path, error) from error
    return True


def _refuse_newer(descriptor: int, path: Path) -> None:
    text = os.pread(descriptor, files.MAX_BYTES, 0)
    try:
        files.decode(path, text, FORMAT)
    except StateError as error:
        # A lock file says nothing that must be kept: an empty or torn one is simply written anew.
        if error.code == "state.newer":
            raise


def _owner(descriptor: int) -> str:
    """Who holds the lock, for people; tolerates a file that is just being written."""
    try:
        body = json.loads(os.pread(descriptor, 65536, 0))
        command, pid = body["command"], body["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        return "another zun-compose"
    if not isinstance(command, str) or not isinstance(pid, int):
        return "another zun-compose"
    return f"{command or 'zun-compose'} (pid {pid})"


def _write(descriptor: int, path: Path, text: bytes) -> None:
    # In place, not by rename: the lock belongs to the inode.
    try:
        os.pwrite(descriptor, text, 0)
        os.ftruncate(descriptor, len(text))
    except OSError as error:
        raise files.unusable(path, error) from error
