"""Engines behind ssh://: the user's own ssh runs `docker system dial-stdio` there, as the Docker CLI does.

The SDK's way needs packages that take longer to import than most commands run, and its connections obey no
time limit. Here the program talks over a socket pair, so that all is as with a Unix socket.
"""

from __future__ import annotations

import shlex
import shutil
import socket
import subprocess
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

from docker.transport.unixconn import UnixHTTPConnection, UnixHTTPConnectionPool

from zun_compose.errors import Rejected, Unsupported


def command(url: str) -> list[str]:
    """Return the program that reaches `url`: ssh://[USER@]HOST[:PORT][/SOCKET].

    Raises Rejected for any other address, Unsupported if there is no ssh.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if not parts.hostname or parts.password is not None:
        raise Rejected(f'"{url}" is no address of an engine: ssh://[USER@]HOST[:PORT][/SOCKET]')
    if shutil.which("ssh") is None:
        raise Unsupported("engines behind ssh:// need the program ssh")
    words = ["ssh"]
    if parts.username:
        words += ["-l", unquote(parts.username)]
    if port:
        words += ["-p", str(port)]
    there = ["docker", "system", "dial-stdio"]
    if parts.path.strip("/"):
        there[1:1] = ["--host", f"unix://{parts.path}"]
    return [*words, "--", parts.hostname, shlex.join(there)]


class _Connection(UnixHTTPConnection):
    """One run of ssh."""

    def __init__(self, words: list[str], timeout: Any) -> None:
        super().__init__("http+docker://localhost", "", timeout)
        self._words = words

    def connect(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                ours.settimeout(self.timeout)
                # a session of its own: Ctrl-C is for us, who have things to end in order
                end = theirs.fileno()
                process = subprocess.Popen(self._words, stdin=end, stdout=end, start_new_session=True)
            except BaseException:
                ours.close()
                raise
        # it ends when its socket is closed
        Thread(target=process.wait, name="docker-ssh", daemon=True).start()
        self.sock = ours


class Pool(UnixHTTPConnectionPool):
    """Connections to one engine behind ssh."""

    def __init__(self, url: str, seconds: int, size: int) -> None:
        super().__init__("http+docker://localhost", "", seconds, size)
        self._words = command(url)

    def _new_conn(self) -> Any:
        return _Connection(self._words, self.timeout)
