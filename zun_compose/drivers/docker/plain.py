"""HTTP over a Unix socket with nothing but the standard library.

The SDK and its HTTP library cost a third of a short command to import, and half of each call. A socket of
this machine needs nothing of what they add (docs/adr/0011-plain-transport.md).
"""

from __future__ import annotations

import select
import socket
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPResponse
from typing import Any

from zun_compose.drivers.docker.transport import Body, Reply, Stream

KEPT = 32
BLOCK = 65536


class _Connection(HTTPConnection):
    """A connection that knows whether anything of a request went out on it."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds, blocksize=BLOCK)
        self._path = path
        self.sent = False

    def connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(self.timeout)
            sock.connect(self._path)
        except BaseException:
            sock.close()
            raise
        self.sock = sock

    def send(self, data: Any) -> None:
        super().send(data)
        self.sent = True

    @property
    def dead(self) -> bool:
        """Whether the other side closed it, or said something that nobody asked for."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))

    def exchange(
        self, method: str, path: str, body: Body, headers: Mapping[str, str], timeout: float | None
    ) -> HTTPResponse:
        """Send a request and return its reply, of which the headers are read; closed if that fails."""
        self.sent = False
        try:
            if self.sock is not None:
                self.sock.settimeout(self.timeout)
            try:
                self.request(method, path, body, headers)
            except (BrokenPipeError, ConnectionResetError):
                # an engine that refuses a long body says why before it hangs up
                if not self.sent:
                    raise
            self.sock.settimeout(timeout)
            return self.getresponse()
        except BaseException:
            self.close()
            raise


class Plain:
    """Transport over the Unix socket at `path`; `timeout` seconds bound connecting and sending."""

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        # the one used last comes first; append and pop are atomic
        self._idle: list[_Connection] = []

    def __del__(self) -> None:
        self.close()

    def ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout: float | None
    ) -> Reply:
        """Send one request and read the whole reply, on a connection that serves others afterwards."""
        connection, head = self._exchange(method, path, body, headers, timeout)
        try:
            reply = Reply(status=head.status, reason=head.reason, headers=head.headers, content=head.read())
        except BaseException:
            head.close()
            connection.close()
            raise
        if connection.sock is not None and len(self._idle) < KEPT:
            self._idle.append(connection)
        else:
            connection.close()
        return reply

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout: float | None
    ) -> tuple[_Connection, HTTPResponse]:
        connection = self._idler()
        if connection is not None:
            try:
                return connection, connection.exchange(method, path, body, headers, timeout)
            except ConnectionError:
                # The engine closed it at this very moment. What it may have acted on is not repeated.
                if connection.sent and method != "GET":
                    raise
        connection = _Connection(self._path, self._timeout)
        return connection, connection.exchange(method, path, body, headers, timeout)

    def _idler(self) -> _Connection | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if not connection.dead:
                return connection
            connection.close()

    def open(
        self, method: str, path: str, body: Body, headers: Mapping[str, str], timeout: float | None
    ) -> Stream:
        """Send one request on a connection of its own and return once its reply begins."""
        return Stream(_Connection(self._path, self._timeout).exchange(method, path, body, headers, timeout))

    def close(self) -> None:
        """Close idle connections."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
