"""Messages over unix sockets between commands, keepers and supervisors: JSON bodies with open files.

Paths of sockets are limited to 108 bytes and a state folder may lie deep, so both ends name a socket by
an open folder.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from zun_compose.errors import (
    Conflict,
    DriverError,
    DriverTimeout,
    NotFound,
    Rejected,
    Unavailable,
    Unsupported,
)

_HEADER = struct.Struct(">I")
_MOST_BYTES = 64 * 1024 * 1024
_MOST_FILES = 64

_KINDS: Mapping[str, type[DriverError]] = {
    kind.code: kind for kind in (NotFound, Conflict, Rejected, Unsupported, Unavailable, DriverTimeout)
}


def listen(path: Path) -> socket.socket:
    """Listen on a socket file, in place of one that is there; raises OSError."""
    with suppress(FileNotFoundError):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _folder(path) as near:
        listener.bind(near)
    listener.listen(512)
    return listener


def connect(path: Path, timeout: float) -> socket.socket:
    """Connect to a socket file; raises OSError if nobody listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        with _folder(path) as near:
            connection.connect(near)
    except BaseException:
        connection.close()
        raise
    return connection


class _folder:
    """The short name of a path while its folder is held open."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> str:
        self._descriptor = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._descriptor}/{self._path.name}"

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def send(connection: socket.socket, body: Mapping[str, Any], files: Sequence[int] = ()) -> None:
    """Send one message; raises OSError."""
    text = json.dumps(body).encode()
    frame = _HEADER.pack(len(text)) + text
    if files:
        sent = socket.send_fds(connection, [frame], list(files))
        frame = frame[sent:]
    if frame:
        # Even nothing is not sent to one who has everything, has answered and gone: that would be an error.
        connection.sendall(frame)


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Receive one message and the files with it; raises EOFError if the other end has gone, OSError."""
    header, files, _, _ = socket.recv_fds(connection, _HEADER.size, _MOST_FILES)
    try:
        return _body(connection, header), files
    except BaseException:
        for descriptor in files:
            os.close(descriptor)
        raise


def _body(connection: socket.socket, header: bytes) -> dict[str, Any]:
    if not header:
        raise EOFError("the other end has gone")
    while len(header) < _HEADER.size:
        header += _some(connection, _HEADER.size - len(header))
    (left,) = _HEADER.unpack(header)
    if left > _MOST_BYTES:
        raise OSError("a message is too large")
    parts = []
    while left:
        part = _some(connection, min(left, 1 << 20))
        parts.append(part)
        left -= len(part)
    return dict(json.loads(b"".join(parts)))


def _some(connection: socket.socket, most: int) -> bytes:
    part = connection.recv(most)
    if not part:
        raise EOFError("the other end has gone")
    return part


def failure(error: BaseException) -> dict[str, Any]:
    """Return the reply that tells of an error."""
    code = error.code if isinstance(error, DriverError) else DriverError.code
    words = in_words(error) if isinstance(error, OSError) else str(error)
    return {"error": words or type(error).__name__, "code": code}


def in_words(error: OSError) -> str:
    """Return what the system said, as people say it and not as Python does."""
    if not error.strerror:
        return str(error)
    return error.strerror.lower() + (f': "{error.filename}"' if error.filename else "")


def checked(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a reply, or raise the DriverError that it tells of."""
    if "error" in reply:
        raise _KINDS.get(str(reply.get("code")), DriverError)(str(reply["error"]))
    return reply
