"""One HTTP request and the verdict on its answer: no redirects followed, everything bounded.

A certificate is not checked, neither its names nor who signed it: a service inside a stack answers at
an address that no certificate names, and the question is only whether it answers. Answers say so.
"""

from __future__ import annotations

import io
import re
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

from zun_compose.model import Probe
from zun_compose.observe.dial import Patience
from zun_compose.observe.wording import shown
from zun_compose.sighting import Answer

if TYPE_CHECKING:
    from http.client import HTTPResponse

BODY = 64 * 1024
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PORTS = {"http": 80, "https": 443}


class Malformed(Exception):
    """The probe cannot be put into a request; the text says why. Never leaves this package."""


def default_port(probe: Probe) -> int:
    """Return the probe's port, or that of its scheme."""
    return probe.port if probe.port is not None else _PORTS.get(probe.scheme, 80)


def request(probe: Probe, host: str) -> bytes:
    """Return the request to send. `host` stands in Host unless the probe has one. Raises Malformed.

    Messages never hold a header's value: it may be a credential.
    """
    if not _TOKEN.fullmatch(probe.method):
        raise Malformed("the method is not a word")
    if not probe.path.startswith("/") or re.search(r"[\x00-\x20\x7f]", probe.path):
        raise Malformed("the path must start with / and hold no spaces")
    headers = {name.lower(): (name, value) for name, value in probe.headers.items()}
    port = default_port(probe)
    name = f"[{host}]" if ":" in host else host
    headers.setdefault("host", ("Host", name if port == _PORTS.get(probe.scheme) else f"{name}:{port}"))
    headers.setdefault("user-agent", ("User-Agent", "zun-compose"))
    headers.setdefault("accept", ("Accept", "*/*"))
    headers["connection"] = ("Connection", "close")
    for name, value in headers.values():
        if not _TOKEN.fullmatch(name) or re.search(r"[\x00\r\n]", value):
            raise Malformed("a header's name or value is not fit to be sent")
    # Ordered so that Host comes first, as the standard advises.
    first = [headers.pop("host")]
    lines = [f"{probe.method} {_quoted(probe.path)} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in (*first, *headers.values())]
    return "\r\n".join([*lines, "", ""]).encode("utf-8")


def exchange(connection: socket.socket, probe: Probe, host: str, patience: Patience) -> Answer:
    """Send the request over an open connection and judge the answer. Closes the connection.

    Raises OSError, Stopped or Malformed.
    """
    try:
        message = request(probe, host)
    except Malformed:
        connection.close()
        raise
    with _secured(connection, probe, host, patience) as secured:
        secured.settimeout(patience.left())
        secured.sendall(message)
        return _read(_Wire(secured, patience), probe)


def judged(answer: bytes, probe: Probe) -> Answer:
    """Judge an answer that was already received as a whole."""
    return _read(io.BytesIO(answer), probe)


class _Wire(io.RawIOBase):
    """A connection as a file whose every read keeps the deadline."""

    def __init__(self, connection: socket.socket, patience: Patience) -> None:
        self._connection = connection
        self._patience = patience

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while True:
            self._connection.settimeout(self._patience.slice())
            try:
                return self._connection.recv_into(buffer)
            except TimeoutError:
                continue  # the patience tells when it is really over


class _Source:
    """The one method that an HTTPResponse asks of a socket."""

    def __init__(self, stream: io.RawIOBase | io.BytesIO) -> None:
        self._stream = stream

    def makefile(self, _mode: str) -> io.BufferedReader | io.BytesIO:
        return self._stream if isinstance(self._stream, io.BytesIO) else io.BufferedReader(self._stream)


def _secured(connection: socket.socket, probe: Probe, host: str, patience: Patience) -> socket.socket:
    if probe.scheme != "https":
        return connection
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    named = next((value for name, value in probe.headers.items() if name.lower() == "host"), host)
    try:
        connection.settimeout(patience.left())
        return context.wrap_socket(connection, server_hostname=named.split(":")[0] or None)
    except BaseException:
        connection.close()
        raise


def _read(stream: io.RawIOBase | io.BytesIO, probe: Probe) -> Answer:
    from http.client import HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected

    response = HTTPResponse(_Source(stream), method=probe.method)  # type: ignore[arg-type]
    try:
        response.begin()
        return _verdict(response, probe)
    except RemoteDisconnected:
        return Answer(ok=False, text="closed without an answer")
    except IncompleteRead:
        return Answer(ok=False, text="the answer was cut off")
    except (HTTPException, ValueError):
        return Answer(ok=False, text="not an http answer")
    finally:
        response.close()


def _verdict(response: HTTPResponse, probe: Probe) -> Answer:
    note = " (certificate not checked)" if probe.scheme == "https" else ""
    words = shown(f"{probe.scheme} {response.status} {response.reason}", 200)
    if not _within(response.status, probe.statuses):
        return Answer(ok=False, text=words + note)
    if probe.body is not None:
        body = _body(response)
        if not re.search(probe.body, body.decode("utf-8", "replace")):
            return Answer(ok=False, text=f"{words}, but the body does not match{note}")
    return Answer(ok=True, text=words + note)


def _body(response: HTTPResponse) -> bytes:
    from http.client import IncompleteRead

    try:
        return response.read(BODY)
    except IncompleteRead as cut:
        # What came is still worth a look: the pattern may stand in it.
        return cut.partial


def _within(status: int, ranges: Iterable[tuple[int, int]]) -> bool:
    return any(first <= status <= last for first, last in ranges)


def _quoted(path: str) -> str:
    if path.isascii():
        return path
    from urllib.parse import quote

    return quote(path, safe="/?&=%#:;,+!*'()@$~.-_[]")
