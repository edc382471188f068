"""A store with the manners of a database: it loads first, listens then, and keeps keys and values.

One request a line: `PING`, `SET key value`, `GET key`, `KEYS`; one answer a line. With the argument `ping`
this is its own healthcheck.
"""

from __future__ import annotations

import os
import socket
import socketserver
import sys
import time

PORT = int(os.environ.get("STORE_PORT", "7000"))
LOADING = float(os.environ.get("STORE_LOADING", "1"))  # seconds before it listens
DATA: dict[str, str] = {}


class Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(answer(line.decode().strip()).encode() + b"\n")


def answer(request: str) -> str:
    match request.split(" ", 2):
        case ["PING"]:
            return "PONG"
        case ["SET", key, value]:
            DATA[key] = value
            return "OK"
        case ["GET", key]:
            return DATA.get(key, "")
        case ["KEYS"]:
            return " ".join(sorted(DATA))
    return "ERROR"


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def ping() -> None:
    with socket.create_connection(("127.0.0.1", PORT), timeout=2) as connection:
        connection.sendall(b"PING\n")
        reply = connection.makefile().readline().strip()
    print(reply)
    sys.exit(reply != "PONG")


if __name__ == "__main__":
    if sys.argv[1:] == ["ping"]:
        ping()
    print("loading", flush=True)
    time.sleep(LOADING)
    with Server(("", PORT), Session) as server:
        print(f"listening on {PORT}", flush=True)
        server.serve_forever()
