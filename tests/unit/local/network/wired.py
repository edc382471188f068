"""What the bridges must do, as seen from inside: run by test_bridges.py in a keeper's namespaces."""

from __future__ import annotations

import os
import socket
import sys
import time
from ipaddress import IPv4Interface, IPv6Interface

from tests.unit.local.network.lab import Container, die_with_parent
from zun_compose.drivers.local.network import bridges
from zun_compose.drivers.local.network.addresses import mac
from zun_compose.drivers.local.network.bridges import StackNetwork
from zun_compose.drivers.local.network.wiring import NetworkPlan, Nic
from zun_compose.errors import NotFound, Rejected

FRONT = NetworkPlan(
    name="s_front",
    gateway4=IPv4Interface("10.71.0.1/16"),
    gateway6=IPv6Interface("fd7a:7563:6f6d:1::1/64"),
)
BACK = NetworkPlan(name="s_back", gateway4=IPv4Interface("10.72.0.1/16"), internal=True, mtu=1400)


def nic(network: NetworkPlan, number: int, *, six: bool = False, way: bool = True) -> Nic:
    assert network.gateway4 is not None
    ipv4 = IPv4Interface(f"{network.gateway4.ip + number}/{network.gateway4.network.prefixlen}")
    gateway6 = network.gateway6
    return Nic(
        network=network.name,
        mac=mac(ipv4.ip),
        ipv4=ipv4,
        ipv6=IPv6Interface(f"{gateway6.ip + number}/64") if six and gateway6 else None,
        gateway4=network.gateway4.ip if way and not network.internal else None,
        gateway6=gateway6.ip if six and gateway6 and way else None,
        mtu=network.mtu,
    )


def stack() -> StackNetwork:
    network = StackNetwork()
    network.ensure(FRONT)
    network.ensure(BACK)
    return network


def says(host: str, port: int) -> str:
    with socket.create_connection((host, port), timeout=5) as connection:
        return connection.recv(100).decode()


def refused(host: str, port: int) -> str:
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except OSError as error:
        return type(error).__name__ if isinstance(error, TimeoutError) else os.strerror(error.errno or 0)
    return "connected"


def serving(container: Container, port: int, text: bytes, **kwargs: object) -> None:
    server = container.listen(port, **kwargs)  # type: ignore[arg-type]
    child = os.fork()
    if child == 0:
        die_with_parent()
        while True:
            connection, _ = server.accept()
            connection.sendall(text)
            connection.close()
    server.close()


def two_containers_talk() -> None:
    network = stack()
    one, two, three = Container(), Container(), Container()
    network.attach(one.pid, [nic(FRONT, 1, six=True), nic(BACK, 1)])
    network.attach(two.pid, [nic(FRONT, 2, six=True)])
    network.attach(three.pid, [nic(BACK, 3)])
    serving(two, 80, b"two")
    serving(two, 81, b"two six", address="::", family=socket.AF_INET6)
    serving(three, 80, b"three")
    assert one.run(lambda: says("10.71.0.3", 80)) == "two"
    assert one.run(lambda: says("fd7a:7563:6f6d:1::3", 81)) == "two six"
    assert one.run(lambda: says("10.72.0.4", 80)) == "three"
    # The keeper itself reaches every container: the forwarder lives there.
    assert says("10.71.0.3", 80) == "two"
    assert says("10.72.0.4", 80) == "three"
    assert says("fd7a:7563:6f6d:1::3", 81) == "two six"
    # From one network of the stack there is no way to the other: a default route, and yet nothing.
    assert two.run(lambda: refused("10.72.0.4", 80)) in ("TimeoutError", "No route to host")
    # An internal network has no default route at all.
    assert three.run(lambda: refused("10.71.0.3", 80)) == "Network is unreachable"
    assert three.run(lambda: refused("192.0.2.77", 80)) == "Network is unreachable"


def interfaces_are_as_asked() -> None:
    network = stack()
    one = Container()
    server = one.listen(90)
    assert one.run(lambda: refused("127.0.0.1", 90)) == "Network is unreachable"
    network.attach(one.pid, [nic(FRONT, 1, six=True), nic(BACK, 1)], loopback=True)
    assert one.run(lambda: refused("127.0.0.1", 90)) == "connected"
    server.close()

    def seen(path: str) -> str:
        return open(path).read().strip()

    # /sys shows the namespace of its mount; /proc/net is ours to ask.
    devices = one.run(lambda: seen("/proc/thread-self/net/dev"))
    assert "eth0:" in devices
    assert "eth1:" in devices
    assert one.run(lambda: device_mac("eth0")) == "02:42:0a:47:00:02"
    assert one.run(lambda: device_mac("eth1")) == "02:42:0a:48:00:02"
    assert one.run(lambda: device_mtu("eth1")) == "1400"
    six = one.run(lambda: seen("/proc/thread-self/net/if_inet6"))
    assert "fd7a75636f6d00010000000000000002" in six
    # Nothing is tentative (flag 0x40): bound and reached at once.
    assert all(int(line.split()[4], 16) & 0x40 == 0 for line in six.splitlines() if line.startswith("fd"))
    assert not [line for line in six.splitlines() if line.startswith("fe80") and line.endswith("eth1")]
    assert one.run(lambda: seen("/proc/sys/net/ipv4/ip_unprivileged_port_start")) == "0"
    routes = one.run(lambda: seen("/proc/thread-self/net/route")).splitlines()[1:]
    assert [line.split()[0] for line in routes if line.split()[1] == "00000000"] == ["eth0"]


