"""A keeper and containers in small: processes in namespaces of their own, without bubblewrap.

`run(case, uid)` calls a function of a module inside a fresh process that has made a user and a network
namespace, as root or as an ordinary user; what it asserts is what the test asserts.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zun_compose.drivers.local.network.rtnetlink import inside

ROOT = Path(__file__).parents[4]
NOBODY = 65534
NEWUSER, NEWNET = 0x10000000, 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def unshare(flags: int) -> None:
    if _LIBC.unshare(flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def enter() -> None:
    """Make a user namespace in which we are 0, and a network namespace."""
    uid, gid = os.geteuid(), os.getegid()
    unshare(NEWUSER | NEWNET)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


class Container:
    """A process in a user and a network namespace below ours; runs what it is told, one thing at a time."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                die_with_parent()
                self._ours.close()
                enter()
                theirs.send(b"x")
                theirs.recv(1)
            finally:
                os._exit(0)
        theirs.close()
        assert self._ours.recv(1) == b"x"

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be in its network namespace for a moment; hold nothing of it afterwards."""
        namespace = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)
        try:
            with inside(namespace):
                yield
        finally:
            os.close(namespace)

    def run(self, work: Callable[[], object]) -> str:
        """Do something in its network namespace, in a process of its own; its answer as text."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            try:
                with self.entered():
                    answer = str(work())
            except Exception:  # noqa: BLE001 - the parent asserts on the answer
                answer = f"failed: {traceback.format_exc()}"
            os.write(writer, answer.encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as file:
            text = file.read()
        os.waitpid(child, 0)
        return text

    def listen(self, port: int, address: str = "0.0.0.0", family: int = socket.AF_INET) -> socket.socket:
        """Open a listening socket inside; it stays inside, whoever holds it."""
        with self.entered():
            server = socket.socket(family, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen(256)
        return server

    def close(self) -> None:
        with suppress(OSError):
            self._ours.close()
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def run(case: str, uid: int = 0, timeout: float = 60) -> str:
    """Run `module:function` as a keeper of this user; returns what it printed, raises on any failure."""
    module, _, function = case.partition(":")
    command = [sys.executable, "-m", "tests.unit.local.network.lab", module, function]
    if uid != os.geteuid():
        command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command]
    # A group of its own, and no pipe that an orphan of it could hold open.
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    enter()
    getattr(importlib.import_module(sys.argv[1]), sys.argv[2])()
