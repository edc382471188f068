"""A real HTTP server on loopback that says what a test scripts, for what no cloud does on request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from keystoneauth1 import session, token_endpoint

from zun_compose import openstack
from zun_compose.openstack.proxy import Proxy

ROOT = {"versions": [{"id": "v1", "min_version": "1.1", "max_version": "1.40"}]}


class Answer(NamedTuple):
    """What to say; no status at all cuts the line."""

    status: int | None = 200
    body: Any = None
    headers: dict[str, str] = {}  # noqa: RUF012 - a tuple's default, never changed


class Asked(NamedTuple):
    """What was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


Script = Callable[[Asked, int], Answer]


class Scripted(NamedTuple):
    """A Proxy at a scripted server, what the server was asked, and how long the Proxy paused, in seconds."""

    proxy: Proxy
    asked: list[Asked]
    pauses: list[float]


@contextmanager
def scripted(script: Script, root: Any = ROOT) -> Iterator[Scripted]:
    """Serve Zun's root, and all else as the script says; it is given the request and its number from 0."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length)
            request = Asked(self.command, self.path, dict(self.headers), json.loads(text) if text else None)
            if self.path == "/":
                said = Answer(body=root)
            else:
                asked.append(request)
                said = script(request, len(asked) - 1)
            if said.status is None:
                self.close_connection = True
                return
            body = b"" if said.body is None else json.dumps(said.body).encode()
            headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **said.headers}
            # Who waited too long is gone.
            with suppress(BrokenPipeError, ConnectionResetError):
                self.send_response(said.status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    conn = openstack.connect(session=session.Session(auth=token_endpoint.Token(url, "token")))
    pauses: list[float] = []
    conn.container._sleep = pauses.append
    try:
        yield Scripted(conn.container, asked, pauses)
    finally:
        conn.close()
        server.shutdown()
        thread.join()
        server.server_close()


def fault(status: int, words: str, code: str = "", **headers: str) -> Answer:
    """Return an error as Zun words it."""
    return Answer(
        status,
        {"errors": [{"code": f"container.{code}", "status": status, "title": words, "detail": words}]},
        {"x-openstack-request-id": "req-1", **headers},
    )
