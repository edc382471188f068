"""One network namespace's socket table: its rows, and the text form that the kernel prints.

Pure: text and bytes in, rows out.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

from zun_compose.container import PortKey
from zun_compose.linux.sock_diag import LISTEN, UNCONNECTED, Waiting, is_loopback
from zun_compose.record import Record

_HEADER = "local_address"
_MAPPED = bytes(10) + b"\xff\xff"


class Bound(Record, kw_only=True):
    """A socket that waits for others: TCP in LISTEN, or UDP bound without a peer.

    `address` is in network order, 4 or 16 bytes. `inode` is the socket's own number, the same that
    /proc/PID/fd shows; no two living sockets of a machine share one.
    """

    key: PortKey
    address: bytes
    inode: int

    @classmethod
    def told(cls, row: Waiting) -> Bound:
        """Return what the kernel told of one socket."""
        return cls(key=PortKey(row.port, row.protocol), address=row.address, inode=row.inode)

    @property
    def loopback(self) -> bool:
        """Whether only the namespace itself can reach it: 127.0.0.0/8, ::1, ::ffff:127.0.0.0/104."""
        return is_loopback(self.address)

    @property
    def dial(self) -> str:
        """The address at which the namespace itself reaches it, in text."""
        plain = (
            self.address[12:]
            if self.address.startswith(_MAPPED) and len(self.address) == 16
            else self.address
        )
        if not any(plain):
            # A wildcard IPv6 socket may refuse IPv4 (IPV6_V6ONLY), so each family is asked in its own.
            return "127.0.0.1" if len(plain) == 4 else "::1"
        return socket.inet_ntop(socket.AF_INET if len(plain) == 4 else socket.AF_INET6, plain)


class Table(Record, kw_only=True):
    """All waiting sockets of a namespace at one moment; `source` is netlink, proc or exec."""

    sockets: tuple[Bound, ...] = ()
    source: str = "none"


def parse(text: str) -> tuple[tuple[Bound, ...], frozenset[str]]:
    """Read /proc/net/tcp, tcp6, udp, udp6 (any of them, one after the other).

    Returns the waiting sockets, and which protocols had a table at all ("tcp", "udp"). Lines that
    make no sense are skipped: the text may come out of a container and may be cut.
    """
    rows: list[Bound] = []
    seen: set[str] = set()
    protocol = ""
    for line in text.splitlines():
        if _HEADER in line:
            # Only the header tells what follows; UDP tables end in a column of drops.
            protocol = "udp" if "drops" in line else "tcp"
            seen.add(protocol)
        elif protocol:
            rows.extend(_row(line, protocol))
    return tuple(rows), frozenset(seen)


def _row(line: str, protocol: str) -> Iterator[Bound]:
    fields = line.split()
    if len(fields) < 10:
        return
    try:
        state = int(fields[3], 16)
        if state != (LISTEN if protocol == "tcp" else UNCONNECTED):
            return
        address, _, port = fields[1].partition(":")
        yield Bound(key=PortKey(int(port, 16), protocol), address=_packed(address), inode=int(fields[9]))
    except ValueError:
        return


def _packed(text: str) -> bytes:
    """The kernel prints each 32-bit word of an address as a number in its own byte order."""
    if len(text) not in (8, 32):
        raise ValueError(text)
    words = (int(text[at : at + 8], 16) for at in range(0, len(text), 8))
    return b"".join(word.to_bytes(4, sys.byteorder) for word in words)
