"""As much AMQP 0-9-1 as asks RabbitMQ whether somebody consumes a queue.

An RPC that is sent before its server has bound the queue is dropped, and the caller finds out a minute later.
So consumers, not open ports, say that a service is ready.
Frames and methods are those of the public specification, AMQP 0-9-1.
"""

from __future__ import annotations

import socket
import struct

from tests.cloud.settings import ADDRESS

TIMEOUT = 5.0
_METHOD = 1
_END = 0xCE
_Method = tuple[int, int]

_START, _START_OK = (10, 10), (10, 11)
_TUNE, _TUNE_OK = (10, 30), (10, 31)
_OPEN, _OPEN_OK = (10, 40), (10, 41)
_CLOSE, _CLOSE_OK = (10, 50), (10, 51)
_CHANNEL_OPEN, _CHANNEL_OPEN_OK = (20, 10), (20, 11)
_CHANNEL_CLOSE = (20, 40)
_DECLARE, _DECLARE_OK = (50, 10), (50, 11)


def consumed(port: int, password: str, *queues: str) -> bool:
    """Whether each of these queues has a consumer; with none named, whether RabbitMQ lets us in."""
    try:
        with socket.create_connection((ADDRESS, port), TIMEOUT) as line:
            talk = _Talk(line, password)
            found = all(talk.consumers(queue) > 0 for queue in queues)
            talk.close()
            return found
    except (OSError, EOFError, struct.error):
        return False


class _Talk:
    def __init__(self, line: socket.socket, password: str) -> None:
        self._line = line
        self._channel = 0
        line.sendall(b"AMQP\x00\x00\x09\x01")
        self._expect(_START)
        no_properties = struct.pack(">I", 0)
        plain = _long(f"\0openstack\0{password}".encode())
        self._send(0, _START_OK, no_properties + _short("PLAIN") + plain + _short("en_US"))
        limits = self._expect(_TUNE)
        # the limits as the server proposes them, but no heartbeats: this talk is over in a moment
        self._send(0, _TUNE_OK, limits[:6] + struct.pack(">H", 0))
        self._send(0, _OPEN, _short("/") + _short("") + b"\0")
        self._expect(_OPEN_OK)

    def consumers(self, queue: str) -> int:
        # a queue that is missing costs the channel, so each question has one of its own
        self._channel += 1
        self._send(self._channel, _CHANNEL_OPEN, _short(""))
        self._expect(_CHANNEL_OPEN_OK)
        passive = b"\x01"
        self._send(self._channel, _DECLARE, b"\0\0" + _short(queue) + passive + struct.pack(">I", 0))
        method, arguments = self._receive()
        if method == _CHANNEL_CLOSE:
            return 0
        if method != _DECLARE_OK:
            raise EOFError
        return int(struct.unpack(">I", arguments[-4:])[0])

    def close(self) -> None:
        self._send(0, _CLOSE, struct.pack(">H", 200) + _short("done") + b"\0\0\0\0")
        self._expect(_CLOSE_OK)

    def _send(self, channel: int, method: _Method, arguments: bytes) -> None:
        payload = struct.pack(">HH", *method) + arguments
        self._line.sendall(struct.pack(">BHI", _METHOD, channel, len(payload)) + payload + bytes([_END]))

    def _expect(self, wanted: _Method) -> bytes:
        method, arguments = self._receive()
        if method != wanted:
            raise EOFError
        return arguments

    def _receive(self) -> tuple[_Method, bytes]:
        kind = 0
        payload = b""
        while kind != _METHOD:
            kind, _, size = struct.unpack(">BHI", self._exactly(7))
            payload = self._exactly(size + 1)[:-1]
        first, second = struct.unpack(">HH", payload[:4])
        return (first, second), payload[4:]

    def _exactly(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            more = self._line.recv(size - len(got))
            if not more:
                raise EOFError
            got += more
        return got


def _short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _long(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
