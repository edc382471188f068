"""The engine's HTTP API over its socket with nothing but the standard library, for setting tests up.

The driver under test is not used for that, or its faults would hide themselves.
"""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

TIMEOUT = 60.0


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("engine", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


Body = bytes | dict[str, Any] | None


def call(
    url: str, method: str, path: str, body: Body = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Send one request to the engine at unix://...; returns status and body. Raises OSError."""
    kind = "application/json" if isinstance(body, dict) else "application/x-tar"
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    connection = _Connection(url.removeprefix("unix://"), TIMEOUT)
    try:
        sent = {**(headers or {}), **({"Content-Type": kind} if data is not None else {})}
        connection.request(method, path, data, sent)
        reply = connection.getresponse()
        return reply.status, reply.read()
    except http.client.HTTPException as error:
        raise OSError(f"no engine speaks at {url}: {error!r}") from error
    finally:
        connection.close()


def ask(url: str, method: str, path: str, body: Body = None, headers: dict[str, str] | None = None) -> Any:
    """Send one request that must succeed; returns its JSON (a stream's last), None if it is empty."""
    status, text = call(url, method, path, body, headers)
    if status >= 400:
        raise OSError(f"{method} {path}: {status} {text.decode(errors='replace').strip()}")
    return json.loads(text.splitlines()[-1]) if text.strip() else None


def answers(url: str) -> bool:
    """Whether an engine answers there."""
    try:
        return call(url, "GET", "/_ping")[0] == 200
    except OSError:
        return False
