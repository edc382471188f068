"""A keeper with one container whose ports are published, told line by line what to do.

Started with the reserved sockets' descriptors; run by test_forward.py from the machine's own namespaces.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from ipaddress import IPv4Interface, IPv6Interface

from tests.unit.local.network.lab import Container, die_with_parent, enter
from zun_compose.container import PortKey
from zun_compose.drivers.local.network import forward
from zun_compose.drivers.local.network.addresses import mac
from zun_compose.drivers.local.network.bridges import StackNetwork
from zun_compose.drivers.local.network.reserve import Reservation
from zun_compose.drivers.local.network.wiring import NetworkPlan, Nic

PLAN = NetworkPlan(
    name="s_default", gateway4=IPv4Interface("10.73.0.1/16"), gateway6=IPv6Interface("fd7a:7563:6f6d:9::1/64")
)
NIC = Nic(
    network=PLAN.name,
    mac=mac(IPv4Interface("10.73.0.2/16").ip),
    ipv4=IPv4Interface("10.73.0.2/16"),
    ipv6=IPv6Interface("fd7a:7563:6f6d:9::2/64"),
)


def echo(connection: socket.socket) -> None:
    """Read to the end first, then answer: only a kept half-close lets that work."""
    with connection:
        parts = []
        while data := connection.recv(1 << 16):
            parts.append(data)
        connection.sendall(b"".join(parts) + b"!")


def serve(container: Container, kind: str, port: int, address: str) -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with container.entered():
        server = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind((address, port))
    if kind != "udp":
        server.listen(512)
    child = os.fork()
    if child:
        server.close()
        return child
    die_with_parent()
    while True:
        if kind == "udp":
            data, client = server.recvfrom(65535)
            server.sendto(data + b"!", client)
        elif kind == "deaf":
            signal.pause()
        elif kind == "reset":
            connection, _ = server.accept()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
        else:
            connection, _ = server.accept()
            threading.Thread(target=echo, args=(connection,), daemon=True).start()


class Keeper:
    def __init__(self, reserved: list[Reservation]) -> None:
        self.network = StackNetwork()
        self.network.ensure(PLAN)
        self.control = forward.start()
        self.control.publish("one", [str(NIC.ipv4.ip), str(NIC.ipv6.ip)], reserved)  # type: ignore[union-attr]
        for one in reserved:
            one.close()
        self.container: Container | None = None
        self.ports: tuple[str, ...] = ()
        self.servers: dict[str, int] = {}

    def start(self) -> str:
        self.container = Container()
        self.ports = self.network.attach(self.container.pid, [NIC], loopback=True)
        self.control.running("one", self.container.pid)
        return str(self.control.pid)

    def stop(self) -> None:
        for name in list(self.servers):
            self.close(name)
        assert self.container is not None
        self.container.close()
        self.network.detach(self.ports)
        self.control.stopped("one")

    def open(self, name: str, kind: str, port: str, address: str) -> None:
        assert self.container is not None
        self.servers[name] = serve(self.container, kind, int(port), address)

    def close(self, name: str) -> None:
        os.kill(self.servers[name], signal.SIGKILL)
        os.waitpid(self.servers.pop(name), 0)

    def withdraw(self) -> None:
        self.control.withdraw("one")

    def leave(self) -> None:
        self.control.close()


if __name__ == "__main__":
    enter()
    keeper = Keeper(
        [
            Reservation(
                target=PortKey(port, protocol),
                host_ip="",
                host_port=0,
                sockets=tuple(socket.socket(fileno=number) for number in numbers),
            )
            for port, protocol, numbers in json.loads(sys.argv[1])
        ]
    )
    for line in sys.stdin:
        verb, *arguments = line.split()
        sys.stdout.write(f"{getattr(keeper, verb)(*arguments) or 'ok'}\n")
        sys.stdout.flush()
