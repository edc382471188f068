"""Ways to see a container's sockets without its namespace: a command inside it, or a TCP connection to it."""

from __future__ import annotations

import ipaddress
import selectors
import socket
import time
from collections.abc import Iterable

from zun_compose.container import Observed, PortKey
from zun_compose.driver import ExecProbe
from zun_compose.observe.kernel import shared_mode
from zun_compose.observe.table import parse
from zun_compose.sighting import SocketReading

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6")
_COMMAND_TIMEOUT = 5.0
_CONNECT_TIMEOUT = 0.3
# A declared range may span thousands of ports; so many connections are tried at one look.
_MOST_CONNECTIONS = 128


def by_command(driver: ExecProbe, observed: Observed) -> SocketReading | None:
    """Read the container's own /proc/net by running `cat` in it; None if it has no `cat`.

    `complete` means that both kinds of tables were printed. Raises DriverError.
    """
    result = driver.execute(observed.id, ("cat", *_TABLES), timeout=_COMMAND_TIMEOUT)
    rows, kinds = parse(result.output)
    if not kinds:
        return None
    reach = frozenset(row.key for row in rows if not row.loopback)
    # The table is the whole namespace's, and nothing in it tells whose a socket is.
    untold = reach if any(shared_mode(observed)) else frozenset()
    return SocketReading(
        listening=reach,
        loopback=frozenset(row.key for row in rows if row.loopback) - reach,
        unattributed=untold,
        complete=kinds >= {"tcp", "udp"},
        source="exec",
    )


def by_connecting(addresses: Iterable[str], wanted: Iterable[PortKey]) -> SocketReading:
    """Find out which TCP ports accept a connection at one of the addresses, all at once, within 0.3 s."""
    ports = sorted(key.port for key in wanted if key.protocol == "tcp")
    pairs = [(address, port) for address in addresses for port in ports][:_MOST_CONNECTIONS]
    if not pairs:
        return SocketReading(note="the container has no address to connect to")
    open_ports: set[int] = set()
    deadline = time.monotonic() + _CONNECT_TIMEOUT
    with selectors.DefaultSelector() as selector:
        for address, port in pairs:
            connection = _begin(address, port)
            if connection is not None:
                selector.register(connection, selectors.EVENT_WRITE, port)
        try:
            while selector.get_map() and (left := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    selector.unregister(key.fileobj)
                    assert isinstance(key.fileobj, socket.socket)
                    with key.fileobj as connection:
                        if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                            open_ports.add(key.data)
        finally:
            for key in list(selector.get_map().values()):
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.close()
    return SocketReading(listening=frozenset(PortKey(port) for port in open_ports), source="tcp")


def addresses(observed: Observed) -> tuple[str, ...]:
    """Return the container's own addresses, plain and without a prefix length, in the engine's order."""
    found = []
    for text in observed.addresses.values():
        address = text.split("/")[0]
        try:
            ipaddress.ip_address(address)
        except ValueError:
            continue
        found.append(address)
    return tuple(dict.fromkeys(found))


def _begin(address: str, port: int) -> socket.socket | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = None
    try:
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        connection.connect_ex((address, port))
    except OSError:
        if connection is not None:
            connection.close()
        return None
    return connection
