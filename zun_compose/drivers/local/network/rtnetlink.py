"""Speaks rtnetlink: many requests in one send, each acknowledged by the kernel, no thread, no loop.

Written on `socket` and `struct`, for what is in every supervisor's memory (they are forked from the
process that does this) must be small, and that process must be free of threads: see
docs/local-network.md for the measurements. The structures are the kernel's frozen ABI
(linux/rtnetlink.h, linux/if_link.h, linux/neighbour.h).
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from zun_compose.linux import calls

_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_REPLACE, _EXCL, _CREATE = 0x100, 0x200, 0x400
_NEWLINK, _DELLINK, _GETLINK, _NEWADDR, _NEWROUTE, _NEWNEIGH, _DELNEIGH = 16, 17, 18, 20, 24, 28, 29

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg: family, lengths, tos, table, protocol, scope, type, flags
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # ndmsg: family, index, state, flags, type
_ERRNO = struct.Struct("=i")
_U32 = struct.Struct("=I")
_ATTRIBUTE = struct.Struct("=HH")

_UP = 0x1
_DOOMED = 0x7A63  # a link group that only what is being removed is in
_LOOPBACK = 1
# IFLA_*, IFLA_INFO_*, VETH_INFO_PEER, IFLA_BR_*, IFLA_INET6_ADDR_GEN_MODE
_L_ADDRESS, _L_NAME, _L_MTU, _L_MASTER, _L_INFO, _L_AF_SPEC, _L_GROUP, _L_NETNS_FD = (
    1,
    3,
    4,
    10,
    18,
    26,
    27,
    28,
)
_INFO_KIND, _INFO_DATA, _VETH_PEER, _BR_MCAST_SNOOPING, _ADDR_GEN_MODE, _GEN_NONE = 1, 2, 1, 23, 8, 1
_INET_CONF, _CONF_FORWARDING = 1, 1
_A_ADDRESS, _A_LOCAL, _A_BROADCAST, _A_FLAGS = 1, 2, 4, 8
_NODAD = 0x2
_R_OIF, _R_GATEWAY = 4, 5
_N_DST, _N_LLADDR, _PERMANENT = 1, 2, 0x80
_NOARP, _MASTER, _STICKY = 0x40, 0x4, 0x40
_TABLE_MAIN, _PROTO_BOOT, _SCOPE_UNIVERSE, _UNICAST = 254, 3, 0, 1
# Tearing many links down takes long, and all of a batch is done before the first answer.
_PATIENCE = 30.0
# What fits into a socket's buffers whatever the requests are: an answer repeats a refused request.
_BATCH = 64

Request = tuple[int, int, bytes]
Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface


class Rtnetlink:
    """A socket that talks about the network namespace it was opened in. Not thread-safe."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.settimeout(_PATIENCE)
        self._sequence = 0

    def close(self) -> None:
        """Close the socket, which lets the namespace go."""
        self._socket.close()

    def ask(self, requests: Sequence[Request], *, tolerate: Sequence[int] = ()) -> None:
        """Carry out requests in order, in one go. Raises the first OSError whose number is not tolerated.

        All of them are tried, also those after one that failed.
        """
        failure = 0
        for at in range(0, len(requests), _BATCH):
            failure = failure or self._batch(requests[at : at + _BATCH], tolerate)
        if failure:
            raise OSError(failure, os.strerror(failure))

    def _batch(self, requests: Sequence[Request], tolerate: Sequence[int]) -> int:
        """The number of the first error that is not tolerated, 0 if there is none."""
        first = self._sequence + 1
        parts = []
        for kind, flags, body in requests:
            self._sequence += 1
            length = _HEADER.size + len(body)
            parts.append(_HEADER.pack(length, kind, flags | _REQUEST | _ACK, self._sequence, 0) + body)
        self._socket.send(b"".join(parts))
        failure = 0
        left = set(range(first, self._sequence + 1))
        while left:
            for kind, sequence, payload in self._answers():
                if kind == _NLMSG_ERROR and sequence in left:
                    left.discard(sequence)
                    code = -_ERRNO.unpack_from(payload)[0]
                    failure = failure or (0 if code in tolerate else code)
        return failure

    def links(self) -> dict[str, int]:
        """Return all interfaces' names and the index of the bridge that each is a port of (0: of none)."""
        self._sequence += 1
        body = _LINK.pack(0, 0, 0, 0, 0)
        length = _HEADER.size + len(body)
        self._socket.send(_HEADER.pack(length, _GETLINK, _REQUEST | _DUMP, self._sequence, 0) + body)
        found: dict[str, int] = {}
        while True:
            for kind, sequence, payload in self._answers():
                if sequence != self._sequence:
                    continue
                if kind == _NLMSG_DONE:
                    return found
                if kind == _NLMSG_ERROR:
                    code = -_ERRNO.unpack_from(payload)[0]
                    raise OSError(code, os.strerror(code))
                values = dict(_attributes(payload[_LINK.size :]))
                master = values.get(_L_MASTER)
                name = values[_L_NAME].rstrip(b"\0").decode()
                found[name] = _U32.unpack(master)[0] if master else 0

    def _answers(self) -> Iterator[tuple[int, int, bytes]]:
        data = self._socket.recv(1 << 17)
        at = 0
        while at + _HEADER.size <= len(data):
            length, kind, _, sequence, _ = _HEADER.unpack_from(data, at)
            if length < _HEADER.size:
                raise OSError("malformed answer of the kernel")
            yield kind, sequence, data[at + _HEADER.size : at + length]
            at += (length + 3) & ~3


