"""The front: asks all replicas and the catalogue when it starts, then serves what they say over HTTP.

Dies at once if a replica or the catalogue is not there yet.
"""

from __future__ import annotations

import http.server
import itertools
import json
import os
import socket
import sys
import urllib.request

PORT = int(os.environ.get("FRONT_PORT", "8080"))
APP = os.environ.get("APP_HOST", "app"), int(os.environ.get("APP_PORT", "8000"))
CATALOGUE = os.environ.get("CATALOGUE_HOST", "catalogue"), int(os.environ.get("CATALOGUE_PORT", "9000"))


def replicas() -> list[str]:
    found = socket.getaddrinfo(*APP, socket.AF_INET, socket.SOCK_STREAM)
    return sorted({str(address[0]) for *_, address in found})


def fetch(address: str, path: str) -> dict[str, object]:
    with urllib.request.urlopen(f"http://{address}:{APP[1]}{path}", timeout=2) as reply:
        return dict(json.load(reply))


def read_names() -> dict[str, str]:
    with socket.create_connection(CATALOGUE, timeout=2) as connection:
        return dict(json.loads(connection.makefile().readline()))


try:
    for replica in replicas():
        fetch(replica, "/ready")
    NAMES = read_names()
except OSError as error:
    sys.exit(f"what the front needs is not ready: {error}")
TURN = itertools.cycle(replicas())


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = {**fetch(next(TURN), "/prices"), "names": NAMES}
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Requests are not worth a log line here."""


if __name__ == "__main__":
    with http.server.ThreadingHTTPServer(("", PORT), Handler) as server:
        print(f"listening on {PORT}", flush=True)
        server.serve_forever()