def device_mac(name: str) -> str:
    import fcntl

    with socket.socket() as probe:
        answer = fcntl.ioctl(probe, 0x8927, name.encode().ljust(40, b"\0"))
    return answer[18:24].hex(":")


def device_mtu(name: str) -> str:
    import fcntl

    with socket.socket() as probe:
        answer = fcntl.ioctl(probe, 0x8921, name.encode().ljust(40, b"\0"))
    return str(int.from_bytes(answer[16:20], "little"))


def failures_leave_nothing() -> None:
    network = stack()
    before = network._link.links()
    one = Container()
    for wrong, error in (
        ([nic(FRONT, 1), Nic(network="other", mac="02:42:00:00:00:01")], NotFound),
        ([nic(FRONT, 1), Nic(network=FRONT.name, mac="02:42:00:00:00:01", name="eth0")], Rejected),
    ):
        try:
            network.attach(one.pid, wrong)
        except error:
            pass
        else:
            raise AssertionError(f"no {error}")
        assert network._link.links() == before
    one.close()
    try:
        network.attach(one.pid, [nic(FRONT, 1)])
    except NotFound:
        pass
    else:
        raise AssertionError("attached to nothing")
    assert network._link.links() == before


def detach_forgives_and_remove_is_idempotent() -> None:
    network = stack()
    one = Container()
    ports = network.attach(one.pid, [nic(FRONT, 1), nic(BACK, 1)])
    assert set(ports) <= set(network._link.links())
    one.close()
    deadline = time.monotonic() + 10
    while set(ports) & set(network._link.links()):
        assert time.monotonic() < deadline
    network.detach(ports)
    network.detach(ports)
    again = Container()
    ports = network.attach(again.pid, [nic(FRONT, 1)])
    network.detach(ports)
    assert not set(ports) & set(network._link.links())
    ports = network.attach(again.pid, [nic(FRONT, 1)])
    network.ensure(FRONT)
    network.remove(FRONT.name)
    network.remove(FRONT.name)
    assert FRONT.bridge not in network._link.links()
    assert not set(ports) & set(network._link.links())
    network.ensure(FRONT)
    network.attach(again.pid, [nic(FRONT, 1)])
    try:
        network.ensure(NetworkPlan(name=FRONT.name, gateway4=IPv4Interface("10.9.0.1/16")))
    except Rejected:
        pass
    else:
        raise AssertionError("changed under its users")


def the_last_holder_of_an_address_answers_no_more() -> None:
    network = stack()
    first, second, other = Container(), Container(), Container()
    network.attach(other.pid, [nic(FRONT, 9)])
    last = network.attach(first.pid, [nic(FRONT, 1)])
    serving(first, 80, b"first")
    assert says("10.71.0.2", 80) == "first"
    # As after a restart: the container has ended, the kernel has yet to take its namespace away.
    network.detach(last, ended=True)
    network.attach(second.pid, [nic(FRONT, 1)])
    serving(second, 80, b"second")
    assert first.run(lambda: refused("10.71.0.1", 1)) in ("Connection refused", "TimeoutError")
    assert says("10.71.0.2", 80) == "second"
    assert other.run(lambda: says("10.71.0.2", 80)) == "second"
    for one in (first, second, other):
        one.close()
    network.close()


def a_full_bridge_gets_a_second() -> None:
    bridges.PER_BRIDGE = 2
    network = stack()
    containers = [Container() for _ in range(5)]
    for number, container in enumerate(containers):
        network.attach(container.pid, [nic(FRONT, number + 1)])
    names = network._link.links()
    assert [name for name in names if name.startswith(f"{FRONT.bridge}.")] == [
        f"{FRONT.bridge}.1",
        f"{FRONT.bridge}.2",
    ]
    serving(containers[4], 80, b"last")
    serving(containers[0], 80, b"first")
    assert containers[0].run(lambda: says("10.71.0.6", 80)) == "last"
    assert containers[4].run(lambda: says("10.71.0.2", 80)) == "first"
    assert containers[2].run(lambda: says("10.71.0.6", 80)) == "last"
    # Room that nobody reported is found before another bridge is made.
    containers[1].close()
    containers[3].close()
    deadline = time.monotonic() + 10
    while len(network._link.links()) > len(names) - 2:
        assert time.monotonic() < deadline
    for number in (7, 8, 9):
        fresh = Container()
        network.attach(fresh.pid, [nic(FRONT, number)])
    assert f"{FRONT.bridge}.3" not in network._link.links()
    network.remove(FRONT.name)
    assert not [name for name in network._link.links() if FRONT.bridge[2:] in name]


def two_hundred_in_two_seconds() -> None:
    network = stack()
    containers = [Container() for _ in range(200)]
    began = time.perf_counter()
    ports = [network.attach(c.pid, [nic(FRONT, n + 1)]) for n, c in enumerate(containers)]
    took = time.perf_counter() - began
    serving(containers[199], 80, b"last")
    assert containers[0].run(lambda: says("10.71.0.201", 80)) == "last"
    assert all(port in network._link.links() for one in ports for port in one)
    sys.stdout.write(f"{took:.3f}")