def add_bridge(name: str, index: int, *, mac: str | None, mtu: int) -> Request:
    """Make a bridge, up. Without multicast snooping: it would keep a timer and a group table for nothing."""
    data = _nested(_INFO_DATA, _attribute(_BR_MCAST_SNOOPING, b"\0"))
    body = (
        _LINK.pack(0, 0, index, _UP, _UP)
        + _name(name)
        + _attribute(_L_MTU, _U32.pack(mtu))
        + (_attribute(_L_ADDRESS, _mac(mac)) if mac else b"")
        + _nested(_L_INFO, _attribute(_INFO_KIND, b"bridge"), data)
    )
    return _NEWLINK, _CREATE | _EXCL, body


def add_veth(
    name: str,
    index: int,
    *,
    master: int,
    mtu: int,
    peer: str,
    peer_index: int = 0,
    peer_mac: str | None = None,
    namespace: int | None = None,
) -> Request:
    """Make a pair, its first end a port of bridge `master` and up.

    The peer is made where it belongs at once (`namespace` is a descriptor): moving it there later
    costs the kernel a grace period. It is not up: the kernel brings it up only once the pair is whole.
    """
    end = (
        _LINK.pack(0, 0, peer_index, 0, 0)
        + _name(peer)
        + _attribute(_L_MTU, _U32.pack(mtu))
        + (_attribute(_L_ADDRESS, _mac(peer_mac)) if peer_mac else b"")
        + (_attribute(_L_NETNS_FD, _U32.pack(namespace)) if namespace is not None else b"")
    )
    body = (
        _LINK.pack(0, 0, index, _UP, _UP)
        + _name(name)
        + _attribute(_L_MTU, _U32.pack(mtu))
        + _attribute(_L_MASTER, _U32.pack(master))
        + _nested(_L_INFO, _attribute(_INFO_KIND, b"veth"), _nested(_INFO_DATA, _nested(_VETH_PEER, end)))
    )
    return _NEWLINK, _CREATE | _EXCL, body


def remove_link(name: str) -> Request:
    """Remove an interface by its name."""
    return _DELLINK, 0, _LINK.pack(0, 0, 0, 0, 0) + _name(name)


def remove_group(names: Sequence[str]) -> list[Request]:
    """Remove many interfaces as one: the kernel waits out one grace period instead of one for each."""
    group = _attribute(_L_GROUP, _U32.pack(_DOOMED))
    marks = [(_NEWLINK, 0, _LINK.pack(0, 0, 0, 0, 0) + _name(name) + group) for name in names]
    return [*marks, (_DELLINK, 0, _LINK.pack(0, 0, 0, 0, 0) + group)]


def enslave(name: str, master: int) -> Request:
    """Make an interface a port of a bridge, and up."""
    return _NEWLINK, 0, _LINK.pack(0, 0, 0, _UP, _UP) + _name(name) + _attribute(_L_MASTER, _U32.pack(master))


