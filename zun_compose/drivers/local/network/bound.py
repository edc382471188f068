"""Which ports are bound inside a container, asked of the kernel from outside, as cheaply as can be."""

from __future__ import annotations

import os

from zun_compose.container import PortKey
from zun_compose.drivers.local.network.rtnetlink import inside
from zun_compose.linux import proc, sock_diag


class BoundPorts:
    """The waiting sockets of one process's network namespace. Not thread-safe.

    Raises OSError, from every method, if the process is gone or the kernel will not tell.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            with inside(namespace):
                self._diag = sock_diag.connect_here()
        finally:
            os.close(namespace)

    def counts(self) -> str:
        """Return how many sockets of each kind there are: it changes when one opens or closes."""
        return proc.socket_counts(self._pid)

    def ports(self) -> dict[PortKey, frozenset[int]]:
        """Return the ports bound on an address that others can reach, each with its families (4, 6)."""
        found: dict[PortKey, set[int]] = {}
        for row in self._diag.dump():
            if sock_diag.is_loopback(row.address):
                continue
            # A wildcard IPv6 one serves IPv4 too, unless it was told not to: then trying shows it.
            families = {4} if len(row.address) == 4 else {6} if any(row.address) else {4, 6}
            found.setdefault(PortKey(row.port, row.protocol), set()).update(families)
        return {key: frozenset(families) for key, families in found.items()}

    def close(self) -> None:
        """Let the namespace go."""
        self._diag.close()
