"""A door to the engine at the TCP port where zun-wsproxy looks for it, as a cloud's hosts have one."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

ENGINE = "/var/run/docker.sock"
PORT = 2375
"""Zun's docker_remote_api_port where nobody sets it."""


@contextmanager
def opened() -> Iterator[None]:
    """Have the engine reachable on this machine's loopback alone, unless it is already."""
    try:
        listener = socket.create_server(("127.0.0.1", PORT))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        yield
        return
    threading.Thread(target=_serve, args=(listener,), daemon=True).start()
    try:
        yield
    finally:
        # a close alone would not wake the thread
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def is_open() -> bool:
    """Whether somebody listens there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", PORT), timeout=5):
        return True
    return False


def _serve(listener: socket.socket) -> None:
    while True:
        try:
            caller, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_join, args=(caller,), daemon=True).start()


def _join(caller: socket.socket) -> None:
    with caller, socket.socket(socket.AF_UNIX) as engine:
        engine.connect(ENGINE)
        back = threading.Thread(target=_carry, args=(engine, caller), daemon=True)
        back.start()
        _carry(caller, engine)
        back.join()


def _carry(source: socket.socket, goal: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            goal.sendall(data)
    with suppress(OSError):
        goal.shutdown(socket.SHUT_WR)
