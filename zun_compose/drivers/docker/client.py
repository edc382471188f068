"""The SDK's low-level client, made to fit: one call to greet the engine, one connection pool, long streams.

The SDK's own Unix adapter keeps a pool a URL path, so that nothing is ever reused; its negotiation costs
a call that brings nothing else. Both are mended here and nowhere else.
"""

from __future__ import annotations

import math
import socket
from dataclasses import dataclass
from typing import Any

import docker
import requests
from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnection, UnixHTTPConnectionPool

from zun_compose.drivers.docker.address import Address
from zun_compose.errors import Unavailable, Unsupported

POOL = 32
OLDEST = (1, 40)
NEWEST = (1, 51)


@dataclass(slots=True)
class Stream:
    """A connection after its reply's headers: a buffered reader, and the socket beneath it.

    Read through `reader` only: the first bytes of the body may already be in its buffer.
    """

    response: requests.Response
    reader: Any
    sock: Any

    def settimeout(self, seconds: float | None) -> None:
        """Bound each following read."""
        self.sock.settimeout(seconds)

    def read(self, size: int = 32768) -> bytes:
        """Return what is there, at most `size` bytes; b"" at the end."""
        take = getattr(self.reader, "read1", None) or self.reader.read
        data: bytes = take(size)
        return data

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self.sock.sendall(data)

    def end_input(self) -> None:
        """Tell the other side that nothing more comes (not over TLS, where Python cannot)."""
        if hasattr(self.sock, "shutdown_write"):
            self.sock.shutdown_write()
        elif not hasattr(self.sock, "cipher"):
            self.sock.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """End a read that another thread is blocked in; harmless when nothing is read any more."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except (OSError, AttributeError, TypeError):
            # a channel over ssh has no such shutdown; closing it does the same
            try:
                self.sock.close()
            except (OSError, AttributeError):
                return

    def close(self) -> None:
        """Close the connection; it is never reused."""
        try:
            self.response.close()
        finally:
            if hasattr(self.sock, "close"):
                self.sock.close()


def stream_of(response: requests.Response) -> Stream:
    """Take the connection out of a reply that was asked for with stream=True."""
    raw: Any = response.raw
    reader = raw._fp.fp
    sock = getattr(reader, "channel", None)
    if sock is None:
        inner = getattr(reader, "raw", reader)
        sock = getattr(inner, "_sock", inner)
    return Stream(response=response, reader=reader, sock=sock)


class _Connection(UnixHTTPConnection):
    """A connection whose socket does not leak when nobody listens."""

    def connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(self.timeout)
            sock.connect(self.unix_socket)
        except BaseException:
            sock.close()
            raise
        self.sock = sock


class _Pool(UnixHTTPConnectionPool):
    def _new_conn(self) -> Any:
        seconds: Any = self.timeout
        return _Connection(self.base_url, self.socket_path, seconds)


class OnePool(UnixHTTPAdapter):
    """Adapter for a Unix socket, or what is like one, whose connections serve all paths."""

    def __init__(self, path: str, seconds: int, pool: Any = None) -> None:
        super().__init__(f"http+unix://{path}", seconds, 1, POOL)
        self._pool = pool or _Pool("http+docker://localhost", path, seconds, POOL)

    def get_connection(self, url: Any, proxies: Any = None) -> Any:
        """Return the one pool, whatever the path."""
        return self._pool

    def close(self) -> None:
        """Close idle connections."""
        self._pool.close()
        super().close()


class Client(docker.APIClient):
    """An SDK client that has greeted its engine: `greeting` is /info's reply, `server` who sent it."""

    greeting: dict[str, Any]
    server: str

    def __init__(self, address: Address, timeout: float) -> None:
        self._address = address
        self._seconds = timeout
        super().__init__(
            # the SDK takes no part in ssh; see ssh.py
            base_url="unix:///ssh" if address.ssh else address.url,
            version=None,
            timeout=math.ceil(timeout),
            tls=address.tls or False,
            max_pool_size=POOL,
        )

    def _retrieve_server_version(self) -> str:
        """Pin the API version from the headers that every reply carries, here /info's. The SDK's own hook."""
        if self._address.ssh:
            from zun_compose.drivers.docker.ssh import Pool

            seconds = math.ceil(self._seconds)
            self.mount("http+docker://", OnePool("", seconds, Pool(self._address.url, seconds, POOL)))
        elif self._address.socket:
            old: Any = self.adapters["http+docker://"]
            self.mount("http+docker://", OnePool(old.socket_path, math.ceil(self._seconds)))
        # A socket needs no look-ups of proxies and .netrc, which cost more than the call; and with TLS the
        # engine's own authority counts, which a REQUESTS_CA_BUNDLE of the environment would displace.
        self.trust_env = not (self._address.socket or self._address.ssh) and self._address.tls is None
        reply = self.get(f"{self.base_url}/info", timeout=self._seconds)
        reply.raise_for_status()
        self.greeting = reply.json()
        self.server = reply.headers.get("Server", "")
        words = reply.headers.get("Api-Version", "")
        if not words:
            # something between us strips headers
            versions = self.get(f"{self.base_url}/version", timeout=self._seconds)
            versions.raise_for_status()
            words = str(versions.json().get("ApiVersion", ""))
        try:
            major, minor = (int(part) for part in words.split(".")[:2])
        except ValueError:
            raise Unavailable(f"what answers at {self._address} is no docker engine") from None
        if (major, minor) < OLDEST:
            raise Unsupported(
                f"the docker engine at {self._address} speaks API {words};"
                f" at least {OLDEST[0]}.{OLDEST[1]} is needed"
            )
        self.api = min((major, minor), NEWEST)
        return f"{self.api[0]}.{self.api[1]}"
