"""How containers are reached from outside: by sockets that the driver lends, and by published ports."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from tests.integration.local.bench import STACK, Bench, until
from zun_compose.container import Join, PortKey
from zun_compose.drivers.local.network.bound import BoundPorts
from zun_compose.model import Mount, MountType, Network, Port

SERVER = "import socket\ns=socket.create_server(('',80))\nwhile True: s.accept()[0].sendall(b'hi')"


def test_a_lent_socket_reaches_a_container_by_its_own_address(bench: Bench) -> None:
    bench.driver.create_network(Network(key="a", name="bench_a"), {"com.docker.compose.project": STACK})
    container = bench.run("python3", "-S", "-c", SERVER, joins=(Join(network="bench_a"),))
    address = bench.driver.inspect(container).addresses["bench_a"]

    def answer() -> bytes:
        with bench.driver.stream_socket(container, socket.AF_INET) as lent:
            lent.settimeout(5)
            try:
                lent.connect((address, 80))
            except ConnectionRefusedError:
                return b""
            return lent.recv(9)

    assert until(answer) == b"hi"


ROUNDS = 40
# Opens one port after another, each when it is asked to; whoever is let in is answered.
MANY = """
import os, socket, sys, threading, time
def serve(server):
    while True:
        server.accept()[0].sendall(b"hi")
for number in range(int(sys.argv[1])):
    while not os.path.exists(f"/asked/{number}"):
        time.sleep(0.001)
    server = socket.create_server(("", 8000 + number))
    threading.Thread(target=serve, args=(server,), daemon=True).start()
threading.Event().wait()
"""


def test_whoever_is_admitted_need_not_try_again(bench: Bench, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    asked.mkdir()
    container = bench.run(
        *("python3", "-S", "-c", MANY, str(ROUNDS)),
        ports=tuple(Port(target=8000 + number, host_ip="127.0.0.1") for number in range(ROUNDS)),
        mounts=(Mount(type=MountType.BIND, source=str(asked), target="/asked"),),
    )
    seen = bench.driver.inspect(container)
    published = {port.target: port.host_port for port in seen.ports}
    assert seen.pid is not None
    # the forwarder, which has nothing to do for so long, looks ten times a second by now
    time.sleep(2.5)
    bound = BoundPorts(seen.pid)
    early = 0
    try:
        for number in range(ROUNDS):
            (asked / str(number)).touch()
            deadline = time.monotonic() + 10
            while PortKey(8000 + number) not in bound.ports():
                assert time.monotonic() < deadline
            address = ("127.0.0.1", published[8000 + number])
            with socket.socket() as client:
                early += client.connect_ex(address) != 0
            bench.driver.admit(container)
            with socket.create_connection(address, 5) as client:
                assert client.recv(9) == b"hi"
    finally:
        bound.close()
    assert early, "they were let in unasked: this test shows nothing"
