"""A forwarded UDP port: a socket for each client, so that answers find their way back."""

from __future__ import annotations

import socket
import time
from collections import OrderedDict
from collections.abc import Sequence
from select import EPOLLIN
from typing import Any

from zun_compose.drivers.local.network.loop import Loop

# As long as Docker's own proxy keeps a client that says nothing.
IDLE = 90.0
_MOST_CLIENTS = 1024
_LARGEST = 65535
_READS = 32


class Datagrams:
    """Forwards the datagrams of one reserved socket to one address while it is open.

    While it is closed, datagrams are read and dropped: a bound socket cannot refuse them.
    """

    def __init__(self, loop: Loop, reserved: socket.socket, *, idle: float = IDLE) -> None:
        self._loop = loop
        self._socket = reserved
        self._idle = idle
        self._addresses: Sequence[tuple[str, int]] = ()
        self._clients: OrderedDict[Any, tuple[socket.socket, float]] = OrderedDict()
        self._sweeping = False
        reserved.setblocking(False)
        loop.watch(reserved.fileno(), EPOLLIN, self._incoming)

    def aim(self, addresses: Sequence[tuple[str, int]]) -> None:
        """Forward to the first of these from now on; to nobody if there is none."""
        if list(addresses) != list(self._addresses):
            self._addresses = tuple(addresses)
            for client in list(self._clients):
                self._drop(client)

    def close(self) -> None:
        """Forget the clients and stop reading; the reserved socket is the caller's."""
        self._loop.forget(self._socket.fileno())
        for client in list(self._clients):
            self._drop(client)

    def _incoming(self, _: int) -> None:
        for _ in range(_READS):
            try:
                data, client = self._socket.recvfrom(_LARGEST)
            except OSError:
                return
            if not self._addresses:
                continue
            try:
                self._toward(client).send(data)
            except OSError:
                # Refused or no descriptor left: a datagram may be lost, its sender asks again.
                self._drop(client)

    def _toward(self, client: Any) -> socket.socket:
        known = self._clients.get(client)
        if known is None:
            if len(self._clients) >= _MOST_CLIENTS:
                self._drop(next(iter(self._clients)))
            address = self._addresses[0]
            made = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)
            made.setblocking(False)
            made.connect(address)
            self._loop.watch(made.fileno(), EPOLLIN, lambda _: self._outgoing(client))
            self._sweep()
        else:
            made = known[0]
        self._touch(client, made)
        return made

    def _outgoing(self, client: Any) -> None:
        made = self._clients[client][0]
        for _ in range(_READS):
            try:
                data = made.recv(_LARGEST)
                self._socket.sendto(data, client)
            except BlockingIOError:
                break
            except OSError:
                self._drop(client)
                return
        self._touch(client, made)

    def _touch(self, client: Any, made: socket.socket) -> None:
        self._clients[client] = (made, time.monotonic())
        self._clients.move_to_end(client)

    def _drop(self, client: Any) -> None:
        known = self._clients.pop(client, None)
        if known is not None:
            self._loop.forget(known[0].fileno())
            known[0].close()

    def _sweep(self) -> None:
        """Drop idle clients now and then, for as long as there are any."""
        if not self._sweeping:
            self._sweeping = True
            self._loop.after(self._idle, self._swept)

    def _swept(self) -> None:
        self._sweeping = False
        limit = time.monotonic() - self._idle
        for client, (_, last) in list(self._clients.items()):
            if last > limit:
                break
            self._drop(client)
        if self._clients:
            self._sweep()
