"""HTTP/1.1 on a socket: requests are read whole, answers are laid out byte by byte.

Nothing here decides what happens to a message.
"""

from __future__ import annotations

import http.client
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

Headers = tuple[tuple[str, str], ...]

LINE = 65536
PIECE = 65536
# RFC 9110, section 7.6.1: they speak of one connection, and each of ours frames anew.
_HOP = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it came, its body put together."""

    method: str
    path: str
    version: str
    headers: Headers
    body: bytes | None

    @property
    def keeps(self) -> bool:
        """Whether its client expects the connection to stay."""
        asked = (find(self.headers, "connection") or "").lower()
        return "keep-alive" in asked if self.version == "HTTP/1.0" else "close" not in asked

    @property
    def chunkable(self) -> bool:
        """Whether its client understands chunks."""
        return self.version != "HTTP/1.0"


def find(headers: Iterable[tuple[str, str]], name: str) -> str | None:
    """Return the first header of that name."""
    return next((value for key, value in headers if key.lower() == name), None)


def end_to_end(headers: Iterable[tuple[str, str]]) -> Headers:
    """Return the headers that a proxy passes on; the body's length is among them."""
    return tuple((name, value) for name, value in headers if name.lower() not in _HOP)


def read_request(stream: io.BufferedReader, go_on: Callable[[bytes], None]) -> Request | None:
    """Read the next request, its body too; None at the end of the connection. Raises OSError, ValueError.

    `go_on` is given what tells a client that waits for it to send its body.
    """
    line = stream.readline(LINE + 1)
    if not line.strip():
        # one empty line before a request is allowed
        line = stream.readline(LINE + 1) if line else line
    if not line:
        return None
    words = line.decode("iso-8859-1").split()
    if len(words) != 3:
        raise ValueError("that is no request line")
    method, path, version = words
    headers = tuple(http.client.parse_headers(stream).items())
    if (find(headers, "expect") or "").lower() == "100-continue":
        go_on(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" in (find(headers, "transfer-encoding") or "").lower():
        body: bytes | None = b"".join(_chunks(stream))
    else:
        length = find(headers, "content-length")
        body = None if length is None else _exactly(stream, int(length))
    return Request(method=method, path=path, version=version, headers=headers, body=body)


def _exactly(stream: io.BufferedReader, length: int) -> bytes:
    found = stream.read(length)
    if len(found) < length:
        raise ConnectionResetError("the client left within its request")
    return found


def _chunks(stream: io.BufferedReader) -> Iterator[bytes]:
    while length := int(stream.readline(LINE).split(b";")[0], 16):
        yield _exactly(stream, length)
        stream.readline(LINE)
    while stream.readline(LINE).strip():
        # trailers, which nobody here asks for
        pass


def head(status: int, reason: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Lay out an answer's first part, with the empty line that ends it."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status} {reason or phrase(status)}\r\n{lines}\r\n".encode("iso-8859-1")


def chunk(data: bytes) -> bytes:
    """Lay out one chunk; an empty one ends the body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def phrase(status: int) -> str:
    """Return the customary words for a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def bodiless(method: str, status: int) -> bool:
    """Whether an answer has no body, whatever its headers say (RFC 9110, section 6.4.1)."""
    return method == "HEAD" or status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED) or status < 200
