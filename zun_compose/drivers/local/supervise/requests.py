"""The container's socket: commands ask here, and are answered at once or when the time has come."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from zun_compose.drivers.local import wire
from zun_compose.drivers.local.loop import Loop
from zun_compose.errors import Rejected

Handler = Callable[[Mapping[str, Any], list[int], socket.socket], Mapping[str, Any] | None]
"""Takes a request, the files with it and the connection; None if it will be answered later by `answer`."""

_PATIENCE = 5.0


class Requests:
    """Serves requests by their verb."""

    def __init__(self, loop: Loop, path: Path, handlers: Mapping[str, Handler]) -> None:
        self._loop = loop
        self._path = path
        self._handlers = handlers

    def listen(self) -> None:
        """Let commands connect. Raises OSError."""
        listener = wire.listen(self._path)
        listener.setblocking(False)
        self._loop.watch(listener.fileno(), lambda: self._accept(listener))

    def close(self) -> None:
        """Let nobody connect any more."""
        with suppress(OSError):
            self._path.unlink()

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.settimeout(_PATIENCE)
        try:
            request, files = wire.receive(connection)
        except (OSError, EOFError, ValueError):
            connection.close()
            return
        try:
            reply = self._handle(request, files, connection)
        except Exception as error:  # noqa: BLE001 - whoever asked is told; the container goes on
            reply = wire.failure(error)
        finally:
            for descriptor in files:
                with suppress(OSError):
                    os.close(descriptor)
        if reply is not None:
            answer(connection, reply)

    def _handle(
        self, request: Mapping[str, Any], files: list[int], connection: socket.socket
    ) -> Mapping[str, Any] | None:
        handler = self._handlers.get(str(request.get("do")))
        if handler is None:
            raise Rejected("no such request")
        return handler(request, files, connection)


def answer(connection: socket.socket, reply: Mapping[str, Any]) -> None:
    """Answer whoever still waits, and hang up."""
    with suppress(OSError):
        wire.send(connection, reply)
    connection.close()
