"""A network plug-in for Docker that says yes to everything: agreeable.py ADDRESS PORT.

Docker asks a network's plug-in before it lets go of a container or a network, and waits for a silent one.
This one answers in kuryr's place when a cloud is removed whose kuryr is down. The standard library alone.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Agreeable(BaseHTTPRequestHandler):
    """Answers every question of Docker's plug-in protocol."""

    def do_GET(self) -> None:
        """Say that somebody is here."""
        self._say({})

    def do_POST(self) -> None:
        """Agree."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.endswith("Plugin.Activate"):
            self._say({"Implements": ["NetworkDriver", "IpamDriver"]})
        elif self.path.endswith("GetCapabilities"):
            self._say({"Scope": "local", "ConnectivityScope": "local"})
        else:
            self._say({})

    def _say(self, words: dict[str, object]) -> None:
        text = json.dumps(words).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.docker.plugins.v1.1+json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


if __name__ == "__main__":
    ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Agreeable).serve_forever()
