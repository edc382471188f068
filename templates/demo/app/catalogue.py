"""A late listener: it indexes for three seconds before it opens its port, and has no healthcheck."""

from __future__ import annotations

import os
import socketserver
import time

PORT = int(os.environ.get("CATALOGUE_PORT", "9000"))
NAMES = b'{"apple": "Boskoop", "pear": "Conference", "quince": "Vranja"}\n'


class Session(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(NAMES)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    print("indexing", flush=True)
    time.sleep(3.0)
    with Server(("", PORT), Session) as server:
        print(f"listening on {PORT}", flush=True)
        server.serve_forever()
