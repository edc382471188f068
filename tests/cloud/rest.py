"""JSON over HTTP to the cloud's services, with a token where one is needed; the standard library alone."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any

from tests.cloud.errors import CloudError
from tests.cloud.settings import ADDRESS, Port, Settings

TIMEOUT = 60.0


class Reply:
    """An answer: status, headers, and the body as JSON where it is any (else as text)."""

    def __init__(self, status: int, headers: dict[str, str], text: bytes) -> None:
        self.status = status
        self.headers = headers
        try:
            self.body: Any = json.loads(text) if text.strip() else None
        except ValueError:
            self.body = text.decode(errors="replace")


def call(
    port: int,
    method: str,
    path: str,
    body: object = None,
    headers: dict[str, str] | None = None,
    host: str = ADDRESS,
    timeout: float = TIMEOUT,
) -> Reply:
    """Send one request; bytes go as they are, all else as JSON. Raises OSError."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    sent = {"Accept": "application/json", **(headers or {})}
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    if data is not None:
        sent.setdefault("Content-Type", "application/json")
    try:
        connection.request(method, path, data, sent)
        reply = connection.getresponse()
        return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP is spoken at {host}:{port}: {error!r}") from error
    finally:
        connection.close()


def answers(port: int, path: str = "/") -> bool:
    """Whether anything speaks HTTP there; what it says does not matter."""
    try:
        return call(port, "GET", path, timeout=5).status > 0
    except OSError:
        return False


class Session:
    """A user's calls to the services of one cloud. Safe to use from several threads."""

    def __init__(self, settings: Settings, user: str = "admin") -> None:
        self._settings = settings
        self._user = user
        self._lock = threading.Lock()
        self._token = ""
        self.project = ""

    def login(self) -> str:
        """Return the token, fetched at the first call, which sets `project` too. Raises CloudError."""
        with self._lock:
            if not self._token:
                self._token, self.project = self._fetch()
            return self._token

    def send(
        self,
        port: Port,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Send a request with the token, whatever the answer. "%p" in the path is the project's id."""
        token = self.login()
        return call(
            self._settings.ports[port],
            method,
            path.replace("%p", self.project),
            body,
            {"X-Auth-Token": token, **(headers or {})},
        )

    def ask(
        self,
        port: Port,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Send a request that must succeed; returns its body. Raises CloudError."""
        reply = self.send(port, method, path, body, headers)
        if reply.status >= 400:
            raise CloudError(f'{port}: {method} "{path}" as "{self._user}": {reply.status} {reply.body}')
        return reply.body

    def _fetch(self) -> tuple[str, str]:
        domain = {"name": "Default"}
        user = {"name": self._user, "domain": domain, "password": self._settings.password}
        wanted = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"name": self._user, "domain": domain}},
            }
        }
        reply = call(self._settings.ports[Port.KEYSTONE], "POST", "/v3/auth/tokens", wanted)
        if reply.status != 201:
            raise CloudError(f'keystone refuses a token to "{self._user}": {reply.status} {reply.body}')
        return reply.headers["x-subject-token"], reply.body["token"]["project"]["id"]
