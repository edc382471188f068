"""Learns from the kernel that a container has ended, and how, ahead of its engine.

An engine tells of an exit after it has cleaned up, some 80 to 100 ms late, and while it cleans up it
answers no question about that container. The kernel knows at once: a pidfd tells the end of any process that
we can see, and from Linux 6.15 on its exit status too (pidfd_open(2); PIDFD_GET_INFO in linux/pidfd.h). Where
any of that is missing nothing is told here, and the engine's word comes as ever.

A short job may be over before the engine has told its pid, so the process is looked up in the container's
cgroup while it is being started: there it is number 1 of a pid namespace of its own.
"""

from __future__ import annotations

import contextlib
import os
import select
import struct
import threading
from collections.abc import Callable, Iterator
from functools import cache

from zun_compose.observe.process import hierarchies, trusted

_TICK = 0.004
_LONGEST_SEARCH = 30.0
_GET_INFO = 0xC040FF0B
"""_IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info), in its first published size of 64 bytes."""

_INFO_SIZE = 64
_INFO_EXIT = 1 << 3
_CODE_AT = 60
_PLACES = ("docker/{}", "system.slice/docker-{}.scope", "machine.slice/libpod-{}.scope")
_CONTROLLERS = ("pids", "devices", "freezer", "memory")


class ExitWatch:
    """Follows containers in one thread; `told` is called from it with a container's id, pid and exit code.

    Codes are a shell's: 128 and the signal's number for a process that a signal ended.
    """

    def __init__(self, told: Callable[[str, int, int], None]) -> None:
        self._told = told
        self._lock = threading.Lock()
        self._expected: dict[str, float] = {}
        self._followed: dict[int, tuple[str, int]] = {}
        self._thread: threading.Thread | None = None
        self._closed = False
        self._poll: select.epoll | None = None
        self._wake = -1
        if hasattr(select, "epoll") and hasattr(os, "pidfd_open") and hasattr(os, "eventfd"):
            self._poll = select.epoll()
            self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._poll.register(self._wake, select.EPOLLIN)

    def expect(self, container: str) -> None:
        """Look for the process of a container (its full id) that is about to be started."""
        with self._lock:
            if self._poll is None or self._closed:
                return
            self._expected[container] = _LONGEST_SEARCH
            self._begin()

    def follow(self, container: str, pid: int | None) -> None:
        """Follow a container that runs, if the engine's claim of its pid holds."""
        with self._lock:
            if self._poll is None or self._closed or self._follows(container):
                return
            process = trusted(pid, container)
            if process is None:
                return
            with contextlib.suppress(OSError):
                number = os.pidfd_open(process.pid)
                if process.alive:
                    self._add(number, container, process.pid)
                    self._begin()
                else:
                    os.close(number)

    def close(self) -> None:
        """Follow nothing any more; nothing is told once this has returned."""
        with self._lock:
            if self._poll is None or self._closed:
                return
            self._closed = True
            os.eventfd_write(self._wake, 1)
            thread = self._thread
        if thread is None:
            self._release()
        elif thread is not threading.current_thread():
            thread.join()

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="exits", daemon=True)
            self._thread.start()
        else:
            os.eventfd_write(self._wake, 1)

    def _follows(self, container: str) -> bool:
        return any(followed == container for followed, _ in self._followed.values())

    def _add(self, number: int, container: str, pid: int) -> None:
        assert self._poll is not None
        # Its end is asked for; that it was reaped is told unasked, and only then the kernel has the status.
        self._poll.register(number, 0)
        self._followed[number] = (container, pid)
        self._expected.pop(container, None)

    def _run(self) -> None:
        assert self._poll is not None
        while True:
            with self._lock:
                if self._closed:
                    break
                searching = bool(self._expected)
            for number, _ in self._poll.poll(_TICK if searching else None):
                if number == self._wake:
                    with contextlib.suppress(BlockingIOError):
                        os.eventfd_read(self._wake)
                else:
                    self._ended(number)
            if searching:
                self._search()
        self._release()

    def _ended(self, number: int) -> None:
        code = exit_code(number)
        with self._lock:
            container, pid = self._followed.pop(number)
            silent = self._closed or code is None
        assert self._poll is not None
        self._poll.unregister(number)
        os.close(number)
        if not silent and code is not None:
            self._told(container, pid, code)

    def _search(self) -> None:
        with self._lock:
            for container, left in list(self._expected.items()):
                found = first_process(container)
                if found is not None:
                    number, pid = found
                    self._add(number, container, pid)
                elif left <= _TICK:
                    del self._expected[container]
                else:
                    self._expected[container] = left - _TICK

    def _release(self) -> None:
        assert self._poll is not None
        for number in (*self._followed, self._wake):
            os.close(number)
        self._followed.clear()
        self._poll.close()


def exit_code(pidfd: int) -> int | None:
    """Return how a reaped process ended, None where the kernel does not say."""
    import fcntl

    told = bytearray(_INFO_SIZE)
    struct.pack_into("Q", told, 0, _INFO_EXIT)
    try:
        fcntl.ioctl(pidfd, _GET_INFO, told)
    except OSError:
        return None
    if not struct.unpack_from("Q", told)[0] & _INFO_EXIT:
        return None
    code = os.waitstatus_to_exitcode(struct.unpack_from("i", told, _CODE_AT)[0])
    return code if code >= 0 else 128 - code


def first_process(container: str) -> tuple[int, int] | None:
    """Return a pidfd and the pid of a container's first process, found by the container's full id."""
    for path in _folders(container):
        for pid in _processes(path):
            if not _is_first(pid):
                continue
            with contextlib.suppress(OSError):
                number = os.pidfd_open(pid)
                # The number may have been handed on before it was opened.
                if pid in _processes(path) and _is_first(pid):
                    return number, pid
                os.close(number)
    return None


def _folders(container: str) -> Iterator[str]:
    for point in _mounts():
        for place in _PLACES:
            yield f"{point}/{place.format(container)}/cgroup.procs"


@cache
def _mounts() -> tuple[str, ...]:
    """Return where to look: the unified hierarchy, and one of the older ones that engines always use."""
    found = [point for root, point, kind, _ in hierarchies() if kind == "cgroup2" and root == "/"]
    older = {
        name: point
        for root, point, kind, options in hierarchies()
        if kind == "cgroup" and root == "/"
        for name in options
    }
    found += [older[name] for name in _CONTROLLERS if name in older][:1]
    return tuple(found)


def _processes(path: str) -> tuple[int, ...]:
    try:
        with open(path, "rb", buffering=0) as file:
            return tuple(int(word) for word in file.read(4096).split() if word != b"0")
    except OSError:
        return ()


def _is_first(pid: int) -> bool:
    """Tell whether a process is number 1 of a pid namespace below ours."""
    try:
        with open(f"/proc/{pid}/status", "rb", buffering=0) as file:
            text = file.read(8192)
    except OSError:
        return False
    start = text.find(b"\nNSpid:")
    if start < 0:
        return False
    numbers = text[start + 7 : text.index(b"\n", start + 1)].split()
    return len(numbers) > 1 and numbers[-1] == b"1"
