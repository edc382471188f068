"""One forwarded TCP connection: two sockets, both directions, half-close and reset kept as they come."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from select import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT

from zun_compose.drivers.local.network.loop import Loop

_CHUNK = 1 << 16
# So many reads a round at most, for others want their turn.
_READS = 8
_SYN_RETRIES = 3
_RESET = struct.pack("ii", 1, 0)


class _End:
    """One of the two sockets and what is still to be sent on it."""

    __slots__ = ("call", "ended", "outgoing", "reading", "shut", "socket")

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.call: Callable[[int], None] = _ignore
        self.outgoing = b""
        self.reading = True
        self.ended = False  # nothing more will come to be sent on it
        self.shut = False  # and its peer was told


class Pump:
    """Joins an accepted connection to the first of some addresses that takes it.

    `refused` is called if none does (the client gets a reset then); `done` always, once, at the end.
    """

    def __init__(
        self,
        loop: Loop,
        accepted: socket.socket,
        addresses: Sequence[tuple[str, int]],
        *,
        refused: Callable[[], None],
        done: Callable[[Pump], None],
    ) -> None:
        self._loop = loop
        self._addresses = list(addresses)
        self._refused, self._done = refused, done
        accepted.setblocking(False)
        _tune(accepted)
        self._client = _End(accepted)
        self._server: _End | None = None
        self.open = True
        self._connect()

    def abort(self) -> None:
        """Reset both sides."""
        if not self.open:
            return
        for end in (self._client, self._server):
            if end is not None:
                with suppress(OSError):
                    end.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._close()

    def _connect(self) -> None:
        while self._addresses:
            address = self._addresses.pop(0)
            made = None
            try:
                made = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
                made.setblocking(False)
                _tune(made)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, _SYN_RETRIES)
                code = made.connect_ex(address)
            except OSError:
                code = errno.EMFILE
            if code in (0, errno.EINPROGRESS) and made is not None:
                self._server = _End(made)
                self._loop.watch(made.fileno(), EPOLLOUT, self._connecting)
                return
            if made is not None:
                made.close()
        self._refused()
        self.abort()

    def _connecting(self, _: int) -> None:
        server = self._server
        assert server is not None
        if server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._loop.forget(server.socket.fileno())
            server.socket.close()
            self._server = None
            self._connect()
            return
        self._client.call = self._calls(self._client, server)
        server.call = self._calls(server, self._client)
        self._settle()

    def _settle(self) -> None:
        """Watch for what can be done now, or close when all is done."""
        client, server = self._client, self._server
        assert server is not None
        if client.shut and server.shut:
            self._close()
            return
        for end, other in ((client, server), (server, client)):
            mask = EPOLLIN if end.reading and not other.outgoing else 0
            mask |= EPOLLOUT if end.outgoing else 0
            self._loop.watch(end.socket.fileno(), mask, end.call)

    def _calls(self, end: _End, other: _End) -> Callable[[int], None]:
        def ready(events: int) -> None:
            try:
                if events & EPOLLERR:
                    self.abort()
                    return
                if events & EPOLLOUT:
                    self._flush(end)
                if events & (EPOLLIN | EPOLLHUP) and end.reading and not other.outgoing:
                    self._read(end, other)
            except OSError:
                self.abort()
                return
            self._settle()

        return ready

    def _read(self, end: _End, other: _End) -> None:
        for _ in range(_READS):
            try:
                data = end.socket.recv(_CHUNK)
            except BlockingIOError:
                return
            if not data:
                end.reading = False
                other.ended = True
                self._finish(other)
                return
            other.outgoing = data
            self._flush(other)
            if other.outgoing:
                return

    def _flush(self, end: _End) -> None:
        if end.outgoing:
            try:
                sent = end.socket.send(end.outgoing)
            except BlockingIOError:
                return
            end.outgoing = end.outgoing[sent:]
        self._finish(end)

    def _finish(self, end: _End) -> None:
        if end.ended and not end.outgoing and not end.shut:
            end.shut = True
            end.socket.shutdown(socket.SHUT_WR)

    def _close(self) -> None:
        self.open = False
        for end in (self._client, self._server):
            if end is not None:
                self._loop.forget(end.socket.fileno())
                end.socket.close()
        self._done(self)


def _ignore(_: int) -> None:
    """Stand in until both ends are there."""


def _tune(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