def set_up(index: int = _LOOPBACK) -> Request:
    """Bring an interface up; loopback is number 1 in every namespace."""
    return _NEWLINK, 0, _LINK.pack(0, 0, index, _UP, _UP)


def no_link_local(index: int) -> Request:
    """Let an interface make no IPv6 address of its own; to be asked before it is up."""
    inner = _nested(socket.AF_INET6, _attribute(_ADDR_GEN_MODE, bytes([_GEN_NONE])))
    return _NEWLINK, 0, _LINK.pack(0, 0, index, 0, 0) + _nested(_L_AF_SPEC, inner)


def set_forwarding(index: int, on: bool) -> Request:
    """Let IPv4 packets that come in by an interface be routed on, or not."""
    setting = _nested(_INET_CONF, _attribute(_CONF_FORWARDING, _U32.pack(on)))
    return _NEWLINK, 0, _LINK.pack(0, 0, index, 0, 0) + _nested(_L_AF_SPEC, _nested(socket.AF_INET, setting))


def add_address(index: int, interface: Interface) -> Request:
    """Give an interface an address. An IPv6 one is usable at once: nobody else can have it here."""
    packed = interface.ip.packed
    body = _ADDRESS.pack(_family(interface), interface.network.prefixlen, 0, 0, index)
    body += _attribute(_A_LOCAL, packed) + _attribute(_A_ADDRESS, packed)
    if isinstance(interface, IPv4Interface):
        body += _attribute(_A_BROADCAST, interface.network.broadcast_address.packed)
    else:
        body += _attribute(_A_FLAGS, _U32.pack(_NODAD))
    return _NEWADDR, _CREATE | _REPLACE, body


def add_default_route(index: int, gateway: Address) -> Request:
    """Route all else by a gateway."""
    family = _family(gateway)
    body = _ROUTE.pack(family, 0, 0, 0, _TABLE_MAIN, _PROTO_BOOT, _SCOPE_UNIVERSE, _UNICAST, 0)
    body += _attribute(_R_GATEWAY, gateway.packed) + _attribute(_R_OIF, _U32.pack(index))
    return _NEWROUTE, _CREATE | _REPLACE, body


def add_neighbour(index: int, address: Address, mac: str) -> Request:
    """Know a neighbour for ever: such entries are not counted against the machine's gc_thresh limits."""
    body = _NEIGHBOUR.pack(_family(address), index, _PERMANENT, 0, 0)
    body += _attribute(_N_DST, address.packed) + _attribute(_N_LLADDR, _mac(mac))
    return _NEWNEIGH, _CREATE | _REPLACE, body


def claim(port: int, mac: str) -> Request:
    """Let the bridge of this port send there, and nowhere else, what goes to this MAC address.

    A static, sticky entry of its forwarding database (bridge(8)): what an earlier holder still sends is
    not learnt.
    """
    body = _NEIGHBOUR.pack(socket.AF_BRIDGE, port, _NOARP, _MASTER | _STICKY, 0) + _attribute(
        _N_LLADDR, _mac(mac)
    )
    return _NEWNEIGH, _CREATE | _REPLACE, body


def remove_neighbour(index: int, address: Address) -> Request:
    """Forget a neighbour."""
    body = _NEIGHBOUR.pack(_family(address), index, 0, 0, 0) + _attribute(_N_DST, address.packed)
    return _DELNEIGH, 0, body


@contextmanager
def inside(namespace: int) -> Iterator[None]:
    """Be in another network namespace (a descriptor) for a moment; what is opened there stays there.

    Moves the calling thread, which must be the process's only one. Raises OSError.
    """
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        calls.setns(namespace, calls.CLONE_NEWNET)
        try:
            yield
        finally:
            calls.setns(home, calls.CLONE_NEWNET)
    finally:
        os.close(home)


def _attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + b"\0" * (-length % 4)


def _nested(kind: int, *inner: bytes) -> bytes:
    return _attribute(kind, b"".join(inner))


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


def _name(name: str) -> bytes:
    return _attribute(_L_NAME, name.encode() + b"\0")


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", "").replace("-", ""))


def _family(value: Address | Interface) -> int:
    return socket.AF_INET if value.version == 4 else socket.AF_INET6
