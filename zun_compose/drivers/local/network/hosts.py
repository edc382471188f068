"""Writes a container's /etc/hosts: who is on its networks, by every name they have there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from zun_compose.errors import Rejected
from zun_compose.record import Record

HOST_GATEWAY = "host-gateway"
_LOCAL = (
    ("127.0.0.1", ("localhost",)),
    ("::1", ("localhost", "ip6-localhost", "ip6-loopback")),
    ("fe00::", ("ip6-localnet",)),
    ("ff00::", ("ip6-mcastprefix",)),
    ("ff02::1", ("ip6-allnodes",)),
    ("ff02::2", ("ip6-allrouters",)),
)


class Place(Record, kw_only=True):
    """A container on one network: its addresses there and the names by which others there know it."""

    network: str
    addresses: tuple[IPv4Address | IPv6Address, ...]
    names: tuple[str, ...]


def render(
    own_name: str,
    own: Sequence[Place],
    peers: Iterable[Place],
    extra_hosts: Sequence[tuple[str, str]] = (),
    *,
    host_gateway: str | None = None,
) -> str:
    """Return the text of a container's hosts file: the same for the same containers, in whatever order.

    `own_name` is its hostname, `own` its places; peers on networks that it is not on are left out, so
    `peers` may hold the whole stack's places. A name that several have gets all their addresses. As with
    Docker, where the hosts file goes before the name server, the container's own hostname and
    `extra_hosts` hide peers of that name. Raises Rejected for "host-gateway" if there is no `host_gateway`.
    """
    lines: dict[str, dict[str, None]] = {}

    def add(address: str, names: Iterable[str]) -> None:
        lines.setdefault(address, {}).update(dict.fromkeys(names))

    for address, local in _LOCAL:
        add(address, local)
    for name, address in extra_hosts:
        add(_extra(name, address, host_gateway), (name,))
    hidden = {own_name, *(name for name, _ in extra_hosts), *(name for _, local in _LOCAL for name in local)}
    for place in own:
        for each in place.addresses:
            add(str(each), (own_name,))
    order = {place.network: at for at, place in enumerate(own)}
    shared = {place for place in (*own, *peers) if place.network in order}
    for place in sorted(shared, key=lambda place: (order[place.network], _rank(place), place.names)):
        names = tuple(name for name in place.names if name not in hidden)
        for each in place.addresses:
            if names:
                add(str(each), names)
    return "".join(f"{address}\t{' '.join(names)}\n" for address, names in lines.items())


def _rank(place: Place) -> tuple[tuple[int, int], ...]:
    return tuple((address.version, int(address)) for address in place.addresses)


def _extra(name: str, address: str, host_gateway: str | None) -> str:
    if address != HOST_GATEWAY:
        return address.strip("[]")
    if host_gateway is None:
        raise Rejected(
            f'extra host "{name}": there is no way to the host from here: '
            "install passt or slirp4netns, or give an address"
        )
    return host_gateway


def rewrite(path: Path, text: str) -> None:
    """Give a file new contents in place: it is mounted in a container, which would keep a replaced one.

    Writers exclude each other by a lock on the file; who reads under a shared lock sees a whole text. A
    resolver takes no lock, and Linux does not make its read one with a write: what the old text and the new
    one begin with is not touched, so no line is lost or changed while others are added after it. While lines
    in between change, it may for some microseconds see the new text's beginning and the old one's end, and
    empty lines after a text that became shorter. Raises OSError.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        data = text.encode()
        old = os.pread(handle, os.fstat(handle).st_size, 0)
        if old == data:
            return
        pairs = enumerate(zip(old, data, strict=False))
        same = next((at for at, (was, now) in pairs if was != now), min(len(old), len(data)))
        changed = data.ljust(len(old), b"\n")[same:]
        if os.pwrite(handle, changed, same) != len(changed):
            raise OSError(f"{path}: written only in part")
        os.ftruncate(handle, len(data))
    finally:
        os.close(handle)
