"""The websocket behind a container's terminal, or an interactive command's: bytes both ways.

Zun gives its URL (get_container_attach_url, or execute_container with `interactive` and without `run`); the
service behind it, zun-wsproxy, joins it to the container's engine. It tells neither exit codes nor, for what
has no terminal, stdout from stderr.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zun_compose.openstack import errors

if TYPE_CHECKING:
    from zun_compose.openstack.session import ZunSession

CONNECT_TIMEOUT = 20.0
"""Seconds for the handshake; the proxy begins a process for each connection."""

_ROUNDS = 3
"""Answers to wait for until what was sent has gone on: the first says that it came, the second that it was
in a queue when the proxy looked for what to pass on, the third that this look is over."""


class Terminal:
    """An open websocket. One thread may read while another one sends."""

    def __init__(self, opened: Any, place: str) -> None:
        self._socket = opened
        self._place = place
        self._early: list[bytes] = []
        self._ending = 0

    @classmethod
    def open(cls, zun: ZunSession, url: str, *, timeout: float = CONNECT_TIMEOUT) -> Terminal:
        """Connect to a URL that Zun gave; TLS is verified as the Proxy's session does.

        Raises:
            CallTimeout: No answer in time.
            Unreachable: There is no such service, or it does not reach the container's engine.
        """
        import websocket

        place = f"websocket of {urlsplit(url).netloc}"
        verify = getattr(zun.session, "verify", True)
        options: dict[str, Any] = {}
        if verify is False:
            options = {"cert_reqs": 0, "check_hostname": False}
        elif isinstance(verify, str):
            options = {"ca_certs": verify}
        try:
            opened = websocket.create_connection(
                url,
                timeout=timeout,
                sslopt=options,
                # who is no browser has no origin, and is let in by that
                suppress_origin=True,
                subprotocols=["binary"],
                skip_utf8_validation=True,
                enable_multithread=True,
            )
        except (websocket.WebSocketTimeoutException, TimeoutError):
            raise errors.CallTimeout(f"{place}: no answer in time") from None
        except (websocket.WebSocketException, OSError) as error:
            # its words may hold the URL with the token
            raise errors.Unreachable(f"{place}: the connection failed ({type(error).__name__})") from None
        made = cls(opened, place)
        try:
            made._until_joined()
        except BaseException:
            made.close()
            raise
        opened.settimeout(None)
        return made

    def _until_joined(self) -> None:
        """Wait for an answer: the proxy gives one once it has reached the engine."""
        import websocket

        self._ping()
        while True:
            try:
                kind, data = self._socket.recv_data(control_frame=True)
            except (websocket.WebSocketTimeoutException, TimeoutError):
                raise errors.CallTimeout(f"{self._place}: no answer in time") from None
            except (websocket.WebSocketException, OSError):
                kind, data = websocket.ABNF.OPCODE_CLOSE, b""
            if kind == websocket.ABNF.OPCODE_PONG:
                return
            if kind == websocket.ABNF.OPCODE_CLOSE:
                raise errors.Unreachable(f"{self._place}: the proxy does not reach the container's engine")
            if kind in (websocket.ABNF.OPCODE_BINARY, websocket.ABNF.OPCODE_TEXT):
                self._early.append(bytes(data))

    def read(self, size: int = 0) -> bytes:
        """Return what comes next, however much that is; b"" once the other side has ended.

        Raises:
            Unreachable: The connection broke.
        """
        import websocket

        if self._early:
            return self._early.pop(0)
        while True:
            try:
                kind, data = self._socket.recv_data(control_frame=True)
            except (websocket.WebSocketConnectionClosedException, ConnectionResetError):
                # the proxy ends so, too, once the process at the other end has
                return b""
            except (websocket.WebSocketException, OSError) as error:
                raise self._broken(error) from None
            if kind == websocket.ABNF.OPCODE_CLOSE:
                return b""
            if kind == websocket.ABNF.OPCODE_PONG and self._ending:
                self._go_on_ending()
            elif kind in (websocket.ABNF.OPCODE_BINARY, websocket.ABNF.OPCODE_TEXT) and data:
                return bytes(data)

    def send(self, data: bytes) -> None:
        """Send bytes to the process's input.

        Raises:
            Unreachable: The connection broke.
        """
        import websocket

        try:
            self._socket.send_binary(data)
        except (websocket.WebSocketException, OSError) as error:
            raise self._broken(error) from None

    def end_input(self) -> None:
        """End the process's input once all that was sent has reached it; somebody has to be reading.

        With the input the websocket ends: what the process still writes comes by its log alone.

        Raises:
            Unreachable: The connection broke.
        """
        self._ending = _ROUNDS
        self._ping()

    def _go_on_ending(self) -> None:
        self._ending -= 1
        if self._ending:
            self._ping()
        else:
            self._socket.send_close()

    def _ping(self) -> None:
        import websocket

        try:
            self._socket.ping()
        except (websocket.WebSocketException, OSError) as error:
            raise self._broken(error) from None

    def cut(self) -> None:
        """End the connection for whoever reads from it; close has to follow. The process goes on."""
        beneath = self._socket.sock
        if beneath is not None:
            with suppress(OSError):
                beneath.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection. The process goes on."""
        self._socket.shutdown()

    def _broken(self, error: Exception) -> errors.Unreachable:
        return errors.Unreachable(f"{self._place}: the connection broke ({type(error).__name__})")
