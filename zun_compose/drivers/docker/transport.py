"""What carries calls to an engine, and what it brings back: a whole reply, or a stream.

There are two: `plain` for a Unix socket, `client` over the SDK for all else. Both stand on http.client.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from http.client import HTTPResponse, IncompleteRead
from typing import IO, Any, Protocol

from zun_compose.record import Record

SWITCHING_PROTOCOLS = 101

# a file goes out as it is read
Body = bytes | IO[bytes] | None


class Headers(Protocol):
    """A reply's headers, whatever the case of their names."""

    def get(self, name: str, default: str, /) -> str:
        """Return one, or `default`."""
        ...


class Reply(Record, kw_only=True):
    """A reply that was read to its end."""

    # a container's environment is among what an engine tells
    unshown = ("headers", "content")

    status: int
    reason: str
    headers: Headers
    content: bytes


class Stream:
    """A reply whose body is read as it comes; after an upgrade, a connection that carries bytes both ways.

    Its connection is its own and never reused. `owner` is closed with it.
    """

    def __init__(self, head: HTTPResponse, owner: Any = None) -> None:
        if head.status == SWITCHING_PROTOCOLS:
            # for http.client this reply has no body; what follows it ends with the connection
            head.length = None
        self._head = head
        self._owner = owner or head
        beneath: Any = head.fp
        self._sock = beneath.raw._sock

    @property
    def status(self) -> int:
        """The status of the reply."""
        return self._head.status

    @property
    def headers(self) -> Headers:
        """The headers of the reply."""
        return self._head.headers

    def settimeout(self, seconds: float | None) -> None:
        """Bound each following read."""
        self._sock.settimeout(seconds)

    def read(self, size: int = 32768) -> bytes:
        """Return what is there, at most `size` bytes; b"" at the end."""
        data = self._head.read1(size)
        if not data and self._head.length:
            # http.client itself looks at the length only where it reads all at once
            raise IncompleteRead(b"", self._head.length)
        return data

    def lines(self) -> Iterator[bytes]:
        """Yield each line as it comes, without its end."""
        pending = b""
        while data := self.read():
            *whole, pending = (pending + data).split(b"\n")
            yield from whole
        if pending:
            yield pending

    def rest(self) -> Reply:
        """Read to the end."""
        head = self._head
        return Reply(status=head.status, reason=head.reason, headers=head.headers, content=head.read())

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self._sock.sendall(data)

    def end_input(self) -> None:
        """Tell the other side that nothing more comes (not over TLS, where Python cannot)."""
        if not hasattr(self._sock, "cipher"):
            self._sock.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """End a read that another thread is blocked in; harmless when nothing is read any more."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        """Close the connection."""
        try:
            self._owner.close()
        finally:
            self._sock.close()


class Transport(Protocol):
    """The way to one engine. Safe from several threads.

    `timeout` seconds bound each read (None: not at all); connecting has a bound of its own.
    """

    def ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout: float | None
    ) -> Reply:
        """Send one request and read the whole reply, whatever its status."""
        ...

    def open(
        self, method: str, path: str, body: Body, headers: Mapping[str, str], timeout: float | None
    ) -> Stream:
        """Send one request on a connection of its own and return once its reply begins."""
        ...

    def close(self) -> None:
        """Close idle connections."""
        ...
