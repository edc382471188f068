"""A small real HTTP service for the proxy to stand before; it remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LARGE = 8 * 1024 * 1024
PAGE = json.dumps({"containers": [{"uuid": "4e6f", "name": "web"}]}).encode()


def large() -> bytes:
    """Return a body that no buffer on the way holds at once, with no two blocks alike."""
    return b"".join(number.to_bytes(8, "big") for number in range(LARGE // 8))


class Service(ThreadingHTTPServer):
    """Answers by path: /list, /chunks, /large, /close, /nothing, /unchanged, /linked; a POST is echoed."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def do_GET(self) -> None:
        self.server.asked.append((self.command, self.path, b""))
        match self.path.partition("?")[0]:
            case "/chunks":
                self._begin(200, ("Transfer-Encoding", "chunked"))
                for part in (b"one ", b"two ", b"three"):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.write(b"0\r\n\r\n")
            case "/large":
                self._whole(large())
            case "/close":
                self.close_connection = True
                self._begin(200, ("Connection", "close"))
                self.wfile.write(b"until the end")
            case "/nothing":
                self._begin(204)
            case "/unchanged":
                self._begin(304, ("ETag", '"1"'))
            case "/linked":
                self._begin(
                    200,
                    ("Location", f"http://{self.headers['Host']}/elsewhere"),
                    ("Set-Cookie", "a=1"),
                    ("Set-Cookie", "b=2"),
                    ("Content-Length", "0"),
                )
            case "/broken":
                self.close_connection = True
                self._begin(200, ("Content-Length", "100"))
                self.wfile.write(b"half")
            case _:
                self._whole(PAGE)

    do_HEAD = do_GET
    do_DELETE = do_GET

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.asked.append((self.command, self.path, body))
        self._whole(body, status=202)

    def _whole(self, body: bytes, status: int = 200) -> None:
        self._begin(status, ("Content-Type", "application/json"), ("Content-Length", str(len(body))))
        if self.command != "HEAD":
            self.wfile.write(body)

    def _begin(self, status: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Service]:
    """Run a service as long as the block lasts; its threads have ended afterwards."""
    service = Service()
    thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        service.shutdown()
        thread.join()
        service.server_close()
