"""One replica of the application: reads the prices at its start, warms up, then answers over HTTP.

Dies at once if the store has no data yet, as an application whose tables are missing does.
"""

from __future__ import annotations

import http.server
import json
import os
import socket
import sys
import time

PORT = int(os.environ.get("APP_PORT", "8000"))
STORE = os.environ.get("STORE_HOST", "store"), int(os.environ.get("STORE_PORT", "7000"))
WARM_UP = 0.8  # seconds between listening and being any use


def read_prices() -> dict[str, int]:
    with socket.create_connection(STORE, timeout=2) as connection:
        replies = connection.makefile()

        def ask(request: str) -> str:
            connection.sendall(f"{request}\n".encode())
            return replies.readline().strip()

        if ask("GET schema") != "1":
            sys.exit("the store has no schema: was the migration run?")
        return {key: int(ask(f"GET {key}")) for key in ask("KEYS").split() if key != "schema"}


try:
    PRICES = read_prices()
except OSError as error:
    sys.exit(f"the store is not there: {error}")
WARM_AT = time.monotonic() + WARM_UP


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        ready = time.monotonic() >= WARM_AT
        if self.path == "/ready":
            self.reply(200 if ready else 503, {"ready": ready})
        elif self.path == "/prices":
            self.reply(200, {"replica": socket.gethostname(), "prices": PRICES})
        else:
            self.reply(404, {})

    def reply(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Requests are not worth a log line here."""


if __name__ == "__main__":
    with http.server.ThreadingHTTPServer(("", PORT), Handler) as server:
        print(f"{len(PRICES)} prices read, warming up", flush=True)
        server.serve_forever()
