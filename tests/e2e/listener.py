"""A service that is late: runs inside a container, with nothing but the standard library.

Usage: listener.py WHAT SECONDS. After so many seconds it makes WHAT true, and prints one line of JSON:
our clock just before the fact and just after it. The file of WHAT health is named by READY. On SIGUSR1 the
socket closes and the program goes on.
"""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType

PORT = 8080


def listen(family: int, address: str) -> socket.socket:
    server = socket.socket(family, socket.SOCK_STREAM)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, PORT))
    server.listen()
    return server


def take(what: str) -> socket.socket | None:
    if what == "health":
        Path(os.environ.get("READY", "/ready")).touch()
        return None
    if what == "udp":
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("0.0.0.0", PORT))
        return server
    if what == "v6":
        return listen(socket.AF_INET6, "::")
    return listen(socket.AF_INET, {"tcp": "0.0.0.0", "loopback": "127.0.0.1", "resolver": "127.0.0.11"}[what])


def main() -> None:
    what, seconds = sys.argv[1], float(sys.argv[2])
    time.sleep(seconds)
    if what == "dies":
        sys.exit("no disk, no data")
    before = time.time()
    server = take(what)
    sys.stdout.write(json.dumps({"before": before, "after": time.time()}) + "\n")
    sys.stdout.flush()

    def close(number: int, frame: FrameType | None) -> None:
        if server is not None:
            server.close()

    signal.signal(signal.SIGUSR1, close)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
