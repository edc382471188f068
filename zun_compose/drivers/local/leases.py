"""Networks as files: what was asked of each, its subnets, and which container has which address.

Addresses are given when a container is created and kept until it is removed, so that they can be told
without asking anybody. Whoever changes a file holds the home's lock.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any

from zun_compose.container import Join
from zun_compose.drivers.local.home import Home, read_json, write_json
from zun_compose.drivers.local.network.addresses import Allocator, Pool, host_routes, mac, pools
from zun_compose.drivers.local.papers import Blueprint, Nic
from zun_compose.errors import Conflict, NotFound, Unsupported
from zun_compose.model import Network

FORMAT = 1
BRIDGE = "bridge"
"""The network of containers that name none, as in Docker."""
_DRIVERS = (None, "", "default", "bridge")


def known(home: Home, network: str) -> dict[str, Any] | None:
    """Return a network's file, if there is that network."""
    return read_json(home.network(network))


def make(home: Home, network: Network, labels: Mapping[str, str]) -> None:
    """Make a network's file; hold the lock. Raises Conflict for a taken name, Rejected, Unsupported."""
    if network.driver not in _DRIVERS:
        raise Unsupported(
            f'network "{network.name}": the local driver has no network driver "{network.driver}"'
        )
    path = home.network(network.name)
    if path.exists():
        raise Conflict(f'network "{network.name}" exists already')
    taken: list[Any] = list(host_routes(_routes()))
    for other in path.parent.iterdir():
        body = read_json(other) or {}
        taken += [ip_network(pool["subnet"]) for pool in body.get("pools", ())]
    found = pools(network, taken)
    write_json(
        path,
        {
            "format": FORMAT,
            "id": secrets.token_hex(32),
            "name": network.name,
            "driver": network.driver or BRIDGE,
            "labels": dict(labels),
            "internal": network.internal,
            "pools": [_written(pool) for pool in found if pool is not None],
            "leases": {},
            "last": {},
        },
    )


def _routes() -> str:
    with suppress(OSError):
        return Path("/proc/net/route").read_text()
    return ""


def lease(home: Home, join: Join, blueprint: Blueprint) -> Nic:
    """Give a container its addresses on a network; hold the lock. Raises NotFound, Rejected."""
    body = known(home, join.network)
    if body is None and join.network == BRIDGE:
        make(home, Network(key=BRIDGE, name=BRIDGE), {})
        body = known(home, BRIDGE)
    if body is None:
        raise NotFound(f'network "{join.network}" not found')
    attachment = join.attachment
    wanted = (
        {4: None, 6: None} if attachment is None else {4: attachment.ipv4_address, 6: attachment.ipv6_address}
    )
    given: dict[int, str] = {}
    for written in body["pools"]:
        pool = _read(body["name"], written)
        version = pool.subnet.version
        taken = {one for held in body["leases"].values() for one in held}
        address = _next(pool, taken, wanted[version], body["last"].get(str(version)))
        given[version] = str(address)
        body["last"][str(version)] = str(address)
    body["leases"][blueprint.id] = list(given.values())
    write_json(home.network(join.network), body)
    first = ip_address(next(iter(given.values())))
    return Nic(
        network=join.network,
        aliases=tuple(dict.fromkeys((*join.aliases, blueprint.hostname))),
        ipv4=given.get(4),
        ipv6=given.get(6),
        mac=(attachment.mac_address if attachment is not None else None) or mac(first),
        interface=None if attachment is None else attachment.interface_name,
    )


def _next(pool: Pool, taken: set[str], wanted: str | None, last: str | None) -> IPv4Address | IPv6Address:
    if wanted is None and last is not None:
        # what was just given back is not given out at once, and nobody counts through all that is taken
        following = ip_address(last) + 1
        inside = int(pool.first) <= int(following) <= int(pool.last)
        if inside and str(following) not in taken and following not in pool.reserved:
            return following
    return Allocator(pool).allocate({ip_address(one) for one in taken}, wanted)


def release(home: Home, network: str, container: str) -> None:
    """Give a container's addresses back; hold the lock."""
    release_in(home.network(network), container)


def release_in(path: Path, container: str) -> None:
    """Give a container's addresses back to the network of this file; hold the lock."""
    body = read_json(path)
    if body is not None and body.get("leases", {}).pop(container, None) is not None:
        write_json(path, body)


def _written(pool: Pool) -> dict[str, Any]:
    return {
        "subnet": str(pool.subnet),
        "gateway": str(pool.gateway),
        "first": str(pool.first),
        "last": str(pool.last),
        "reserved": sorted(map(str, pool.reserved)),
    }


def _read(network: str, body: Mapping[str, Any]) -> Pool:
    return Pool(
        network=network,
        subnet=ip_network(body["subnet"]),
        gateway=ip_address(body["gateway"]),
        first=ip_address(body["first"]),
        last=ip_address(body["last"]),
        reserved=frozenset(map(ip_address, body["reserved"])),
    )
