from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.local.network.lab import NOBODY, ROOT
from zun_compose.drivers.local.network.reserve import close_listener, open_listener, reserve
from zun_compose.errors import Conflict, Rejected
from zun_compose.model import Port


def test_a_reserved_port_is_refused_and_taken():
    held = reserve(Port(target=80))
    try:
        assert len(held.sockets) == 2
        for host in ("127.0.0.1", "::1"):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, held.host_port), timeout=2)
        with pytest.raises(Conflict, match=f'port "{held.host_port}/tcp" of the machine is taken: '):
            reserve(Port(target=80, published=str(held.host_port)))
    finally:
        held.close()
    reserve(Port(target=80, published=str(held.host_port))).close()


def test_listening_comes_and_goes_and_the_port_stays():
    held = reserve(Port(target=80, host_ip="127.0.0.1"))
    (one,) = held.sockets
    try:
        for _ in range(3):
            open_listener(one)
            with socket.create_connection(("127.0.0.1", held.host_port), timeout=2):
                one.accept()[0].close()
            close_listener(one)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", held.host_port), timeout=2)
            with pytest.raises(Conflict):
                reserve(Port(target=80, host_ip="127.0.0.1", published=str(held.host_port)))
    finally:
        held.close()


def test_remains_of_an_earlier_holder_do_not_stand_in_the_way_but_another_holder_does():
    first = reserve(Port(target=80, host_ip="127.0.0.1"))
    (one,) = first.sockets
    open_listener(one)
    client = socket.create_connection(("127.0.0.1", first.host_port), timeout=2)
    accepted, _ = one.accept()
    accepted.close()  # the side that closes first keeps the connection in TIME_WAIT
    assert client.recv(1) == b""
    client.close()
    first.close()
    port = Port(target=80, host_ip="127.0.0.1", published=str(first.host_port))
    with socket.socket() as plain, pytest.raises(OSError, match="in use"):
        plain.bind(("127.0.0.1", first.host_port))  # else this test would show nothing
    second = reserve(port)
    try:
        with pytest.raises(Conflict):
            reserve(port)
        open_listener(second.sockets[0])
        socket.create_connection(("127.0.0.1", first.host_port), timeout=2).close()
    finally:
        second.close()


def test_of_a_range_the_first_free_one():
    low = reserve(Port(target=80, host_ip="127.0.0.1"))
    try:
        span = f"{low.host_port}-{low.host_port + 3}"
        held = reserve(Port(target=80, host_ip="127.0.0.1", published=span))
        assert low.host_port < held.host_port <= low.host_port + 3
        held.close()
    finally:
        low.close()


def test_udp_ports_are_held_too():
    held = reserve(Port(target=53, protocol="udp"))
    try:
        with pytest.raises(Conflict, match="udp"):
            reserve(Port(target=53, protocol="udp", published=str(held.host_port)))
    finally:
        held.close()


@pytest.mark.parametrize(
    ("port", "why"),
    [
        (Port(target=80, protocol="sctp"), "only tcp and udp"),
        (Port(target=80, published="http"), "neither a port nor a range"),
        (Port(target=80, published="90-80"), "neither a port nor a range"),
        (Port(target=80, host_ip="localhost"), "is no address"),
        (Port(target=80, host_ip="203.0.113.9"), "the machine has no address"),
    ],
)
def test_what_cannot_be_published(port, why):
    with pytest.raises(Rejected, match=why):
        reserve(port)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_low_ports_are_for_root():
    start = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    program = (
        "from zun_compose.drivers.local.network.reserve import reserve\n"
        "from zun_compose.model import Port\n"
        f"reserve(Port(target=80, published='{start - 1}'))"
    )
    done = subprocess.run(
        ["setpriv", f"--reuid={NOBODY}", "--regid=65534", "--clear-groups", sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert "Rejected" in done.stderr
    assert f"from {start} on" in done.stderr
